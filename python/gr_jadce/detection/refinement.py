# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices of a frame pass the test of `dense`, given each other: dropped and added until that holds.

`kernel/detection/detection.cc` is the same, compiled.
"""

from collections.abc import Callable
from math import log10
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..pilots.book import PilotBook
from . import doubt, support_fit
from .doubt import DoubtRule, Lead, member_probability
from .noise.scale import LowerStatistics, Rest, Scale, SureRule, left_over, noise_scaled
from .p_values import p_score
from .support_fit import FrameData, SupportFit

_FEW_SAMPLES = 32  # of a frame: see `find_sure`
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
    doubt: DoubtRule


class Test(NamedTuple):
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
    return Rule(
        L, threshold, max_rounds, proposed, max(L - 2, proposed), lower, scale, sure, lead, doubt.RULE
    )


def find_sure(test: Test, fit: SupportFit) -> SupportFit:
    """The fit on the devices that σ² is measured off: from the proposal, or from none if that says more.

    Where pilots are short, several devices together look like another; estimators fall for that, too.
    """
    frame, threshold = test.frame, test.rule.threshold
    fit = exchange(test, refine(test, fit))
    surplus = support_fit.surplus_evidence(frame, fit, threshold)
    if surplus >= 0 and not _has_few_samples(frame, fit):
        return _retest_weak(test, fit)
    other = exchange(test, refine(test, support_fit.fit_support(frame, np.empty(0, int), 0.0)))
    if support_fit.surplus_evidence(frame, other, threshold) > surplus:
        return _retest_weak(test, other)
    return _retest_weak(test, support_fit.fit_support(frame, fit.members, 0.0))


def _retest_weak(test: Test, fit: SupportFit) -> SupportFit:
    """The fit once weak members have left together, and those have come back that pass without the others.

    The noise looks lower without a device, so that some near the level may pass if all are in, and fail if
    none is: what is found would depend on the proposal. Those that are likely active stay.
    """
    frame, score = test.frame, member_scores(test, fit)
    share, energy = support_fit.own_share(frame, fit), support_fit.own_statistic(frame, fit)
    known = Members(energy / fit.noise_left, share / fit.noise_left, fit.power)
    lead = score - test.level_of(len(score))
    weak = are_weak(known, lead, fit.channel.shape[1], len(frame.gram), test.rule.doubt)
    if not weak.any():
        return fit
    strong = support_fit.settle(frame, support_fit.without(frame, fit, weak), fixed=False)
    return exchange(test, refine(test, strong))


class Members(NamedTuple):
    """Of members (K,): statistic and share over σ², power."""

    energy: NDArray
    share: NDArray
    power: NDArray


def are_weak(members: Members, lead: NDArray, n_antennas: int, n_devices: int, rule: DoubtRule) -> NDArray:
    """Which members (K,), so much above the level, have to come back.

    Of one antenna, whose few samples hardly tell supports apart, none: it would cost devices.
    """
    weak = np.flatnonzero((lead < rule.leave) & (n_antennas > 1))
    ratio = members.power * members.share[weak, None]
    likely = member_probability(members.energy[weak], ratio, weak, n_antennas, n_devices)
    which = np.zeros(len(lead), bool)
    which[weak] = likely < rule.likely
    return which


def exchange(test: Test, fit: SupportFit) -> SupportFit:
    """The fit once no two devices for two of its members make the frame likelier."""
    for _ in range(_MAX_EXCHANGES if test.rule.lead.least else 0):
        if not may_exchange(test, fit):
            break
        lead, other = support_fit.exchange_pairs(test.frame, fit, fixed=bool(test.noise_var))
        if lead.min() >= 0:
            break
        fit = refine(test, other)
    return fit


def may_exchange(test: Test, fit: SupportFit) -> bool:
    return _has_few_samples(test.frame, fit) and len(fit.members) in _EXCHANGED


def _has_few_samples(frame: FrameData, fit: SupportFit) -> bool:
    """Whether another start may find another support, and costs little."""
    count, n_antennas = fit.channel.shape
    return count > 0 and frame.pilot_length * n_antennas <= _FEW_SAMPLES


def refine(test: Test, fit: SupportFit, home: NDArray | None = None) -> SupportFit:
    """Drop and add devices until the support is exactly the devices that pass the test given it.

    All members that fail go at once; devices come one at a time, the best first. One that fails as soon as it
    has come, and passes as soon as it has gone, does not come again.
    """
    frame, rule, fixed = test.frame, test.rule, bool(test.noise_var) or test.rest is not None
    barred, newest = np.zeros(len(frame.gram), bool), np.empty(0, int)
    for round_ in range(rule.max_rounds):
        level = test.level_of(len(fit.members))
        fails = member_scores(test, fit) < level
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


def _best_outside(test: Test, fit: SupportFit, barred: NDArray) -> tuple[int, float, float]:
    """The device outside the support, and not barred, with the best score; that score, its likely power."""
    statistic, share = support_fit.statistic(test.frame, fit)
    score = all_scores(test, fit, statistic)
    score[fit.members] = score[barred] = -np.inf
    best = int(score.argmax())
    return best, float(score[best]), support_fit.power_outside(test.frame, fit, best, statistic, share)


def noise_energy(test: Test, fit: SupportFit) -> Rest:
    statistic, outside = support_fit.statistic(test.frame, fit)[0], _outside(test.frame, fit)
    rest = _left_over(test, fit, statistic, outside)
    n_antennas = fit.channel.shape[1]
    return noise_scaled(rest, statistic[outside], fit.noise_left, test.rule.lower, n_antennas)


def _left_over(test: Test, fit: SupportFit, statistic: NDArray, outside: NDArray) -> Rest:
    n_antennas = fit.channel.shape[1]
    return left_over(fit.noise_left, fit.rows, statistic, outside, n_antennas, test.rule.scale)


def _outside(frame: FrameData, fit: SupportFit) -> NDArray:
    outside = np.ones(len(frame.gram), bool)
    outside[fit.members] = False
    return outside


def all_scores(test: Test, fit: SupportFit, statistic: NDArray) -> NDArray:
    rest = test.rest or _left_over(test, fit, statistic, _outside(test.frame, fit))
    return p_score(test.noise_var, statistic, rest.energy, rest.dof, fit.channel.shape[1])


def member_scores(test: Test, fit: SupportFit) -> NDArray:
    """−log10 p-value of the members (K,)."""
    statistic, n_antennas = support_fit.own_statistic(test.frame, fit), fit.channel.shape[1]
    if test.rest is None:
        inside = np.zeros(len(statistic), bool)
        energy, dof = _left_over(test, fit, statistic, inside)
    else:
        energy, dof = (values[fit.members] for values in test.rest)
    return p_score(test.noise_var, statistic, energy, dof, n_antennas)
