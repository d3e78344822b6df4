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
    states, expected = [_Filter.of(prior)], []
    distances = np.diff(times, prepend=prior.time)
    for i, distance in enumerate(distances):
        expected.append(states[-1].moved(distance))
        states.append(expected[-1].corrected(*observe(i, expected[-1].phase)))
    for i in range(len(times) - 1, -1, -1):
        states[i] = states[i].smoothed(expected[i], states[i + 1], distances[i])
    return np.stack([state.phase for state in states], axis=-1), states[0].turn


class _Filter(NamedTuple):
    """θ and ω (B, K), and their covariance [[a, b], [b, c]]."""

    phase: NDArray
    turn: NDArray
    a: NDArray
    b: NDArray
    c: NDArray

    @classmethod
    def of(cls, prior: Prior) -> "_Filter":
        nothing = np.zeros_like(prior.phase_var)
        return cls(nothing, nothing, prior.phase_var, nothing, nothing + prior.turn_var)

    def moved(self, distance: float) -> "_Filter":
        """What is expected a distance later: F P Fᵀ + Q."""
        b = self.b + distance * self.c
        a = self.a + distance * (self.b + b) + abs(distance) * _PHASE_STEP
        phase = self.phase + distance * self.turn
        return _Filter(phase, self.turn, a, b, self.c + abs(distance) * _TURN_STEP)

    def corrected(self, error: NDArray, variance: NDArray) -> "_Filter":
        """By an observation of θ."""
        share = self.a / (self.a + variance)
        turn_share = self.b / (self.a + variance)
        phase, turn = self.phase + share * error, self.turn + turn_share * error
        a, b = (1 - share) * self.a, (1 - share) * self.b
        return _Filter(phase, turn, a, b, self.c - turn_share * self.b)

    def smoothed(self, expected: "_Filter", later: "_Filter", distance: float) -> "_Filter":
        """θ and ω, of those that are `expected` a distance later and those that are known to be there.

        By G = P Fᵀ S⁻¹, S the covariance of what is expected.
        """
        determinant = np.maximum(
            expected.a * expected.c - expected.b**2, _TINY * expected.a * expected.c + 1e-300
        )
        by_phase, by_turn = later.phase - expected.phase, later.turn - expected.turn
        first = (expected.c * by_phase - expected.b * by_turn) / determinant
        second = (expected.a * by_turn - expected.b * by_phase) / determinant
        phase = self.phase + (self.a + distance * self.b) * first + self.b * second
        turn = self.turn + (self.b + distance * self.c) * first + self.c * second
        return self._replace(phase=phase, turn=turn)


def between(times: NDArray, phases: NDArray, n_symbols: int) -> NDArray:
    """Phases (B, K, T) at all symbols, of those at some times (I,): on straight lines, also beyond them."""
    place = np.arange(n_symbols)
    left = np.clip(np.searchsorted(times, place, "right") - 1, 0, len(times) - 2)
    share = (place - times[left]) / (times[left + 1] - times[left])
    return phases[..., left] * (1 - share) + phases[..., left + 1] * share
