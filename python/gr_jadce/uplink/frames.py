# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a simulated uplink: who is active, what arrives of their pilots, and the noise."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..waveform import late, turn
from .arrivals import Arrivals, received
from .fading import complex_normal

ROLL_OFF = 0.25


def receive(rng: Generator, scenario: Any, active: NDArray, channel: NDArray) -> NDArray:
    """Pilots and noise of a frame (L, M) over the channels (N, M)."""
    length, noise = scenario.pilots.pilot_length, draw_noise(rng, scenario)
    if scenario.in_step:
        return _through(scenario.pilots, channel, active) + noise
    steps = draw_steps(rng, scenario, len(active), length)
    return _out_of_step(scenario, active, *steps) @ channel[active] + noise


def receive_paths(rng: Generator, scenario: Any, arrivals: Arrivals) -> NDArray:
    """Pilots and noise of a frame (L, M) over channels of several paths."""
    noise = draw_noise(rng, scenario)
    delay, offset, phase = draw_steps(rng, scenario, len(arrivals.device), len(noise))
    paths = arrivals.later(delay, offset)
    return received(scenario.pilots, paths, phase, ROLL_OFF, prefix=scenario.cyclic_prefix) + noise


def draw_noise(rng: Generator, scenario: Any) -> NDArray:
    """The noise of a frame."""
    shape = scenario.frame_length, scenario.n_antennas
    return complex_normal(rng, shape) * np.float32(np.sqrt(scenario.noise_var))


def _through(pilots, channel, active):
    """pilots @ channel, of whose rows only those `active` are not zero."""
    if pilots.is_fast:
        return pilots.forward(channel)
    return pilots.matrix[:, active] @ channel[active]


def draw_steps(
    rng: Generator, scenario: Any, n_active: int, n_symbols: int
) -> tuple[NDArray, NDArray, NDArray]:
    """How far out of step devices are: delay (K,), offset (K,), and phase noise (K, n_symbols), radians."""
    delay = rng.uniform(0 if scenario.cyclic_prefix else -1, 1, n_active) * scenario.max_delay
    offset = rng.uniform(-1, 1, n_active) * scenario.max_offset
    walk = rng.standard_normal((n_active, n_symbols)) * scenario.phase_noise
    return delay, offset, np.cumsum(walk, axis=1) - walk[:, :1]


def _out_of_step(scenario, active, delay, offset, phase):
    """The pilots (L, K) of active devices as they arrive."""
    pilots = scenario.pilots.columns(active)
    operators = late(delay, len(pilots), ROLL_OFF, prefix=scenario.cyclic_prefix)
    delayed = np.einsum("klj,jk->lk", operators, pilots)
    return (delayed * (turn(offset, len(pilots)) * np.exp(1j * phase)).T).astype(np.complex64)


def draw_active(rng: Generator, scenario: Any) -> NDArray:
    """Who is active in a frame."""
    n_devices = scenario.pilots.n_devices
    if scenario.n_active is not None:
        return np.sort(rng.choice(n_devices, scenario.n_active, replace=False))
    return np.flatnonzero(rng.random(n_devices) < scenario.activity_rate)
