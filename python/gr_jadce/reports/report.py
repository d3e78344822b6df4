# SPDX-License-Identifier: GPL-3.0-or-later
"""A report: what is known of one frame."""

from dataclasses import dataclass

import numpy as np

SCHEMA = 1
STATUSES = ("ok", "bad_input", "clipped")
_MOST = {"n_devices": 2**32, "n_antennas": 2**16}
# The scalars of a report, named alike in every form; the last group is in the activity PDU alone.
FRAME_ID = {"frame_id": int}
SHARED = {"n_devices": int, "n_antennas": int}
SCALARS = {
    "status": str,
    "threshold": float,
    "noise_var": float,
    "snr_db": float,
    "estimator": str,
    "n_iter": int,
    "solve_time": float,
    "frames_dropped": int,
}
# Numbers of each active device, in the activity PDU alone, that only some receivers tell.
OPTIONAL = ("delay", "carrier_offset")
EXPECTED = {
    int: "an integer from 0 to 2**64 - 1",
    float: "a number",
    str: "a string",
    dict: "an object",
    list: "a list",
}


@dataclass(frozen=True, eq=False)
class Report:
    """What is known, or in a truth report true, of one frame.

    Parameters
    ----------
    frame_id : int
        Number of the slot.
    rx_time : (int, float)
        Device time of the pilot's first sample: whole seconds and fraction.
    n_devices, n_antennas : int
        N and M.
    device : (K,) uint32 array
        The active devices, ascending.
    channel : (K, M) complex64 array
        Their channels, in the order of `device`.
    score : (K,) float32 array
        Their evidence of being active; above `threshold`.
    threshold : float
        The score from which a device counts as active.
    noise_var : float
        Noise variance per received sample; NaN if unknown.
    snr_db : float
        Estimated SNR of the frame, dB; NaN if unknown.
    status : {"ok", "bad_input", "clipped"}
    estimator : str
        Name of the estimator; "truth" for simulated truth.
    n_iter : int
        Iterations the estimator took.
    solve_time : float
        Seconds spent on the frame.
    frames_dropped : int
        Frames dropped so far.
    device_id : tuple of K str, optional
        Names of the active devices, if the pilot book has names.
    delay, carrier_offset : (K,) float32 array, optional
        Delays of the active devices, symbols, and their carrier offsets, cycles a symbol, where
        the receiver estimates them.

    Raises
    ------
    ValueError
        If shapes do not agree, devices do not ascend, the status is none of the three, or N is not
        from 1 to 2**32 or M not from 1 to 2**16.
    """

    frame_id: int
    rx_time: tuple[int, float]
    n_devices: int
    n_antennas: int
    device: np.ndarray
    channel: np.ndarray
    score: np.ndarray
    threshold: float
    noise_var: float
    snr_db: float
    status: str
    estimator: str
    n_iter: int
    solve_time: float
    frames_dropped: int = 0
    device_id: tuple[str, ...] | None = None
    delay: np.ndarray | None = None
    carrier_offset: np.ndarray | None = None

    def __post_init__(self):
        check_sizes(self.n_devices, self.n_antennas)
        check_device(np.asarray(self.device), self.n_devices)
        n_active = len(self.device)
        self._keep("device", np.uint32, (n_active,))
        self._keep("channel", np.complex64, (n_active, self.n_antennas))
        self._keep("score", np.float32, (n_active,))
        for name in optional_of(self):
            self._keep(name, np.float32, (n_active,))
        if self.status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, got {self.status!r}")
        if self.device_id is not None and len(self.device_id) != n_active:
            raise ValueError(f"device_id: expected {n_active} names, got {len(self.device_id)}")

    def _keep(self, name, dtype, shape):
        array = np.asarray(getattr(self, name), dtype=dtype)
        if array.shape != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
        self.__dict__[name] = array  # a frozen dataclass has no other way to set it

    @classmethod
    def unchecked(cls, **fields):
        """A report of fields, all of them, that are known to agree: in no time, without a look at them."""
        report = object.__new__(cls)
        report.__dict__.update(fields)
        return report


def optional_of(report) -> dict:
    """The optional arrays that a report has."""
    return {name: getattr(report, name) for name in OPTIONAL if getattr(report, name) is not None}


def check_sizes(n_devices, n_antennas):
    """ValueError unless N and M are in range."""
    for name, value in (("n_devices", n_devices), ("n_antennas", n_antennas)):
        if not 1 <= value <= _MOST[name]:
            raise ValueError(f"{name}: expected 1 to {_MOST[name]}, got {shown(value)}")


def check_device(device, n_devices):
    """ValueError unless devices are integers from 0 to N − 1 that ascend."""
    if device.ndim != 1 or (device.size and device.dtype.kind not in "iu"):
        raise ValueError(f"device: expected integers in one row, got shape {device.shape} of {device.dtype}")
    ascends = np.count_nonzero(device[1:] > device[:-1]) >= device.size - 1
    if device.size and not (ascends and device[0] >= 0 and device[-1] < n_devices):
        raise ValueError(f"device: expected ascending indices from 0 to {n_devices - 1}, got {shown(device)}")


def check_schema(schema):
    """ValueError unless it is the one that there is."""
    if schema != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {schema}")


def shown(value) -> str:
    """A value as error messages show it."""
    try:
        text = str(value)
    except UnicodeDecodeError:
        text = "text that is not UTF-8"
    return text if len(text) <= 80 else text[:77] + "..."
