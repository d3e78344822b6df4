# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols from the equaliser: their phase tracked by soft decisions, and what is known of them then."""

import numpy as np
from numpy.typing import NDArray

from .phase import Prior, between, tracked
from .slots import Slots

_HALF = np.sqrt(0.5)
_SYMBOLS = 4  # over which a phase is measured
_LEAST = 1e-9


def soft_symbols(symbols: NDArray, variance: NDArray) -> tuple[NDArray, NDArray]:
    """Expected QPSK symbols, and their variances, of symbols received in noise of some variance."""
    scale = 2 * _HALF / np.maximum(variance, _LEAST)
    soft = _HALF * (np.tanh(scale * symbols.real) + 1j * np.tanh(scale * symbols.imag))
    return soft.astype(np.complex64), np.clip(1 - np.abs(soft) ** 2, 0, 1)


def follow(slots: Slots, symbols: NDArray, variance: NDArray, prior: Prior) -> NDArray:
    """Track the phases of the carriers over symbols (B, K, D); gives these without their phases.

    The phases of `slots` are moved by what is found, but for decoded devices, whose symbols are not here.
    """
    n_chips = slots.spread.shape[3]
    size = max(1, min(_SYMBOLS, symbols.shape[2] // 2))
    starts = np.arange(0, symbols.shape[2] - size + 1, size)
    times = slots.n_pilot + (starts + size / 2) * n_chips

    def observe(i: int, phase: NDArray) -> tuple[NDArray, NDArray]:
        part = slice(starts[i], starts[i] + size)
        turned = symbols[:, :, part] * np.exp(-1j * phase)[..., None]
        soft, _ = soft_symbols(turned, variance[:, :, part])
        weight = 1 / np.maximum(variance[:, :, part], _LEAST)
        total = np.sum(weight * soft.conj() * turned, axis=2)
        energy = np.sum(weight * np.abs(soft) ** 2, axis=2)
        return np.angle(total), 0.5 / np.maximum(energy, _LEAST)

    phases, _ = tracked(times, prior, observe)
    n_symbols = slots.phase.shape[2]
    phase = between(np.append(prior.time, times), phases, n_symbols)
    phase[slots.decoded] = 0
    slots.phase = slots.phase + phase
    middle = slots.n_pilot + (np.arange(symbols.shape[2]) + 0.5) * n_chips - 0.5
    near = phase[:, :, np.clip(middle.astype(int), 0, n_symbols - 1)]
    return symbols * np.exp(-1j * near).astype(np.complex64)
