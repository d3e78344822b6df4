# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure a decision about a frame is: of the support as a whole, and of each device in it.

Of a device with power γ, energy = t/σ² of its statistic is Gamma(M, 1 + r) distributed, r = γ s/σ², and
Gamma(M, 1) if it is inactive. So the logarithm of its odds of being active is

    energy r/(1 + r) − M log(1 + r) + log K/(N − K).

Its power is taken for the mean one of the members; a member's, for that of any other member.
`kernel/detection/doubt.hpp` is the same, compiled.
"""

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SURE_ABOVE = 6.0  # the threshold, −log10 of a p-value: of members that are there for sure


# Devices of a frame, and of a crowded one, that others explain e times as well.
_DOUBTFUL, _DOUBTFUL_CROWD = 1 / 30, 10.0


class Lead(NamedTuple):
    """By which, as a logarithm, an active device makes a frame likelier than any other in its place.

    The p-value says nothing of a device that has taken the place of an active one. In a frame about _DOUBTFUL
    devices are e times as likely to be there as one that is, so many fewer as the lead that is demanded is
    greater; and more in a crowded frame. Where the wanted probability allows as many, none is demanded.
    """

    least: float
    crowded: float

    @classmethod
    def of(cls, n_devices: int, false_alarm: float) -> "Lead":
        """For a wanted probability."""
        allowed = n_devices * false_alarm
        return cls(max(log(_DOUBTFUL / allowed), 0.0), max(log(_DOUBTFUL_CROWD / allowed), 0.0))


class Doubt(NamedTuple):
    """margin : how far the score nearest to the threshold is from it, below 0 on the wrong side.
    missed : devices outside the support expected to be active.
    weight : (K,) probabilities of the members to be active.
    """

    margin: float
    missed: float
    weight: NDArray


class Tested(NamedTuple):
    """All devices of a frame, tested: statistic t, share s, score (N,); members and their powers (K,)."""

    statistic: NDArray
    share: NDArray
    score: NDArray
    members: NDArray
    power: NDArray


def doubt_of(tested: Tested, noise_var: float, n_antennas: int, threshold: float) -> Doubt:
    """The doubt of a frame with that σ²."""
    N, K = len(tested.score), len(tested.members)
    distance = threshold - tested.score
    distance[tested.members] *= -1
    margin = float(distance.min())
    if not (noise_var > 0 and 0 < K < N):
        return Doubt(margin, 0.0, np.ones(K))
    prior, energy = np.log(K / (N - K)), tested.statistic / noise_var
    outside = np.ones(N, bool)
    outside[tested.members] = False
    ratio = tested.power.mean() * tested.share[outside] / noise_var
    missed = np.sum(_probability(_log_ratio(energy[outside], ratio, n_antennas) + prior))
    weight = np.ones(K)
    for k in np.flatnonzero(distance[tested.members] < SURE_ABOVE) if K > 1 else ():
        n = tested.members[k]
        ratios = np.delete(tested.power, k) * tested.share[n] / noise_var
        likely = np.mean(np.exp(np.minimum(_log_ratio(energy[n], ratios, n_antennas), 500.0)))
        weight[k] = _probability(np.log(likely) + prior)
    return Doubt(margin, float(missed), weight)


def _log_ratio(energy: NDArray, ratio: NDArray, n_antennas: int) -> NDArray:
    """How much likelier energies are of active devices than of inactive ones, as a logarithm."""
    return energy * ratio / (1 + ratio) - n_antennas * np.log1p(ratio)


def _probability(odds: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-np.clip(odds, -60, 60)))
