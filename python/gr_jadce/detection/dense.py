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
each other (`refinement`).

A. Fengler, S. Haghighatshoar, P. Jung and G. Caire, IEEE Trans. Inf. Theory 67(5), 2021, detect by the
same model, with a power for each of all N devices. `kernel/detection/` is the same, compiled.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..estimate import Estimate, noise_levels
from ..numeric import ratio_db
from ..pilots.book import PilotBook
from . import support_fit
from .doubt import Tested, doubt_of, ends_elsewhere, start_powers
from .noise.scale import sure_level
from .p_values import TINY
from .refinement import (
    Rule,
    Test,
    all_scores,
    exchange,
    find_sure,
    may_exchange,
    noise_energy,
    refine,
)
from .rows import FrameDecision
from .support_fit import FrameData, SupportFit

_CROWDED = 0.5  # share of a frame's rows that bear witness of the noise: below, many explain it as well


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
    test = Test(frame, rule, lambda count: rule.threshold, noise_var)
    if not noise_var:
        own = test._replace(level_of=lambda count: sure_level(rule.sure, len(score), count))
        sure = find_sure(own, fit)
        noise_var = sure.noise_left
        test = test._replace(rest=noise_energy(test, sure))
        fit = refine(test, sure)
    else:
        fit = sure = exchange(test, refine(test, fit))
    decision = _decision(test, fit, sure, noise_var if frame.energy else test.noise_var)
    if test.rest is None or decision.doubt is None:
        return decision
    return decision._replace(
        doubt=decision.doubt._replace(ends_elsewhere=partial(_ends_elsewhere, own, sure))
    )


def _ends_elsewhere(test: Test, sure: SupportFit) -> bool:
    (statistic, share), n_antennas = support_fit.statistic(test.frame, sure), sure.channel.shape[1]
    noise, level = n_antennas * sure.rows, test.level_of(len(sure.members))
    power = start_powers(test.frame, sure, statistic, share)

    def refined(start: NDArray) -> NDArray:
        fit = support_fit.fit_support(test.frame, start, 0.0, power[start])
        return refine(test, fit, home=sure.members).members

    left = sure.noise_left * noise, noise
    return ends_elsewhere(statistic, sure.members, n_antennas, left, level, refined)


def _is_crowded(test: Test, fit: SupportFit) -> bool:
    return fit.rows < _CROWDED * test.rule.pilot_length


def _decision(test: Test, fit: SupportFit, sure: SupportFit, noise_var: float) -> FrameDecision:
    frame, (statistic, share) = test.frame, support_fit.statistic(test.frame, fit)
    scores = all_scores(test, fit, statistic)
    share[fit.members] = support_fit.own_share(frame, fit)
    tested = Tested(statistic, np.maximum(share, 0), scores, fit.members, fit.power, fit.channel.shape[1])
    doubt = doubt_of(tested, noise_var, test.rule.threshold)
    n_samples, told_apart = frame.pilot_length * fit.channel.shape[1], _are_told_apart(test, fit)
    unlikely = (doubt.weight < test.rule.doubt.least_weight) & told_apart
    channel = _without_unlikely(frame, fit, unlikely)[told_apart]
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
        doubt._replace(weight=doubt.weight[told_apart], channel=channel),
    )


def _without_unlikely(frame: FrameData, fit: SupportFit, unlikely: NDArray) -> NDArray:
    """The channels of the members (K, M) as if some were not active; theirs as they are."""
    if not unlikely.any():
        return fit.channel
    channel = fit.channel.copy()
    channel[~unlikely] = support_fit.without(frame, fit, unlikely).channel
    return channel


def _are_told_apart(test: Test, fit: SupportFit) -> NDArray:
    """Which members (K,) make the frame so much likelier than others in their place that they are active."""
    least = test.rule.lead.crowded if _is_crowded(test, fit) else test.rule.lead.least
    if not least or not len(fit.members):
        return np.ones(len(fit.members), bool)
    told_apart = _lead(test, fit, support_fit.replacement_statistic(test.frame, fit)) >= least
    if may_exchange(test, fit):
        fixed = test.rest is None
        told_apart &= support_fit.exchange_pairs(test.frame, fit, fixed=fixed)[0] >= least
    return told_apart


def _lead(test: Test, fit: SupportFit, other: NDArray) -> NDArray:
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
