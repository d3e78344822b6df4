# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets behind the pilots of simulated devices, and what arrives of both."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..payload.coding import checked_packets
from ..payload.contents import Contents
from ..payload.modulation import slot_symbols
from ..waveform import raised_cosine, turn
from .arrivals import Arrivals, arrivals_of
from .fading import draw_channel
from .frames import ROLL_OFF, draw_active, draw_noise, draw_steps

_REACH = 24  # symbols from its peak to which a pulse is heard; beyond, it is 80 dB below


def receive_packets(
    rng: Generator, scenario: Any, key: tuple[int, int], contents: Contents
) -> tuple[NDArray, NDArray, Arrivals]:
    """Pilots, packets and noise of a frame (L + n_chips, M), the packets and their paths.

    `key`: seed and number of the frame.
    """
    if scenario.channels is not None:
        arrivals = arrivals_of(scenario, *key)
    else:
        active = draw_active(rng, scenario)
        arrivals = Arrivals.flat(active, draw_channel(rng, scenario, len(active)))
    noise = draw_noise(rng, scenario)
    delay, offset, phase = draw_steps(rng, scenario, len(arrivals.device), len(noise))
    paths = arrivals.later(delay, offset)
    packets, _ = checked_packets(scenario.payload, contents(key[1], paths.device), paths.device)
    return _received(scenario, paths, packets, phase) + noise, packets, paths


def _received(scenario: Any, arrivals: Arrivals, packets: NDArray, phase: NDArray) -> NDArray:
    """The sum of all paths (L + n_chips, M) of pilots and packets behind the matched filter.

    `phase` (K, L + n_chips) of the carriers, radians. What comes later than the last chip is lost.
    """
    pilots, prefix = scenario.pilots, scenario.cyclic_prefix
    symbols = slot_symbols(pilots, scenario.payload, packets, arrivals.device)
    before = symbols[pilots.pilot_length - prefix : pilots.pilot_length]
    total = np.zeros((len(symbols), arrivals.gain.shape[1]), complex)
    sent = np.concatenate([before, symbols]).T
    for own, gain, delay, offset, walk in zip(sent, *arrivals[1:], phase, strict=True):
        there = gain.any(axis=0)
        delayed = [_delayed(own, late)[prefix:] for late in delay[there]]
        turned = (
            np.array(delayed).reshape(-1, len(total)) * turn(offset[there], len(total)) * np.exp(1j * walk)
        )
        total += turned.T @ gain[:, there].T
    return total


def _delayed(symbols: NDArray, delay: float) -> NDArray:
    """Symbols (T,) that are late, behind the matched filter: as many of them as there were."""
    whole = round(delay)
    pulse = raised_cosine(np.arange(-_REACH, _REACH + 1) - (delay - whole), ROLL_OFF)
    late = np.convolve(np.pad(symbols, (max(whole, 0), max(-whole, 0))), pulse)
    start = _REACH + max(-whole, 0)
    return late[start : start + len(symbols)]
