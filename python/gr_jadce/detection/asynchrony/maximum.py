# SPDX-License-Identifier: GPL-3.0-or-later
"""Tail probabilities of a statistic at its maximum over delays and carrier offsets.

A pilot that is looked for at every delay and offset has as many chances to look active. With
t ~ Gamma(M, 1) at each single place, the expected Euler characteristic of the places where t is
exceeded gives the probability that its maximum is (R. J. Adler, J. E. Taylor, "Random Fields and
Geometry", 2007; K. J. Worsley, "Local maxima and the expected Euler characteristic of excursion
sets of χ², F and t fields", Adv. Appl. Prob. 26, 1994): over a rectangle of sides a and b,
measured in the field's own width of correlation,

    P(max > t) ≈ P(t) + (a + b) ρ₁(t) + a b ρ₂(t),
    ρ₁ = t^{M−½} e^{−t} / (√π Γ(M)),     ρ₂ = t^{M−1} e^{−t} (t − M + ½) / (π Γ(M)).

Where σ² is estimated on d complex degrees of freedom, its own Gamma distribution is integrated out:
t^k e^{−t} becomes Γ(d + k)/Γ(d) x^k (1 + x)^{−d−k}, x = energy/rest.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from ..p_values import TINY, Real, log10_p_known, log10_p_unknown
from .asynchrony import Asynchrony

Extent = tuple[float, float]
_PATH_FALSE_ALARM = 1e-2  # of one more path of an active device


def log10_p_known_anywhere(energy: Real, n_antennas: int, extent: Extent) -> NDArray:
    """log10 P(max t ≥ energy), σ² = 1."""
    log_t = np.log(np.maximum(energy, TINY))

    def moment(k: float) -> NDArray:
        return np.asarray(k * log_t - energy)

    return _anywhere(log10_p_known(energy, n_antennas), moment, n_antennas, extent)


def log10_p_unknown_anywhere(
    energy: Real, rest: Real, n_antennas: int, rest_dof: Real, extent: Extent
) -> NDArray:
    """log10 P(max F ≥ f) for f = (energy/M) / (rest/rest_dof)."""
    dof = np.maximum(rest_dof, 1)
    log_x = np.log(np.maximum(energy, TINY)) - np.log(np.maximum(rest, TINY))

    def moment(k: float) -> NDArray:
        return np.asarray(gammaln(dof + k) - gammaln(dof) + k * log_x - (dof + k) * np.logaddexp(0, log_x))

    return _anywhere(log10_p_unknown(energy, rest, n_antennas, dof), moment, n_antennas, extent)


def _anywhere(
    log10_p: NDArray, log_moment: Callable[[float], NDArray], n_antennas: int, extent: Extent
) -> NDArray:
    """log10 of P + (a + b) ρ₁ + a b ρ₂; `log_moment(k)`: logarithm of what is t^k e^{−t} for a known σ²."""
    a, b = extent
    scale = gammaln(n_antennas)
    line = np.log(max(a + b, TINY)) + log_moment(n_antennas - 0.5) - 0.5 * np.log(np.pi) - scale
    excess = log_moment(n_antennas), np.log(n_antennas - 0.5) + log_moment(n_antennas - 1)
    with np.errstate(divide="ignore"):  # where ρ₂ is not positive
        area = np.log(max(a * b, TINY)) + excess[0] + np.log(-np.expm1(np.minimum(excess[1] - excess[0], 0)))
    log_p = np.logaddexp(log10_p * np.log(10), np.logaddexp(line, area - np.log(np.pi) - scale))
    return np.minimum(log_p, 0) / np.log(10)


@lru_cache(maxsize=64)  # as many steps as a short batch takes to be searched
def limit(false_alarm: float, n_antennas: int, extent: Extent) -> float:
    """The energy that a maximum exceeds with probability `false_alarm`, σ² = 1."""
    low, high = 0.0, 1e4
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        exceeds = log10_p_known_anywhere(middle, n_antennas, extent) < np.log10(false_alarm)
        low, high = (low, middle) if exceeds else (middle, high)
    return high


class Rule(NamedTuple):
    """What is looked for in a frame, and how sure a device has to be."""

    asynchrony: Asynchrony
    false_alarm: float
    extent: Extent
    device_limit: float
    path_limit: float

    @classmethod
    def of(cls, asynchrony: Asynchrony, extent: Extent, false_alarm: float, n_antennas: int) -> "Rule":
        """The rule for a false-alarm probability of each device."""
        return cls(
            asynchrony,
            false_alarm,
            extent,
            limit(false_alarm, n_antennas, extent),
            limit(_PATH_FALSE_ALARM, n_antennas, (extent[0], 0.0)),
        )
