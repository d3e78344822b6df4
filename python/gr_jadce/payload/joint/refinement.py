# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels, phases and delays refined by all that is known of what devices sent: data as pilots.

With the waves u_kp of the expected symbols (`Slots.waves`) and the variance v of what is in doubt of them,
the gains are those of least expected error, (UᴴU + diag v) h = Uᴴ r. Phase and delay of a device follow from
what it and the rest are together: by the angle between wave and that, and along the wave's slope.
"""

import numpy as np
from numpy.typing import NDArray

from .phase import Prior, between, tracked
from .slots import Slots, carrier, delayed

_STEP = 0.05  # symbols, to either side: for the slope
_MOST = 0.1  # symbols that a delay moves at once
_PARTS = 24  # of a slot, over each of which a phase is measured
_LEAST = 1e-9


def refine(slots: Slots, prior: Prior) -> None:
    """Refine gains, phases and delays of all devices."""
    waves = slots.waves()
    _fit_gains(slots, waves)
    _follow(slots, waves, prior)
    _move(slots)
    _fit_gains(slots, slots.waves())


def _fit_gains(slots: Slots, waves: NDArray) -> None:
    n_slots, _, n_paths, n_symbols = waves.shape
    flat = waves.reshape(n_slots, -1, n_symbols)
    conjugate = flat.conj()
    power = np.sum(np.abs(slots.spread) ** 2, axis=3)
    doubt = np.repeat(np.sum(slots.doubt * power, axis=2), n_paths, axis=1)
    there = slots.gain.any(axis=3).reshape(n_slots, -1)
    gram = conjugate @ np.swapaxes(flat, 1, 2)
    own = np.arange(gram.shape[1])
    both = there[:, :, None] & there[:, None, :]
    gram = np.where(both, gram, 0)
    gram[:, own, own] += np.where(there, doubt + _LEAST, 1)
    right = np.where(there[..., None], conjugate @ slots.frames, 0)
    slots.gain = np.linalg.solve(gram, right).reshape(slots.gain.shape).astype(np.complex64)


def _follow(slots: Slots, waves: NDArray, prior: Prior) -> None:
    """Move the phases by those between what devices are and what is received of them."""
    conjugate, among = waves.conj(), slots.gain.conj() @ np.swapaxes(slots.gain, 2, 3)
    energy = np.sum(conjugate * (among @ waves), axis=2).real
    product = np.sum(conjugate * _seen(slots.gain.conj(), slots.rest(waves)), axis=2) + energy
    starts, times = parts(slots.frames.shape[1])
    match = np.angle(np.add.reduceat(product, starts, axis=2))
    variance = 0.5 / np.maximum(np.add.reduceat(energy, starts, axis=2), _LEAST)

    def observe(i: int, phase: NDArray) -> tuple[NDArray, NDArray]:
        return (match[:, :, i] - phase + np.pi) % (2 * np.pi) - np.pi, variance[:, :, i]

    start = Prior(0.0, np.full_like(prior.phase_var, 1.0), prior.turn_var)
    phases, _ = tracked(times, start, observe)
    slots.phase = slots.phase + between(times, phases[..., 1:], slots.phase.shape[2])


def parts(n_symbols: int) -> tuple[NDArray, NDArray]:
    """The first symbols of parts of a slot, and their middles."""
    edges = np.linspace(0, n_symbols, min(_PARTS, n_symbols // 2) + 1).astype(int)
    return edges[:-1], (edges[:-1] + edges[1:] - 1) / 2


def _move(slots: Slots) -> None:
    """Move the delays along the slopes of the waves."""
    turn = carrier(slots.phase)[:, :, None]
    rest = slots.rest(slots.waves())
    early, late = (delayed(slots.sent, slots.delay + by, slots.roll_off) for by in (-_STEP, _STEP))
    slope = (late - early) * turn / (2 * _STEP)
    match = np.sum(slope.conj() * _seen(slots.gain.conj(), rest), axis=3).real
    energy = np.sum(np.abs(slope) ** 2, axis=3) * np.sum(np.abs(slots.gain) ** 2, axis=3)
    step = np.clip(match / np.maximum(energy, _LEAST), -_MOST, _MOST)
    slots.delay = slots.delay + np.where(energy > _LEAST, step, 0)


def _seen(gain: NDArray, rest: NDArray) -> NDArray:
    """What is left, as the channels of paths (B, K, P, M) add it up over antennas (B, K, P, T)."""
    n_slots, n_devices, n_paths, n_antennas = gain.shape
    return (gain.reshape(n_slots, -1, n_antennas) @ np.swapaxes(rest, 1, 2)).reshape(
        n_slots, n_devices, n_paths, -1
    )
