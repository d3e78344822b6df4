# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure a decision about a frame is: of the support as a whole, and of each device in it.

Of a device with power γ, energy = t/σ² of its statistic is Gamma(M, 1 + r) distributed, r = γ s/σ², and
Gamma(M, 1) if it is inactive. So the logarithm of its odds of being active is

    energy r/(1 + r) − M log(1 + r) + log K/(N − K).

Its power is taken for the mean one of the members; a member's, for that of any other member; and where powers
spread, for that of any of them. The posterior mean of a member's channel is its least-squares one times the
probability, times the mean of r/(1 + r) over those powers, as likely as they make it; and there any power
within 30 dB counts a little, too, so that a device alone, or far stronger than others, is what it looks like.
`kernel/detection/doubt.hpp` is the same, compiled.
"""

from collections.abc import Callable
from math import log, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .p_values import TINY, log10_p_unknown
from .support_fit import MIN_SNR, FrameData, SupportFit, likely_power

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


class DoubtRule(NamedTuple):
    """Numbers of doubts, which the compiled form is told."""

    # How far below the level that is asked of sure devices some outside may be, so many together, to enter;
    entry: float = 0.4
    max_entries: int = 3
    # how far above it members, so much less likely active, have to come back: see `refinement`.
    leave: float = 0.6
    likely: float = 0.88
    least_weight: float = 0.5  # of a member that channels of settled frames are fitted with
    any_power: float = 0.05  # in members, how likely a power may be any
    powers: float = log(1e3)  # what that spans, as a logarithm
    min_energy: float = 2.0  # times M: of a device that may be missed, whatever its power


RULE = DoubtRule()


def _never() -> bool:
    return False


class Doubt(NamedTuple):
    """margin : how far the score nearest to the threshold is from it, below 0 on the wrong side.
    missed : devices outside the support expected to be active, with the mean power of the members.
    weight : (K,) what makes posterior means of the members' channels.
    channel : (K, M) the LMMSE channels, of likely members as if the others were not active.
    missed_unlike : as `missed`, with the power of any member; of those only that stand out.
    spread : standard deviation of the members' powers over their mean, times √M: 1 where all fade alike.
    ends_elsewhere : tells whether σ² is measured off other devices where more are active at first.
    """

    margin: float
    missed: float
    weight: NDArray
    missed_unlike: float = 0.0
    spread: float = 0.0
    ends_elsewhere: Callable[[], bool] = _never
    channel: NDArray | None = None


class Tested(NamedTuple):
    """All devices of a frame of M antennas: statistic t, share s, score (N,); members and powers (K,)."""

    statistic: NDArray
    share: NDArray
    score: NDArray
    members: NDArray
    power: NDArray
    n_antennas: int


def doubt_of(tested: Tested, noise_var: float, threshold: float) -> Doubt:
    """The doubt of a frame with that σ²."""
    N, K, n_antennas = len(tested.score), len(tested.members), tested.n_antennas
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
    unlike = np.flatnonzero(outside & (energy >= RULE.min_energy * n_antennas))
    ratio = tested.power * tested.share[unlike, None] / noise_var
    missed_unlike = np.sum(_probability(np.log(_likely(energy[unlike, None], ratio, n_antennas)) + prior))
    weight = _weights(tested, noise_var, prior)
    spread = np.sqrt(n_antennas) * tested.power.std() / tested.power.mean()
    return Doubt(margin, float(missed), weight, float(missed_unlike), float(spread))


def _weights(tested: Tested, noise_var: float, prior: float) -> NDArray:
    """Of the members (K,): by the powers of the others, and any power in place of their own."""
    energy, share = (values[tested.members] / noise_var for values in (tested.statistic, tested.share))
    ratio = tested.power * share[:, None]
    odds, likely = _by_others(energy, ratio, np.arange(len(energy)), tested.n_antennas, RULE.any_power)
    shrink, own = np.sum(likely * ratio / (1 + ratio), axis=1), tested.power * share
    return np.asarray(_probability(odds + prior) * shrink * (1 + own) / own)


def member_probability(
    energy: NDArray, ratio: NDArray, own: NDArray, n_antennas: int, n_devices: int
) -> NDArray:
    """That some members (W,) of a support of K devices are active, with the power of any other member.

    Parameters
    ----------
    energy : (W,) array
        Their statistics over σ².
    ratio : (W, K) array
        γ s/σ², of the share of each with the power of each member.
    own : (W,) array
        Their places among the members.
    n_antennas, n_devices : int
    """
    count = ratio.shape[1]
    if not 1 < count < n_devices:
        return np.ones(len(energy))
    odds, _ = _by_others(energy, ratio, own, n_antennas)
    return _probability(odds + np.log(count / (n_devices - count)))


def _by_others(
    energy: NDArray, ratio: NDArray, own: NDArray, n_antennas: int, any_power: float = 0.0
) -> tuple[NDArray, NDArray]:
    """How much likelier, as a logarithm (W,), other members' powers make some; how likely they are (W, K).

    It may be any power, too, in the place of their own, as likely as of so many members.
    """
    log_ratio, mine = _log_ratio(energy[:, None], ratio, n_antennas), (np.arange(len(own)), own)
    log_ratio[mine] += _log_share(ratio[mine], n_antennas) + log(any_power) if any_power else -np.inf
    peak = log_ratio.max(axis=1)
    likely = np.exp(log_ratio - peak[:, None])
    total = likely.sum(axis=1)
    return peak + np.log(total / (ratio.shape[1] - 1 + any_power)), likely / total[:, None]


def _log_share(ratio: NDArray, n_antennas: int) -> NDArray:
    """Logarithm of the share of powers, by their logarithm, that energies do not tell from the likeliest."""
    return np.asarray(0.5 * log(2 * pi / n_antennas) + np.log((1 + ratio) / ratio / RULE.powers))


def ends_elsewhere(
    statistic: NDArray,
    members: NDArray,
    n_antennas: int,
    noise: tuple[float, float],
    level: float,
    refine: Callable[[NDArray], NDArray],
) -> bool:
    """Whether a support is refined to another one where more devices are in it at first.

    Several devices together may pass a test that each alone fails: the noise looks lower without them. So the
    best outside enter where they nearly pass it together, and have to leave again.

    Parameters
    ----------
    statistic : (N,) array
        Of all devices, given the support.
    members : (K,) array
        The support.
    n_antennas : int
    noise : (float, float)
        The energy that the support leaves, and its complex degrees of freedom.
    level : float
        The score that is asked for.
    refine : callable
        From the devices that a support starts with, those that it ends with.
    """
    outside = statistic.copy()
    outside[members] = -np.inf
    best = np.argsort(-outside, kind="stable")[: min(RULE.max_entries, len(outside) - len(members))]
    count, (energy, dof) = np.arange(1, len(best) + 1), noise
    rest = np.maximum(energy - np.cumsum(outside[best]), 0.0)
    together = -log10_p_unknown(outside[best], rest, n_antennas, dof - n_antennas * count)
    starts = [np.union1d(members, best[:k]) for k in count[1:] if together[k - 1] >= level - RULE.entry]
    return any(not np.array_equal(refine(start), members) for start in starts)


def start_powers(frame: FrameData, fit: SupportFit, statistic: NDArray, share: NDArray) -> NDArray:
    """The powers (N,) of members, and the likely ones of all others."""
    known = np.where(share > 0, share, 1.0)
    power = likely_power(statistic * known, known, fit.noise_var, fit.channel.shape[1])
    power = np.maximum(power, MIN_SNR * fit.noise_var / np.maximum(frame.norm, TINY))
    power[fit.members] = fit.power
    return power


def _likely(energy: NDArray, ratio: NDArray, n_antennas: int) -> NDArray:
    """How much likelier energies are of active devices, in the mean over powers, the last axis."""
    likely: NDArray = np.exp(np.minimum(_log_ratio(energy, ratio, n_antennas), 500.0)).mean(axis=-1)
    return likely


def _log_ratio(energy: NDArray, ratio: NDArray, n_antennas: int) -> NDArray:
    """How much likelier energies are of active devices than of inactive ones, as a logarithm."""
    return energy * ratio / (1 + ratio) - n_antennas * np.log1p(ratio)


def _probability(odds: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-np.clip(odds, -60, 60)))
