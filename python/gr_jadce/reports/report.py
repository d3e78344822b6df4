# SPDX-License-Identifier: GPL-3.0-or-later
"""A report: what is known of one frame."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..checks import check_choice
from .fields import FIELDS, SCHEMA, Kind

STATUSES = ("ok", "bad_input", "clipped")
_MAX_SIZES = {"n_devices": 2**32, "n_antennas": 2**16}
_OPTIONAL_NUMBERS = [
    field.name for field in FIELDS if field.optional and field.per_device and field.kind is Kind.NUMBERS
]


class Taps(NamedTuple):
    """The impulse responses of K devices, as taps that follow each other, device by device.

    start : (K + 1,) int64 array, the taps of device k are start[k] to start[k + 1] − 1.
    delay : (T,) float32 array, symbols after the slot's start.
    gain : (T, M) complex64 array, at the pilot's first symbol.
    """

    start: NDArray
    delay: NDArray
    gain: NDArray

    @classmethod
    def of_counts(cls, count: NDArray, delay: NDArray, gain: NDArray) -> "Taps":
        """Taps of which each device has so many (K,)."""
        return cls(np.concatenate([[0], np.cumsum(count, dtype=np.int64)]).astype(np.int64), delay, gain)

    @property
    def counts(self) -> NDArray:
        """How many taps each device has (K,)."""
        return np.diff(self.start)

    def of(self, row: int) -> tuple[NDArray, NDArray]:
        """Delays (T_k,) and gains (T_k, M) of the device in a row of the report."""
        own = slice(self.start[row], self.start[row + 1])
        return self.delay[own], self.gain[own]

    def checked(self, n_active: int, n_antennas: int) -> "Taps":
        """The same in their types; ValueError unless they are of so many devices and antennas."""
        start, delay = np.asarray(self.start, np.int64), np.asarray(self.delay, np.float32)
        gain = np.asarray(self.gain, np.complex64)
        fit = start.shape == (n_active + 1,) and start[0] == 0 and (np.diff(start) >= 0).all()
        if not fit or delay.shape != (start[-1],) or gain.shape != (start[-1], n_antennas):
            raise ValueError(
                f"taps: expected those of {n_active} devices at {n_antennas} antennas, got starts "
                f"{shown(start)}, delays {delay.shape} and gains {gain.shape}"
            )
        return Taps(start, delay, gain)


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
    taps : Taps, optional
        Impulse responses of the active devices, where one of them has several taps. There, `channel` and
        `delay` are those of the strongest response.
    antennas_dead : uint32 array, optional
        The antennas, ascending, that have no signal at all in this frame, if there are such.
    noise_vars : (M,) float32 array, optional
        Noise variance per received sample of each antenna, where noise is not alike on all and independent.
    interference_db : float, optional
        There, how far the noise in its strongest direction is above the mean of all others, dB.
    payload : tuple of K bytes, optional
        What the active devices sent behind their pilots; empty where the check sum did not hold.
    evm_db, payload_snr_db : (K,) float32 array, optional
        Error vector magnitude of their data symbols, and SNR behind the receiver's filter, dB.

    Raises
    ------
    ValueError
        If shapes do not agree, devices or antennas do not ascend, the status is none of the three, or N
        is not from 1 to 2**32 or M not from 1 to 2**16.
    """

    schema: ClassVar[int] = SCHEMA
    frame_id: int
    rx_time: tuple[int, float]
    n_devices: int
    n_antennas: int
    device: NDArray
    channel: NDArray
    score: NDArray
    threshold: float
    noise_var: float
    snr_db: float
    status: str
    estimator: str
    n_iter: int
    solve_time: float
    frames_dropped: int = 0
    device_id: tuple[str, ...] | None = None
    delay: NDArray | None = None
    carrier_offset: NDArray | None = None
    taps: Taps | None = None
    antennas_dead: NDArray | None = None
    noise_vars: NDArray | None = None
    interference_db: float | None = None
    payload: tuple[bytes, ...] | None = None
    evm_db: NDArray | None = None
    payload_snr_db: NDArray | None = None

    def __post_init__(self) -> None:
        check_sizes(self.n_devices, self.n_antennas)
        check_indices("device", np.asarray(self.device), self.n_devices)
        n_active = len(self.device)
        self._convert("device", np.uint32, (n_active,))
        self._convert("channel", np.complex64, (n_active, self.n_antennas))
        self._convert("score", np.float32, (n_active,))
        for name in _OPTIONAL_NUMBERS:
            if getattr(self, name) is not None:
                self._convert(name, np.float32, (n_active,))
        if self.taps is not None:
            self.__dict__["taps"] = self.taps.checked(n_active, self.n_antennas)
        if self.antennas_dead is not None:
            check_indices("antennas_dead", np.asarray(self.antennas_dead), self.n_antennas)
            self._convert("antennas_dead", np.uint32, (len(self.antennas_dead),))
        if self.noise_vars is not None:
            self._convert("noise_vars", np.float32, (self.n_antennas,))
        check_choice("status", self.status, STATUSES)
        for name, texts, what in (
            ("device_id", self.device_id, "names"),
            ("payload", self.payload, "packets"),
        ):
            if texts is not None and len(texts) != n_active:
                raise ValueError(f"{name}: expected {n_active} {what}, got {len(texts)}")

    def _convert(self, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        array = np.asarray(getattr(self, name), dtype=dtype)
        if array.shape != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
        self.__dict__[name] = array  # a frozen dataclass has no other way to set it

    @property
    def responses(self) -> Taps | None:
        """The taps or, where there are none, one of each device at its delay; None if no delay is known."""
        if self.taps is not None or self.delay is None:
            return self.taps
        return Taps(np.arange(len(self.device) + 1), self.delay, self.channel)

    @classmethod
    def unchecked(cls, **fields: Any) -> "Report":
        """A report of fields, all that have no default among them, that agree for sure: takes no time."""
        report = object.__new__(cls)
        report.__dict__.update(fields)
        return report


def check_sizes(n_devices: int, n_antennas: int) -> None:
    """ValueError unless N and M are in range."""
    for name, value in (("n_devices", n_devices), ("n_antennas", n_antennas)):
        if not 1 <= value <= _MAX_SIZES[name]:
            raise ValueError(f"{name}: expected 1 to {_MAX_SIZES[name]}, got {shown(value)}")


def check_indices(name: str, indices: NDArray, count: int) -> None:
    """ValueError unless they are integers from 0 to `count` − 1 that ascend."""
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise ValueError(
            f"{name}: expected integers in one row, got shape {indices.shape} of {indices.dtype}"
        )
    ascends = np.count_nonzero(indices[1:] > indices[:-1]) >= indices.size - 1
    if indices.size and not (ascends and indices[0] >= 0 and indices[-1] < count):
        raise ValueError(f"{name}: expected ascending indices from 0 to {count - 1}, got {shown(indices)}")


def check_schema(schema: int) -> None:
    """ValueError unless it is the one that there is."""
    if schema != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {schema}")


def shown(value: object) -> str:
    """A value as error messages show it."""
    try:
        text = str(value)
    except UnicodeDecodeError:
        text = "text that is not UTF-8"
    return text if len(text) <= 80 else text[:77] + "..."
