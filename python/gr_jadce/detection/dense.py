# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of devices given each other, in its plain form, one frame after another.

Given the other detected devices S, device n is tested by what its pilot still explains of the
frame once the pilots of S are projected off:

    t_n = ‖a_nᴴ P Y‖² / (a_nᴴ P a_n),   P = I − A_S (A_SᴴA_S)⁻¹ A_Sᴴ,   S without n.

If n is inactive and S is right, t_n/σ² is Gamma(M, 1) distributed (half a χ² of 2M degrees of
freedom) whatever the channels of S are; with σ² unknown, t_n over the energy that is left is
F(2M, 2MR) distributed, R = L − 1 − (size of S). A device is active when the probability of a larger
statistic, its p-value, is at most the wanted false-alarm probability. The estimator only
proposes where to start: devices are dropped and added until all decisions agree with each other.

Devices too weak to be detected act as noise, which the energy that is left measures, too. Pilots
that are a tight frame (A Aᴴ = c I: DFT, Hadamard, Zadoff-Chu) spread less of it over the other
devices than over the residual; there the scale is that of the lower statistics of all devices.

`kernel/detection/` is the same, compiled.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincinv

from ..estimate import Estimate, noise_levels
from ..numeric import decibels, sum_squares
from ..pilots.book import PilotBook
from .p_values import TINY, Real, log10_p_known, log10_p_unknown
from .rows import FrameDecision

_SURE_FALSE_SHARE = 0.03  # expected share of false ones among the devices that σ² is measured off
_LOWER_SHARE = 0.9  # share of the statistics of inactive devices that the scale of a tight frame is read off
_MIN_OUTSIDE = 100  # devices outside the support, fewer say too little about that scale
RIDGE = 1e-9  # keeps equal pilots from making a singular system
INDEPENDENT = 1e-6  # least share of a pilot's energy off the span of the others
ROUNDING = 1e-12  # of a frame's energy: what its residual is known to
_SCALE_ROUNDS = 20


class Rule(NamedTuple):
    """What is asked of every frame."""

    pilot_length: int
    threshold: float  # −log10 of the wanted false-alarm probability
    max_rounds: int
    sure: float  # _SURE_FALSE_SHARE
    lower_limit: float  # Gamma(M) quantile of _LOWER_SHARE; 0 if the pilots are no tight frame
    lower_mean: float  # mean of a Gamma(M) variable below it


class Rest(NamedTuple):
    """The energy that tells how loud the noise is that a device is tested against."""

    energy: NDArray  # (N,) ‖P Y‖² off the sure devices and the device tested
    dof: NDArray  # (N,) its complex degrees of freedom


class _Frame(NamedTuple):
    """What the tests need of a frame: everything is in its correlations with the pilots."""

    gram: NDArray  # (N, N) AᴴA
    correlation: NDArray  # (N, M) AᴴY
    energy: float  # ‖Y‖²
    noise_var: float  # 0 if unknown
    rest: Rest | None = None  # None when noise_var is known, or the sure devices are not


class _Fit(NamedTuple):
    """Least squares on a support of K devices."""

    members: NDArray  # (K,) devices, ascending
    inverse: NDArray  # (K, K) (A_SᴴA_S)⁻¹
    channel: NDArray  # (K, M)
    residual: float  # ‖P Y‖²
    dof: int  # complex degrees of freedom of the residual, M(L − K)


def make_rule(pilots: PilotBook, n_antennas: int, false_alarm: float, max_rounds: int) -> Rule:
    """The rule for frames of so many antennas."""
    limit = mean = 0.0
    if pilots.tight_bound is not None:
        limit = float(gammaincinv(n_antennas, _LOWER_SHARE))
        mean = float(n_antennas * gammainc(n_antennas + 1, limit) / _LOWER_SHARE)
    threshold = -float(np.log10(false_alarm))
    return Rule(pilots.pilot_length, threshold, max_rounds, _SURE_FALSE_SHARE, limit, mean)


def gram_matrix(pilots: PilotBook) -> NDArray:
    """AᴴA (N, N)."""
    everyone = np.arange(pilots.n_devices)
    return pilots.gram(everyone, everyone)


def correlate(received: NDArray, pilots: PilotBook) -> NDArray:
    """AᴴY (N, B, M) of frames (B, L, M)."""
    return pilots.adjoint(np.ascontiguousarray(np.moveaxis(received, 0, 1)))


def decide_frames(
    estimate: Estimate, received: NDArray, pilots: PilotBook, noise_var: ArrayLike | None, rule: Rule
) -> Iterator[FrameDecision]:
    """The decisions about frames (B, L, M), one after another."""
    received, gram = received.astype(np.complex128), gram_matrix(pilots)
    correlation, energy = correlate(received, pilots), sum_squares(received).sum(axis=1)
    score = np.nan_to_num(np.asarray(estimate.score, dtype=float), nan=0.0)
    levels = noise_levels(noise_var, len(received))
    for b in range(len(received)):
        frame = _Frame(gram, correlation[:, b], float(energy[b]), float(levels[b]))
        fit, scores, level = _decide(frame, score[b], rule)
        channel, signal = _refit(frame, fit, level)
        snr_db = ratio_db(signal, level * received[b].size)
        yield FrameDecision(fit.members, channel, scores, level, snr_db)


def _decide(frame: _Frame, score: NDArray, rule: Rule) -> tuple[_Fit, NDArray, float]:
    """Least squares on the decided support, the scores of all devices, and the noise variance."""
    fit = _least_squares(frame, _propose(frame, score, rule.pilot_length // 2), rule)
    noise_var = frame.noise_var
    if not noise_var:
        fit = _refine(frame, fit, sure_level, rule)
        noise_var = fit.residual / fit.dof
        frame = frame._replace(rest=_noise_energy(frame, fit, rule))
    fit = _refine(frame, fit, lambda rule, n_devices, count: rule.threshold, rule)
    return fit, _scores(frame, fit), noise_var


def _propose(frame: _Frame, score: NDArray, count: int) -> NDArray:
    """The `count` largest positive scores."""
    order = np.argsort(-score, kind="stable")[:count]
    return np.sort(order[(score[order] > 0) & (np.diagonal(frame.gram).real[order] > 0)])


def sure_level(rule: Rule, n_devices: int, count: int) -> float:
    """The least score of a sure device, of `count`.

    False alarms take the largest peaks of the noise along: were they in the support that σ² is
    measured off, σ² came out too small, and false alarms bred more of them. So σ² is measured
    off the devices of which at most a share _SURE_FALSE_SHARE is expected to be false.
    """
    return max(rule.threshold, np.log10(n_devices / (rule.sure * max(count, 1))))


def _refine(frame: _Frame, fit: _Fit, level_of: Callable[..., float], rule: Rule) -> _Fit:
    """Drop and add devices until the support is exactly the devices that pass the test given it.

    All members that fail go at once; devices come one at a time, the best first.
    """
    for round_ in range(rule.max_rounds):
        level = level_of(rule, len(frame.gram), len(fit.members))
        stays = _member_scores(frame, fit) >= level
        if not stays.all():
            fit = _least_squares(frame, fit.members[stays], rule)
            continue
        if round_ + 1 == rule.max_rounds or len(fit.members) >= rule.pilot_length - 2:
            break
        score = _scores(frame, fit)
        score[fit.members] = -np.inf
        best = score.argmax()
        if score[best] < level:
            break
        fit = _least_squares(frame, np.union1d(fit.members, best), rule)
    return fit


def _least_squares(frame, members, rule):
    gram, target = frame.gram[np.ix_(members, members)], frame.correlation[members]
    inverse = np.linalg.inv(gram + RIDGE * np.diag(np.diagonal(gram)))
    channel = inverse @ target
    residual = max(frame.energy - np.vdot(target, channel).real, ROUNDING * frame.energy)
    return _Fit(
        members, inverse, channel, residual, target.shape[1] * max(rule.pilot_length - len(members), 1)
    )


def _own_statistic(fit: _Fit) -> NDArray:
    """t_n of the members (K,), each tested against the others."""
    return sum_squares(fit.channel) / np.diagonal(fit.inverse).real


def _statistic(frame: _Frame, fit: _Fit) -> NDArray:
    """t_n of every device (N,), members left out of the support they are tested against."""
    gram, norm = frame.gram[:, fit.members], np.diagonal(frame.gram).real
    left = sum_squares(frame.correlation - gram @ fit.channel)  # ‖a_nᴴ P Y‖²
    share = norm - np.sum(((gram @ fit.inverse) * gram.conj()).real, axis=1)  # a_nᴴ P a_n
    tested = share > INDEPENDENT * norm  # else the pilot lies in the span of the others
    statistic = np.where(tested, left / np.where(tested, share, 1), 0)
    statistic[fit.members] = _own_statistic(fit)
    return statistic


def left_over(fit: Any, statistic: NDArray) -> Rest:
    """Energy and degrees of freedom (N,) left off the support and the device tested."""
    outside = np.ones(len(statistic), bool)
    outside[fit.members] = False
    energy = np.maximum(fit.residual - outside * statistic, 0)
    return Rest(energy, fit.dof - outside * fit.channel.shape[1])


def _noise_energy(frame: _Frame, fit: _Fit, rule: Rule) -> Rest:
    return noise_scaled(fit, _statistic(frame, fit), rule)


def noise_scaled(fit: Any, statistic: NDArray, rule: Rule) -> Rest:
    """What is left off the sure devices; for a tight frame at the scale of the lower statistics."""
    rest = left_over(fit, statistic)
    outside = np.delete(statistic, fit.members)
    if not rule.lower_limit or len(outside) < _MIN_OUTSIDE or not fit.residual:
        return rest
    scale = outside.mean() / fit.channel.shape[1]
    for _ in range(_SCALE_ROUNDS):
        scale = outside[outside <= rule.lower_limit * scale].mean() / rule.lower_mean
    return rest._replace(energy=rest.energy * (scale * fit.dof / fit.residual))


def _scores(frame: _Frame, fit: _Fit) -> NDArray:
    """−log10 p-value of every device (N,)."""
    statistic = _statistic(frame, fit)
    return p_score(frame, statistic, *(left_over(fit, statistic) if frame.rest is None else frame.rest))


def _member_scores(frame: _Frame, fit: _Fit) -> NDArray:
    """−log10 p-value of the members (K,)."""
    rest = (fit.residual, fit.dof) if frame.rest is None else [array[fit.members] for array in frame.rest]
    return p_score(frame, _own_statistic(fit), *rest)


def p_score(frame: Any, statistic: NDArray, rest: Real, rest_dof: Real) -> NDArray:
    """−log10 p-values of statistics, given the energy that is left and its degrees of freedom."""
    n_antennas = frame.correlation.shape[1]
    if frame.noise_var:
        return -log10_p_known(statistic / frame.noise_var, n_antennas)
    return -log10_p_unknown(statistic, rest, n_antennas, rest_dof)


def _refit(frame: _Frame, fit: _Fit, noise_var: float) -> tuple[NDArray, float]:
    """LMMSE channels (K, M) on the support, and the energy of the signal that they explain."""
    gram, n_antennas = frame.gram[np.ix_(fit.members, fit.members)], fit.channel.shape[1]
    variance = np.diagonal(fit.inverse).real * noise_var
    power = np.sum(sum_squares(fit.channel) / n_antennas - variance) / max(len(fit.members), 1)
    ridge = noise_var / max(power, 1e-3 * noise_var + TINY)
    regular = gram + np.diag(ridge + RIDGE * np.diagonal(gram).real)
    channel = np.linalg.solve(regular, frame.correlation[fit.members])
    return channel, np.vdot(channel, gram @ channel).real


def ratio_db(signal: float, noise: float | np.floating) -> float:
    """10 log10 of a ratio, −inf without a signal."""
    with np.errstate(divide="ignore"):
        return float(decibels(np.float64(signal) / noise)) if signal > 0 else -np.inf
