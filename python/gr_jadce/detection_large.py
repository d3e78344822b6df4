# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions among so many devices that their Gram matrix (N, N) is too large: the test of `detection`.

What differs is how it is computed, for pilot books with fast products. a_nᴴ P Y of all devices is
what two fast products leave of the correlations; only the Gram matrix of the members of the support
is formed. The energy a_nᴴ P a_n that the members' pilots leave of another is not computed for each
device: it is close to its mean over all of them, (N − K·N/L)/(N − K) for K members, exactly so for
a tight frame, with a relative deviation of about √K/L. Devices come in groups, and one that was
dropped twice stays out.
"""

from typing import NamedTuple

import numpy as np

from .detection import (
    _INDEPENDENT,
    _energy,
    _inputs,
    _least_squares,
    _left_over,
    _member_scores,
    _noise_scaled,
    _own_statistic,
    _p_score,
    _refit,
    _Rest,
    _snr_db,
    _sure_level,
)
from .solvers.estimate import per_frame

MOST_DEVICES = 4096  # beyond, a Gram matrix takes 256 MiB and more
_MOST_MEMBERS = 4096  # of a support: their Gram matrix, too


class _Gram:
    """The Gram matrix of all pilots, of which only blocks are ever computed."""

    def __init__(self, pilots):
        self.pilots = pilots

    def __len__(self):
        return self.pilots.n_devices

    def __getitem__(self, index):
        rows, columns = index
        return self.pilots.gram(rows.ravel(), columns.ravel())


class _Frame(NamedTuple):
    """As in `detection`."""

    gram: _Gram
    correlation: np.ndarray  # (N, M)
    energy: float
    noise_var: float
    rest: _Rest | None = None


def decide_frames(estimate, received, pilots, noise_var, rule):
    """Activity, channel, score, noise variance and SNR in dB of B frames, one after another."""
    (n_frames, _, n_antennas), n_devices = received.shape, pilots.n_devices
    activity, scores = np.zeros((n_frames, n_devices), bool), np.zeros((n_frames, n_devices))
    dtype = np.result_type(received, np.complex64)
    channel = np.zeros((n_frames, n_devices, n_antennas), dtype)
    found_var, snr_db = np.zeros(n_frames), np.full(n_frames, -np.inf)
    known = None if noise_var is None else per_frame("noise_var", noise_var, n_frames)
    for b in range(n_frames):
        one = slice(b, b + 1)
        part = estimate._replace(score=estimate.score[one])
        correlation, energy, score, variance = _inputs(
            part, received[one], pilots, None if known is None else known[one]
        )
        frame = _Frame(_Gram(pilots), correlation[:, 0], float(energy[0]), float(variance[0]))
        fit, scores[b], found_var[b] = _decide(frame, score[0], rule)
        activity[b, fit.members] = True
        channel[b, fit.members], signal = _refit(frame, fit, found_var[b])
        snr_db[b] = _snr_db(signal, found_var[b] * rule.pilot_length * n_antennas)
    return activity, channel, scores, found_var, snr_db


def _decide(frame, score, rule):
    """Least squares on the decided support, the scores of all devices, and the noise variance."""
    fit = _least_squares(frame, _propose(score, rule.pilot_length), rule)
    noise_var = frame.noise_var
    if not noise_var:
        fit = _refine(frame, fit, _sure_level, rule)
        noise_var = fit.residual / fit.dof
        statistic = _statistic(frame, fit)
        frame = frame._replace(rest=_noise_scaled(fit, statistic, rule))
    fit = _refine(frame, fit, lambda rule, n_devices, count: rule.threshold, rule)
    return fit, _scores(frame, fit), noise_var


def _propose(score, pilot_length):
    """The largest positive scores: as many as leave the system of their pilots well conditioned."""
    order = np.argsort(-score, kind="stable")[: min(pilot_length // 4, _MOST_MEMBERS)]
    return np.sort(order[score[order] > 0])


def _refine(frame, fit, level_of, rule):
    """Drop all members that fail, and add all devices that pass, until the two agree."""
    dropped = np.zeros(len(frame.gram), np.int8)
    for _ in range(rule.max_rounds):
        level = level_of(rule, len(frame.gram), len(fit.members))
        stays = _member_scores(frame, fit) >= level
        if not stays.all():
            dropped[fit.members[~stays]] += 1
            fit = _least_squares(frame, fit.members[stays], rule)
            continue
        score = _scores(frame, fit)
        score[fit.members] = score[dropped > 1] = -np.inf
        most = min(rule.pilot_length // 2, _MOST_MEMBERS) - len(fit.members)
        passes = np.argsort(-score, kind="stable")[: max(most, 0)]
        passes = passes[score[passes] >= level]
        if not passes.size:
            break
        fit = _least_squares(frame, np.union1d(fit.members, passes), rule)
    return fit


def _statistic(frame, fit):
    """t_n of every device (N,), members left out of the support they are tested against."""
    pilots, count = frame.gram.pilots, len(fit.members)
    channel = np.zeros_like(frame.correlation)
    channel[fit.members] = fit.channel
    left = _energy(frame.correlation - pilots.adjoint(pilots.forward(channel)))  # ‖a_nᴴ P Y‖²
    statistic = left / max(mean_share(pilots, count), _INDEPENDENT)
    statistic[fit.members] = _own_statistic(fit)
    return statistic


def mean_share(pilots, count):
    """Mean of a_nᴴ P a_n over the devices that are not among `count` members."""
    total = pilots.n_devices * (1 - count / pilots.pilot_length)
    return total / max(pilots.n_devices - count, 1)


def _scores(frame, fit):
    """−log10 p-value of every device (N,)."""
    statistic = _statistic(frame, fit)
    return _p_score(frame, statistic, *(_left_over(fit, statistic) if frame.rest is None else frame.rest))
