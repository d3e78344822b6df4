# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets behind the pilots of simulated devices, and what arrives of both."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..payload.format import PayloadFormat
from ..payload.modulation import slot_symbols
from ..waveform import raised_cosine, turn
from .arrivals import Arrivals
from .frames import ROLL_OFF

_PACKET_STREAM = (0, 0, 0, 4)  # of a slot's random numbers
_REACH = 24  # symbols from its peak to which a pulse is heard; beyond, it is 80 dB below


def draw_packets(format: PayloadFormat, key: tuple[int, int], devices: NDArray) -> NDArray:
    """Random packets (K, n_bytes) of devices (K,) in the slot of a key, its seed and number.

    That of a device does not depend on which others are active.
    """
    rng = np.random.Generator(np.random.Philox(key=list(key), counter=list(_PACKET_STREAM)))
    return format.random_packets(rng, int(devices.max(initial=-1)) + 1)[devices]


def received_slot(scenario: Any, arrivals: Arrivals, packets: NDArray, phase: NDArray) -> NDArray:
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
