# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels made elsewhere: impulse responses of devices, slot by slot, in a file of NumPy arrays.

A file is an ``.npz`` with, for S slots of up to K active devices, M antennas and P paths::

    a (S, K, M, P) complex    gain of each path at each antenna; zero where there is no path
    tau (S, K, P)             delay of each path after the device's first, seconds
    K (S,) int                active devices of a slot: the first so many of its K
    device (S, K) int         which devices they are
    prop (S, K)               optional: time to the first path, seconds; counted twice, for a device
                              takes its time from a beacon that it heard
    doppler (S, K, P)         optional: Hz
    fc                        optional: carrier, Hz
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer
from ..files import PathLike
from ..pilots.archive import read_npz

TRIPS = 2  # of the propagation time: the beacon's to the device, and the burst's back


class SlotPaths(NamedTuple):
    """The paths of a slot's K active devices, in the order of `device`.

    device (K,) int, ascending; gain (K, M, P) complex; delay (K, P), seconds after the start of the slot;
    doppler (K, P), Hz. Where there is no path, its gain is zero.
    """

    device: NDArray
    gain: NDArray
    delay: NDArray
    doppler: NDArray


@dataclass(frozen=True, eq=False)
class ImpulseResponses:
    """Impulse responses of S slots; called with the number of a slot, their paths.

    Slots beyond the last begin again with the first.

    Parameters
    ----------
    gain : (S, K, M, P) complex array
    delay : (S, K, P) array, seconds after the first path
    n_active : (S,) int array
        The first so many of the K devices of a slot are active.
    device : (S, K) int array
    propagation : (S, K) array, seconds to the first path
    doppler : (S, K, P) array, Hz
    carrier : float
        Hz; 0 if unknown.

    Raises
    ------
    ValueError
        If shapes do not agree, a value is not finite, or active devices are not all different.
    """

    gain: NDArray
    delay: NDArray
    n_active: NDArray
    device: NDArray
    propagation: NDArray
    doppler: NDArray
    carrier: float = 0.0

    def __post_init__(self) -> None:
        if np.ndim(self.gain) != 4 or not np.size(self.gain):
            raise ValueError(f"a: expected (slots, devices, antennas, paths), got {np.shape(self.gain)}")
        slots, devices, _, paths = np.shape(self.gain)
        per_path = (slots, devices, paths)
        for name, own, shape in (
            ("tau", "delay", per_path),
            ("K", "n_active", (slots,)),
            ("device", "device", (slots, devices)),
            ("prop", "propagation", (slots, devices)),
            ("doppler", "doppler", per_path),
        ):
            if np.shape(getattr(self, own)) != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {np.shape(getattr(self, own))}")
        self._check_values(devices)

    def _check_values(self, devices: int) -> None:
        for name, integers in (("K", self.n_active), ("device", self.device)):
            if np.asarray(integers).dtype.kind not in "iu":
                raise ValueError(f"{name}: expected integers, got {np.asarray(integers).dtype}")
        if np.min(self.n_active) < 0 or np.max(self.n_active) > devices:
            raise ValueError(f"K: expected 0 to {devices} in each slot, got up to {np.max(self.n_active)}")
        for slot in range(self.n_slots):
            self._check_slot(slot)

    def _check_slot(self, slot: int) -> None:
        count = self.n_active[slot]
        device = np.asarray(self.device)[slot, :count]
        if len(np.unique(device)) < count or device.min(initial=0) < 0:
            raise ValueError(f"device: expected different numbers from 0 on, got {device} in slot {slot}")
        for name, values in zip(("a", "tau", "doppler"), self._active(slot), strict=True):
            if not np.isfinite(values).all():
                raise ValueError(f"{name}: expected finite numbers, got others in slot {slot}")
        if not (self._start(slot) >= 0).all():
            raise ValueError(f"prop: expected 0 or more seconds, got others in slot {slot}")

    @property
    def n_slots(self) -> int:
        """S."""
        return len(self.gain)

    @property
    def n_antennas(self) -> int:
        """M."""
        return self.gain.shape[2]

    @property
    def mean_active(self) -> float:
        """Mean number of active devices."""
        return float(np.mean(self.n_active))

    def __call__(self, slot: int) -> SlotPaths:
        """The paths of slot `slot` mod S."""
        slot = check_integer("slot", slot, 0) % self.n_slots
        device = np.asarray(self.device)[slot, : self.n_active[slot]]
        gain, delay, doppler = self._active(slot)
        order = np.argsort(device)
        paths = (gain, delay + self._start(slot)[:, None], doppler)
        return SlotPaths(device[order], *(values[order] for values in paths))

    def _start(self, slot: int) -> NDArray:
        """When the first path arrives (K,)."""
        return TRIPS * np.asarray(self.propagation)[slot, : self.n_active[slot]].astype(float)

    def _active(self, slot: int) -> tuple[NDArray, NDArray, NDArray]:
        """Gain, delay and Doppler shift of the active devices; 0 where there is no path."""
        count = self.n_active[slot]
        gain = np.asarray(self.gain)[slot, :count]
        there = gain.any(axis=1)
        delay, doppler = (np.asarray(values)[slot, :count] for values in (self.delay, self.doppler))
        return gain, np.where(there, delay, 0.0), np.where(there, doppler, 0.0)


def load_impulse_responses(path: PathLike) -> ImpulseResponses:
    """The impulse responses in a file, as the head of this module describes it.

    Raises
    ------
    ValueError
        If an array is missing, or one is not as expected; the message names it.
    OSError
        If the file cannot be opened.
    """
    arrays = read_npz(path, "file of impulse responses")
    for name in ("a", "tau", "K", "device"):
        if name not in arrays:
            raise ValueError(f"{path}: expected an array {name!r}, got {', '.join(arrays) or 'none'}")
    tau = arrays["tau"]
    try:
        return ImpulseResponses(
            arrays["a"],
            tau,
            arrays["K"],
            arrays["device"],
            arrays.get("prop", np.zeros(tau.shape[:-1])),
            arrays.get("doppler", np.zeros(tau.shape)),
            float(arrays.get("fc", 0.0)),
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
