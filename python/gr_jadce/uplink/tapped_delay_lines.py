# SPDX-License-Identifier: GPL-3.0-or-later
"""Tapped delay lines without line of sight, of 3GPP TR 38.901, in front of a linear array.

The delays (of a delay spread of 1) and powers (dB) of the profiles TDL-A, TDL-B and TDL-C are those of
Tables 7.7.2-1, 7.7.2-2 and 7.7.2-3 of TR 38.901 (version 16.1.0). A tap fades by Rayleigh's law.
"""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..checks import check_choice, check_integer, check_number
from .impulse_responses import TRIPS, SlotPaths
from .simulation import MAX_SEED

PROFILES = {  # (delay, power in dB) of each tap
    "A": (
        (0.0000, -13.4), (0.3819, 0.0), (0.4025, -2.2), (0.5868, -4.0), (0.4610, -6.0), (0.5375, -8.2),
        (0.6708, -9.9), (0.5750, -10.5), (0.7618, -7.5), (1.5375, -15.9), (1.8978, -6.6), (2.2242, -16.7),
        (2.1718, -12.4), (2.4942, -15.2), (2.5119, -10.8), (3.0582, -11.3), (4.0810, -12.7), (4.4579, -16.2),
        (4.5695, -18.3), (4.7966, -18.9), (5.0066, -16.6), (5.3043, -19.9), (9.6586, -29.7),
    ),
    "B": (
        (0.0000, 0.0), (0.1072, -2.2), (0.2155, -4.0), (0.2095, -3.2), (0.2870, -9.8), (0.2986, -1.2),
        (0.3752, -3.4), (0.5055, -5.2), (0.3681, -7.6), (0.3697, -3.0), (0.5700, -8.9), (0.5283, -9.0),
        (1.1021, -4.8), (1.2756, -5.7), (1.5474, -7.5), (1.7842, -1.9), (2.0169, -7.6), (2.8294, -12.2),
        (3.0219, -9.8), (3.6187, -11.4), (4.1067, -14.9), (4.2790, -9.2), (4.7834, -11.3),
    ),
    "C": (
        (0.0000, -4.4), (0.2099, -1.2), (0.2219, -3.5), (0.2329, -5.2), (0.2176, -2.5), (0.6366, 0.0),
        (0.6448, -2.2), (0.6560, -3.9), (0.6584, -7.4), (0.7935, -7.1), (0.8213, -10.7), (0.9336, -11.1),
        (1.2285, -5.1), (1.3083, -6.8), (2.1704, -8.7), (2.7105, -13.2), (4.2589, -13.9), (4.6003, -13.9),
        (5.4902, -15.8), (5.6077, -17.1), (6.3065, -16.0), (6.6374, -15.7), (7.0427, -21.6), (8.6523, -22.8),
    ),
}  # fmt: skip
SPEED_OF_LIGHT = 299_792_458.0  # m/s
_RAYS = 20  # of a tap, as of a cluster there


@dataclass(frozen=True)
class TappedDelayLines:
    """Devices behind a tapped delay line each; called with the number of a slot, their paths.

    Slot k depends on the arguments and k only. The mean power of a device is 1.

    Parameters
    ----------
    profile : {"A", "B", "C"}
    delay_spread : float
        Root mean square, seconds.
    n_devices, n_antennas : int
        N and M; the antennas are half a wavelength apart.
    n_active : int or (int, int)
        Active devices of a slot, or from how many to how many.
    angular_spread_deg : float, optional
        Standard deviation of the directions of a tap's rays about its own direction, which is
        anywhere. Default: antennas fade independently.
    radius : float
        Devices are anywhere in a disc of so many metres about the antennas.
    max_doppler : float
        Hz; each tap's Doppler shift is that of a direction which is anywhere.
    seed : int

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    profile: str
    delay_spread: float
    n_devices: int
    n_antennas: int = 1
    n_active: int | tuple[int, int] = 10
    _: KW_ONLY
    angular_spread_deg: float | None = None
    radius: float = 0.0
    max_doppler: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("profile", self.profile, tuple(PROFILES))
        check_number("delay_spread", self.delay_spread, 0)
        check_integer("n_devices", self.n_devices, 1)
        check_integer("n_antennas", self.n_antennas, 1)
        low, high = self._range
        check_integer("n_active", low, 0, self.n_devices)
        check_integer("n_active", high, low, self.n_devices)
        if self.angular_spread_deg is not None:
            check_number("angular_spread_deg", self.angular_spread_deg, 0, 180)
        check_number("radius", self.radius, 0)
        check_number("max_doppler", self.max_doppler, 0)
        check_integer("seed", self.seed, 0, MAX_SEED)

    @property
    def _range(self) -> tuple[int, int]:
        n_active = self.n_active
        return n_active if isinstance(n_active, tuple) else (n_active, n_active)

    @property
    def mean_active(self) -> float:
        """Mean number of active devices."""
        return sum(self._range) / 2

    def __call__(self, slot: int) -> SlotPaths:
        """The paths of a slot."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, check_integer("slot", slot, 0)]))
        low, high = self._range
        device = np.sort(rng.choice(self.n_devices, rng.integers(low, high + 1), replace=False))
        taps = np.array(PROFILES[self.profile])
        power = 10 ** (taps[:, 1] / 10)
        shape = (len(device), len(taps))
        gain = np.sqrt(power / power.sum()) * self._fading(rng, shape)
        start = TRIPS * self.radius / SPEED_OF_LIGHT * np.sqrt(rng.random(len(device)))
        delay = start[:, None] + self.delay_spread * taps[:, 0]
        doppler = self.max_doppler * np.cos(rng.uniform(-np.pi, np.pi, shape))
        return SlotPaths(device, gain.astype(np.complex64), delay, doppler)

    def _fading(self, rng: Generator, shape: tuple[int, int]) -> NDArray:
        """Fading (K, M, P) of unit power."""
        n_devices, n_taps = shape
        if self.angular_spread_deg is None:
            parts = rng.standard_normal((n_devices, self.n_antennas, n_taps, 2))
            return parts @ np.array([1, 1j]) / np.sqrt(2)
        own = rng.uniform(-np.pi, np.pi, (*shape, 1))
        ray = own + np.deg2rad(self.angular_spread_deg) * rng.standard_normal((*shape, _RAYS))
        phase = rng.uniform(-np.pi, np.pi, ray.shape)
        steering = np.pi * np.arange(self.n_antennas)[:, None, None] * np.sin(ray)[:, None]  # (K, M, P, rays)
        return np.exp(1j * (phase[:, None] + steering)).sum(axis=-1) / np.sqrt(_RAYS)
