# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink: who transmits, through which channel, and what the antennas receive."""

import os
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..checks import check_integer, check_number, check_positive
from ..payload.contents import Contents, random_contents
from ..payload.format import PayloadFormat
from ..pilots.book import PilotBook, as_pilot_book
from .arrivals import Arrivals, arrivals_of
from .fading import complex_normal, draw_channel, mean_power
from .frames import ROLL_OFF, draw_active, receive, receive_paths
from .impulse_responses import SlotPaths, load_impulse_responses
from .packets import receive_packets

_MAX_ANTENNAS = 2**16  # as in a report
_MAX_DB = 300  # float32 can hold these powers
MAX_SEED = 2**64 - 1


@dataclass(frozen=True, eq=False)
class Scenario:
    """A cell: its pilots, its antennas, how often devices transmit and how noisy it is.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
        One pilot a device.
    n_antennas : int
        M, at least 1.
    activity_rate : float
        Probability that a device transmits in a frame, independently of all others.
    n_active : int, optional
        If given, exactly this many devices, drawn at random, transmit in every frame, and
        `activity_rate` is not used.
    snr_db : float
        10 log10(E‖A X‖² / E‖W‖²), dB: received signal power over noise power, per sample.
    power_spread_db : float
        Each active device's mean power in a frame is drawn uniformly within ± this many dB,
        with a mean over devices of 1. Channels are i.i.d. CN(0, power) over antennas
        (Rayleigh block fading), unless one of the next two says otherwise.
    rician_k_db : float, optional
        Power of a line-of-sight path over that of the scattered ones, dB: a plane wave from a
        random direction on a linear array with half a wavelength between antennas.
    antenna_correlation : float
        ρ in [0, 1): correlation ρ^|i−j| of the scattered paths at antennas i and j.
    max_delay : float
        Devices are late by up to so many symbols, uniformly: within ± max_delay or, if there is a
        cyclic prefix, from 0 to max_delay. Behind the matched filter of a root-raised-cosine
        pulse of roll-off 0.25.
    cyclic_prefix : int
        Symbols; at least `max_delay` where not 0.
    max_offset : float
        Carrier offsets, uniform within ± so many cycles a symbol.
    phase_noise : float
        Standard deviation, radians, of the step from symbol to symbol of every device's phase
        (a random walk from the pilot's first symbol on).
    channels : path or callable, optional
        Channels made elsewhere: a file of impulse responses (`uplink.impulse_responses`), or what gives the
        paths of slot k when called with k (`SlotPaths`), as `uplink.tapped_delay_lines` does. They tell
        which devices are active, too. Where they do not know how many are in the mean
        (``mean_active``), `n_active` or `activity_rate` tell that for `snr_db`.
    power_control : bool
        Scale the channels of each device to its mean power, over antennas; else they stay as they are, and
        `snr_db` is that of channels of unit power.
    symbol_rate : float
        Symbols a second, where `channels` tell delays in seconds.
    payload : PayloadFormat, optional
        Active devices send random packets behind their pilots.

    Raises
    ------
    ValueError
        If an argument is out of range.
    OSError
        If the file of channels cannot be opened.
    """

    pilots: PilotBook
    n_antennas: int = 1
    activity_rate: float = 0.1
    _: KW_ONLY
    n_active: int | None = None
    snr_db: float = 10.0
    power_spread_db: float = 0.0
    rician_k_db: float | None = None
    antenna_correlation: float = 0.0
    max_delay: float = 0.0
    cyclic_prefix: int = 0
    max_offset: float = 0.0
    phase_noise: float = 0.0
    channels: Callable[[int], SlotPaths] | str | os.PathLike[str] | None = None
    power_control: bool = True
    symbol_rate: float = 1e6
    payload: PayloadFormat | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pilots", as_pilot_book(self.pilots))
        for name, value in {**self._checked_cell(), **self._checked_propagation()}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "symbol_rate", check_positive("symbol_rate", self.symbol_rate))
        if not isinstance(self.payload, PayloadFormat | None):
            raise ValueError(f"payload: expected a PayloadFormat or None, got {self.payload!r}")
        if isinstance(self.channels, (str, os.PathLike)):
            object.__setattr__(self, "channels", load_impulse_responses(self.channels))
        n_antennas = getattr(self.channels, "n_antennas", self.n_antennas)
        if n_antennas != self.n_antennas:
            raise ValueError(
                f"n_antennas: expected {n_antennas}, as the channels have, got {self.n_antennas}"
            )

    def _checked_cell(self) -> dict[str, Any]:
        """The arguments of devices and antennas as plain Python values."""
        n_active = self.n_active
        if n_active is not None:
            n_active = check_integer("n_active", n_active, 0, self.pilots.n_devices)
        return {
            "n_antennas": check_integer("n_antennas", self.n_antennas, 1, _MAX_ANTENNAS),
            "activity_rate": check_number("activity_rate", self.activity_rate, 0, 1),
            "n_active": n_active,
            "snr_db": check_number("snr_db", self.snr_db, -_MAX_DB, _MAX_DB),
            "power_spread_db": check_number("power_spread_db", self.power_spread_db, 0, _MAX_DB),
        }

    def _checked_propagation(self) -> dict[str, Any]:
        """The arguments of channels as plain Python values."""
        k_db, length = self.rician_k_db, self.pilots.pilot_length
        prefix = check_integer("cyclic_prefix", self.cyclic_prefix, 0, length)
        if check_number("antenna_correlation", self.antenna_correlation, 0, 1) == 1:
            raise ValueError(f"antenna_correlation: expected 0 to below 1, got {self.antenna_correlation!r}")
        return {
            "rician_k_db": None if k_db is None else check_number("rician_k_db", k_db, -_MAX_DB, _MAX_DB),
            "antenna_correlation": float(self.antenna_correlation),
            "cyclic_prefix": prefix,
            "max_delay": check_number("max_delay", self.max_delay, 0, prefix or length),
            "max_offset": check_number("max_offset", self.max_offset, 0, 0.5),
            "phase_noise": check_number("phase_noise", self.phase_noise, 0, np.pi),
        }

    @property
    def frame_length(self) -> int:
        """Symbols of a frame: the pilot's and, behind it, the chips of the payload."""
        return self.pilots.pilot_length + (self.payload.n_chips if self.payload else 0)

    @property
    def in_step(self) -> bool:
        """No device is late, nor its carrier off."""
        return not (self.max_delay or self.max_offset or self.phase_noise or self.channels is not None)

    @property
    def mean_activity(self) -> float:
        """Mean share of active devices."""
        mean_active = getattr(self.channels, "mean_active", None)
        if mean_active is not None:
            return float(mean_active / self.pilots.n_devices)
        return self.activity_rate if self.n_active is None else self.n_active / self.pilots.n_devices

    @property
    def noise_var(self) -> float:
        """Noise variance per received sample that gives `snr_db` (at least one device assumed)."""
        activity = self.mean_activity or 1 / self.pilots.n_devices
        return float(activity * self.pilots.energy / self.pilots.pilot_length / 10 ** (self.snr_db / 10))

    def draw_power(self, rng: Generator, count: int) -> NDArray:
        """Mean powers of as many devices."""
        spread = self.power_spread_db
        return 10 ** (rng.uniform(-spread, spread, count) / 10) / mean_power(spread)


class _Frames(NamedTuple):
    received: NDArray
    channel: NDArray
    activity: NDArray
    noise_var: float


class Uplink(_Frames):
    """Simulated frames, a tuple of received (B, L, M), channel (B, N, M), activity (B, N), noise variance.

    The channel is that at the pilot's first symbol; over several paths, where the response is strongest. With
    a payload, frames are longer by its chips, and of each frame there are packets (K, n_bytes) uint8 of the
    active devices, in ascending order, and the paths over which they arrive.
    """

    packets: tuple[NDArray, ...] = ()
    paths: tuple[Arrivals, ...] = ()

    def _replace(self, **changes: Any) -> "Uplink":
        """The same with some of the four changed."""
        uplink = Uplink(*super()._replace(**changes))
        uplink.packets, uplink.paths = self.packets, self.paths
        return uplink


def simulate(
    scenario: Scenario,
    n_frames: int,
    seed: int = 0,
    *,
    first_frame: int = 0,
    packets: Contents | None = None,
) -> Uplink:
    """Simulate the frames `first_frame` … `first_frame + n_frames - 1` of a seeded uplink.

    Frame k depends on the scenario, the seed and k only, so results do not depend on how
    frames are batched. Scenarios that differ in SNR alone share activity, channels and the
    shape of the noise.

    Parameters
    ----------
    packets : callable, optional
        ``packets(slot, devices)`` gives what devices (K,) say in a slot: (K, n_bytes) uint8. They are random
        where it is not given.

    Returns
    -------
    Uplink
        complex64 arrays; ``received = pilots @ channel + noise``.

    Raises
    ------
    ValueError
        If the seed is not from 0 to 2**64 - 1.
    """
    seed = check_integer("seed", seed, 0, MAX_SEED)
    n_devices, n_antennas = scenario.pilots.n_devices, scenario.n_antennas
    frames = np.empty((n_frames, scenario.frame_length, n_antennas), dtype=np.complex64)
    channel = np.zeros((n_frames, n_devices, n_antennas), dtype=np.complex64)
    activity = np.zeros(channel.shape[:2], dtype=bool)
    told: list[tuple[NDArray, Arrivals]] = []
    for i in range(n_frames):
        key = seed, first_frame + i
        rng = np.random.Generator(np.random.Philox(key=list(key)))
        if scenario.payload is not None:
            contents = packets or random_contents(scenario.payload, seed)
            frames[i], sent, arrivals = receive_packets(rng, scenario, key, contents)
            active, channel[i, arrivals.device] = arrivals.device, arrivals.strongest(ROLL_OFF)[0]
            told.append((sent, arrivals))
        elif scenario.channels is not None:
            arrivals = arrivals_of(scenario, *key)
            active, channel[i, arrivals.device] = arrivals.device, arrivals.strongest(ROLL_OFF)[0]
            frames[i] = receive_paths(rng, scenario, arrivals)
        else:
            active = draw_active(rng, scenario)
            channel[i, active] = draw_channel(rng, scenario, len(active))
            frames[i] = receive(rng, scenario, active, channel[i])
        activity[i, active] = True
    uplink = Uplink(frames, channel, activity, scenario.noise_var)
    uplink.packets, uplink.paths = tuple(one[0] for one in told), tuple(one[1] for one in told)
    return uplink


def simulate_slots(
    scenario: Scenario,
    slot_period: int,
    n_slots: int,
    *,
    seed: int = 0,
    first_slot: int = 0,
    packets: Contents | None = None,
) -> tuple[NDArray, Uplink]:
    """Simulate whole slots of a continuous uplink: a frame, then a guard of noise alone.

    Parameters
    ----------
    slot_period : int
        T samples from slot to slot, at least the length of a frame.
    packets : callable, optional
        What devices say, as `simulate` takes it.

    Returns
    -------
    samples : (n_slots * T, M) complex64
        Slot k occupies rows kT to (k+1)T - 1, its frame the first L of them.
    uplink : Uplink
        The frames within and their truth, equal to those of `simulate`.
    """
    length, n_antennas = scenario.frame_length, scenario.n_antennas
    if slot_period < length:
        name = "pilot length" if scenario.payload is None else "length of a frame,"
        raise ValueError(f"slot_period: expected at least the {name} {length}, got {slot_period}")
    uplink = simulate(scenario, n_slots, seed, first_frame=first_slot, packets=packets)
    slots = np.empty((n_slots, slot_period, n_antennas), dtype=np.complex64)
    slots[:, :length] = uplink.received
    for i in range(n_slots):
        # A stream of its own: the frame's would have to be replayed up to here.
        rng = np.random.Generator(np.random.Philox(key=[seed, first_slot + i], counter=[0, 0, 0, 1]))
        guard = complex_normal(rng, (slot_period - length, n_antennas))
        slots[i, length:] = guard * np.float32(np.sqrt(uplink.noise_var))
    return slots.reshape(-1, n_antennas), uplink
