# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase of each device's carrier over a slot: a Kalman filter and smoother of phase and frequency.

The state (θ, ω), radians and radians a symbol, goes from one time to the next by θ ← θ + ω d, ω ← ω, with
noise of some variance a symbol in both. What is observed is θ alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PHASE_STEP, _TURN_STEP = 1e-6, 1e-12  # variances a symbol: of θ, and of ω
_TINY = 1e-12

Observe = Callable[[int, NDArray], tuple[NDArray, NDArray]]


class Prior(NamedTuple):
    """Where the phase is known from: at `time`, to a variance of θ (B, K) and of ω."""

    time: float
    phase_var: NDArray
    turn_var: float


def tracked(times: NDArray, prior: Prior, observe: Observe) -> tuple[NDArray, NDArray]:
    """Smoothed phases (B, K, I + 1), at the prior's time and at `times` (I,), and the turn ω (B, K) there.

    ``observe(i, phase)`` tells, of time i, how far the phase is from the one that is expected, and the
    variance of that.
    """
    shape = prior.phase_var.shape
    state = np.zeros((len(times) + 1, *shape, 2))
    covariance = np.zeros((len(times) + 1, *shape, 2, 2))
    covariance[0, ..., 0, 0], covariance[0, ..., 1, 1] = prior.phase_var, prior.turn_var
    expected, spread = np.empty_like(state), np.empty_like(covariance)
    distances = np.diff(times, prepend=prior.time)
    for i, distance in enumerate(distances, 1):
        expected[i], spread[i] = _moved(state[i - 1], covariance[i - 1], distance)
        error, variance = observe(i - 1, expected[i, ..., 0])
        weight = spread[i, ..., 0] / (spread[i, ..., 0, 0] + variance)[..., None]
        state[i] = expected[i] + weight * error[..., None]
        covariance[i] = spread[i] - weight[..., None] * spread[i, ..., None, 0, :]
    for i in range(len(times), 0, -1):
        back = _gain(covariance[i - 1], spread[i], distances[i - 1])
        state[i - 1] += (back @ (state[i] - expected[i])[..., None])[..., 0]
    return np.moveaxis(state[..., 0], 0, -1), state[0, ..., 1]


def _moved(state, covariance, distance):
    step = np.array([[1, distance], [0, 1]])
    noise = abs(distance) * np.diag([_PHASE_STEP, _TURN_STEP])
    return state @ step.T, step @ covariance @ step.T + noise


def _gain(covariance, spread, distance):
    """G = P Fᵀ S⁻¹ of the smoother, of 2 × 2 matrices."""
    forward = covariance @ np.array([[1, 0], [distance, 1]])
    a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    determinant = np.maximum(a * c - b * b, _TINY * a * c + 1e-300)
    inverse = np.stack([np.stack([c, -b], -1), np.stack([-b, a], -1)], -2)
    return forward @ (inverse / determinant[..., None, None])


def between(times: NDArray, phases: NDArray, n_symbols: int) -> NDArray:
    """Phases (B, K, T) at all symbols, of those at some times (I,): on straight lines, also beyond them."""
    place = np.arange(n_symbols)
    left = np.clip(np.searchsorted(times, place, "right") - 1, 0, len(times) - 2)
    share = (place - times[left]) / (times[left + 1] - times[left])
    return phases[..., left] * (1 - share) + phases[..., left + 1] * share
