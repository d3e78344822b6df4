# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of devices given each other, in its plain form, one frame after another.

Given the other detected devices S with powers γ and noise σ², device n is tested by what its pilot still
explains of the frame:

    t_n = q_n/s_n = ‖a_nᴴ P Y‖² / (a_nᴴ P a_n),   P = σ²Σ⁻¹,  Σ = σ²I + Σ_{k∈S} γ_k a_k a_kᴴ,  S without n

(`support_fit`). If n is inactive and S is right, t_n/σ² is Gamma(M, 1) distributed (half a χ² of 2M
degrees of freedom): whatever the channels of S are where they are strong, for Gaussian channels of their
powers where they are weak. With σ² unknown, t_n over the energy that is left is F(2M, 2M(R − 1))
distributed, R the rows of the frame that bear witness of the noise. A device is active when the
probability of a larger statistic, its p-value, is at most the wanted false-alarm probability. The
estimator only proposes where to start: devices are dropped and added until all decisions agree with
each other.

A. Fengler, S. Haghighatshoar, P. Jung and G. Caire, IEEE Trans. Inf. Theory 67(5), 2021, detect by the
same model, with a power for each of all N devices. `kernel/detection/` is the same, compiled.
"""

from collections.abc import Callable, Iterator
from functools import partial
from math import log10
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..estimate import Estimate, noise_levels
from ..numeric import ratio_db
from ..pilots.book import PilotBook
from . import support_fit
from .doubt import Lead, Tested, doubt_of, ends_elsewhere, start_powers
from .noise_scale import LowerStatistics, Rest, Scale, SureRule, left_over, noise_scaled, sure_level
from .p_values import TINY, p_score
from .rows import FrameDecision
from .support_fit import FrameData, SupportFit

_FEW_SAMPLES = 32  # of a frame: see `_find_sure`
_CROWDED = 0.5  # share of a frame's rows that bear witness of the noise: below, many explain it as well
_EXCHANGED = range(2, 9)  # members of a frame of few samples, for pairs of them to be exchanged
_MAX_EXCHANGES = 3


class Rule(NamedTuple):
    """What is asked of every frame."""

    pilot_length: int
    threshold: float  # −log10 of the wanted false-alarm probability
    max_rounds: int
    n_proposed: int  # devices of the first support at most
    n_members: int  # devices of any at most
    lower: LowerStatistics
    scale: Scale
    sure: SureRule
    lead: Lead


class _Test(NamedTuple):
    """How the members of a support, and the others, are tested in one frame."""

    frame: FrameData
    rule: Rule
    level_of: Callable[[int], float]  # least score by the number of members
    noise_var: float  # 0 if unknown
    rest: Rest | None = None  # None when noise_var is known, or the sure devices are not


def make_rule(pilots: PilotBook, n_antennas: int, false_alarm: float, max_rounds: int, scale: Scale) -> Rule:
    """The rule for frames of so many antennas.

    One antenna tells apart fewer devices than the pilots have symbols; the powers that several see
    tell apart more.
    """
    L = pilots.pilot_length
    proposed = L * min(n_antennas + 1, 8) // 4
    lower, threshold = LowerStatistics.of(pilots, n_antennas), -log10(false_alarm)
    sure = SureRule.of(n_antennas, scale, threshold)
    lead = Lead.of(pilots.n_devices, false_alarm)
    return Rule(L, threshold, max_rounds, proposed, max(L - 2, proposed), lower, scale, sure, lead)


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
    correlation, moment = correlate(received, pilots), received.conj().swapaxes(1, 2) @ received
    score = np.nan_to_num(np.asarray(estimate.score, dtype=float), nan=0.0)
    levels = noise_levels(noise_var, len(received))
    for b in range(len(received)):
        frame = FrameData(gram, correlation[:, b], moment[b], rule.pilot_length)
        yield _decide(frame, score[b], float(levels[b]), rule)


def _decide(frame: FrameData, score: NDArray, noise_var: float, rule: Rule) -> FrameDecision:
    fit = support_fit.fit_support(frame, _propose(frame, score, rule.n_proposed), noise_var)
    test = _Test(frame, rule, lambda count: rule.threshold, noise_var)
    if not noise_var:
        own = test._replace(level_of=lambda count: sure_level(rule.sure, len(score), count))
        sure = _find_sure(own, fit)
        noise_var = sure.noise_left
        test = test._replace(rest=_noise_energy(test, sure))
        fit = _refine(test, sure)
    else:
        fit = sure = _exchange(test, _refine(test, fit))
    decision = _decision(test, fit, sure, noise_var if frame.energy else test.noise_var)
    if test.rest is None or decision.doubt is None:
        return decision
    return decision._replace(
        doubt=decision.doubt._replace(ends_elsewhere=partial(_ends_elsewhere, own, sure))
    )


def _ends_elsewhere(test: _Test, sure: SupportFit) -> bool:
    (statistic, share), n_antennas = support_fit.statistic(test.frame, sure), sure.channel.shape[1]
    score = _all_scores(test, sure, statistic)
    score[sure.members] = _member_scores(test, sure)
    tested = Tested(statistic, share, score, sure.members, sure.power, n_antennas)
    noise, level = n_antennas * sure.rows, test.level_of(len(sure.members))
    power = start_powers(test.frame, sure, statistic, share)

    def refine(start: NDArray) -> NDArray:
        fit = support_fit.fit_support(test.frame, start, 0.0, power[start])
        return _refine(test, fit, home=sure.members).members

    return ends_elsewhere(tested, (sure.noise_left * noise, noise), level, refine)


def _find_sure(test: _Test, fit: SupportFit) -> SupportFit:
    """The fit on the devices that σ² is measured off: from the proposal, or from none if that says more.

    Where pilots are short, several devices together look like another; estimators fall for that, too.
    """
    frame, threshold = test.frame, test.rule.threshold
    fit = _exchange(test, _refine(test, fit))
    surplus = support_fit.surplus_evidence(frame, fit, threshold)
    if surplus >= 0 and not _has_few_samples(frame, fit):
        return fit
    other = _exchange(test, _refine(test, support_fit.fit_support(frame, np.empty(0, int), 0.0)))
    if support_fit.surplus_evidence(frame, other, threshold) > surplus:
        return other
    return support_fit.fit_support(frame, fit.members, 0.0)


def _exchange(test: _Test, fit: SupportFit) -> SupportFit:
    """The fit once no two devices for two of its members make the frame likelier."""
    for _ in range(_MAX_EXCHANGES if test.rule.lead.least else 0):
        if not _may_exchange(test, fit):
            break
        lead, other = support_fit.exchange_pairs(test.frame, fit, fixed=bool(test.noise_var))
        if lead.min() >= 0:
            break
        fit = _refine(test, other)
    return fit


def _may_exchange(test: _Test, fit: SupportFit) -> bool:
    return _has_few_samples(test.frame, fit) and len(fit.members) in _EXCHANGED


def _is_crowded(test: _Test, fit: SupportFit) -> bool:
    return fit.rows < _CROWDED * test.rule.pilot_length


def _has_few_samples(frame: FrameData, fit: SupportFit) -> bool:
    """Whether another start may find another support, and costs little."""
    count, n_antennas = fit.channel.shape
    return count > 0 and frame.pilot_length * n_antennas <= _FEW_SAMPLES


def _decision(test: _Test, fit: SupportFit, sure: SupportFit, noise_var: float) -> FrameDecision:
    frame, (statistic, share) = test.frame, support_fit.statistic(test.frame, fit)
    scores = _all_scores(test, fit, statistic)
    share[fit.members] = support_fit.own_share(frame, fit)
    tested = Tested(statistic, np.maximum(share, 0), scores, fit.members, fit.power, fit.channel.shape[1])
    doubt = doubt_of(tested, noise_var, test.rule.threshold)
    n_samples, told_apart = frame.pilot_length * fit.channel.shape[1], _are_told_apart(test, fit)
    return FrameDecision(
        fit.members[told_apart],
        fit.channel[told_apart],
        scores,
        noise_var,
        ratio_db(support_fit.signal(frame, fit), noise_var * n_samples),
        support_fit.noise_covariance(frame, sure),
        sure.rows,
        support_fit.uncertainty(fit),
        support_fit.surplus_evidence(frame, sure, test.rule.threshold),
        doubt._replace(weight=doubt.weight[told_apart]),
    )


def _are_told_apart(test: _Test, fit: SupportFit) -> NDArray:
    """Which members (K,) make the frame so much likelier than others in their place that they are active."""
    least = test.rule.lead.crowded if _is_crowded(test, fit) else test.rule.lead.least
    if not least or not len(fit.members):
        return np.ones(len(fit.members), bool)
    told_apart = _lead(test, fit, support_fit.replacement_statistic(test.frame, fit)) >= least
    if _may_exchange(test, fit):
        fixed = test.rest is None
        told_apart &= support_fit.exchange_pairs(test.frame, fit, fixed=fixed)[0] >= least
    return told_apart


def _lead(test: _Test, fit: SupportFit, other: NDArray) -> NDArray:
    """How much likelier, as a logarithm, members make the frame than devices of statistics `other` (K,)."""
    more = support_fit.own_statistic(test.frame, fit) - other
    if test.rest is None:
        return more / test.noise_var
    rest, dof = (values[fit.members] for values in test.rest)
    return np.asarray(dof * np.log(np.maximum(1 + more / np.maximum(rest, TINY), TINY)))


def _propose(frame: FrameData, score: NDArray, count: int) -> NDArray:
    """The `count` largest positive scores."""
    order = np.argsort(-score, kind="stable")[: count if frame.energy else 0]
    return np.sort(order[(score[order] > 0) & (frame.norm[order] > 0)])


def _refine(test: _Test, fit: SupportFit, home: NDArray | None = None) -> SupportFit:
    """Drop and add devices until the support is exactly the devices that pass the test given it.

    All members that fail go at once; devices come one at a time, the best first. One that fails as soon as it
    has come, and passes as soon as it has gone, does not come again.
    """
    frame, rule, fixed = test.frame, test.rule, bool(test.noise_var) or test.rest is not None
    barred, newest = np.zeros(len(frame.gram), bool), np.empty(0, int)
    for round_ in range(rule.max_rounds):
        level = test.level_of(len(fit.members))
        fails = _member_scores(test, fit) < level
        if fails.any():
            barred[np.intersect1d(newest, fit.members[fails])] = True
            fit = support_fit.without(frame, fit, fails)
        elif round_ + 1 == rule.max_rounds or len(fit.members) >= rule.n_members:
            break
        else:
            best, score, power = _best_outside(test, fit, barred)
            if score < level:
                break
            newest = np.array([best])
            fit = support_fit.with_device(frame, fit, best, power)
        if home is not None and np.array_equal(fit.members, home):
            break
        fit = support_fit.settle(frame, fit, fixed=fixed)
    return fit


def _best_outside(test: _Test, fit: SupportFit, barred: NDArray) -> tuple[int, float, float]:
    """The device outside the support, and not barred, with the best score; that score, its likely power."""
    statistic, share = support_fit.statistic(test.frame, fit)
    score = _all_scores(test, fit, statistic)
    score[fit.members] = score[barred] = -np.inf
    best = int(score.argmax())
    return best, float(score[best]), support_fit.power_outside(test.frame, fit, best, statistic, share)


def _noise_energy(test: _Test, fit: SupportFit) -> Rest:
    statistic, outside = support_fit.statistic(test.frame, fit)[0], _outside(test.frame, fit)
    rest = _left_over(test, fit, statistic, outside)
    n_antennas = fit.channel.shape[1]
    return noise_scaled(rest, statistic[outside], fit.noise_left, test.rule.lower, n_antennas)


def _left_over(test: _Test, fit: SupportFit, statistic: NDArray, outside: NDArray) -> Rest:
    n_antennas = fit.channel.shape[1]
    return left_over(fit.noise_left, fit.rows, statistic, outside, n_antennas, test.rule.scale)


def _outside(frame: FrameData, fit: SupportFit) -> NDArray:
    outside = np.ones(len(frame.gram), bool)
    outside[fit.members] = False
    return outside


def _all_scores(test: _Test, fit: SupportFit, statistic: NDArray) -> NDArray:
    rest = test.rest or _left_over(test, fit, statistic, _outside(test.frame, fit))
    return p_score(test.noise_var, statistic, rest.energy, rest.dof, fit.channel.shape[1])


def _member_scores(test: _Test, fit: SupportFit) -> NDArray:
    """−log10 p-value of the members (K,)."""
    statistic, n_antennas = support_fit.own_statistic(test.frame, fit), fit.channel.shape[1]
    if test.rest is None:
        inside = np.zeros(len(statistic), bool)
        energy, dof = _left_over(test, fit, statistic, inside)
    else:
        energy, dof = (values[fit.members] for values in test.rest)
    return p_score(test.noise_var, statistic, energy, dof, n_antennas)
