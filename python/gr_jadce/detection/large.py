# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions among so many devices that their Gram matrix (N, N) is too large: the test of `dense`, nearly.

The members are taken for strong, so that P projects their pilots off; their channels have powers of
their own. For pilot books with fast products, a_nᴴ P Y of all devices is what two fast products leave of
the correlations; only the Gram matrix of the members is formed. The energy a_nᴴ P a_n that the members'
pilots leave of another is not computed for each device: it is close to its mean over all of them, (N −
K·N/L)/(N − K) for K members, exactly so for a tight frame, with a relative deviation of about √K/L; so
is, in a large support, what the other members leave of a member's. Large supports are solved by
conjugate gradients, and in single precision where frames are. Devices come in groups, and one that was
dropped twice stays out.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..estimate import Estimate, noise_levels
from ..numeric import ratio_db, sum_squares
from ..pilots.book import PilotBook
from .noise.scale import Rest, left_over, noise_scaled, sure_level
from .p_values import TINY, p_score
from .refinement import Members, Rule, are_weak
from .rows import FrameDecision
from .support_fit import INDEPENDENT, MIN_SNR, RIDGE, ROUNDING

MAX_GRAM_DEVICES = 2048  # beyond, a Gram matrix takes longer to make than it saves, and 100 MB and more
_MAX_MEMBERS = 4096  # of a support: their Gram matrix, too
_MAX_INVERTED = 256  # members of a support whose Gram matrix is inverted


class _Frame(NamedTuple):
    """As in `dense`, with the pilots for their Gram matrix."""

    pilots: PilotBook
    received: NDArray  # (L, M)
    correlation: NDArray  # (N, M)
    energy: float
    noise_var: float
    rest: Rest | None = None


class _Fit:
    """Least squares on a support of K devices, as in `dense`."""

    def __init__(self, frame: _Frame, members: NDArray, guess: NDArray | None = None) -> None:
        pilots, target = frame.pilots, frame.correlation[members]
        self.frame, self.members = frame, members
        self.gram = pilots.gram(members, members).astype(target.dtype)
        if len(members) <= _MAX_INVERTED:
            inverse = np.linalg.inv(self.gram + RIDGE * np.eye(len(members), dtype=self.gram.dtype))
            self.channel, self.spread = inverse @ target, np.diagonal(inverse).real
        else:
            self.channel = _conjugate_gradients(self.gram, target, np.zeros(len(members)), guess)
            self.spread = np.full(len(members), 1 / mean_share(pilots, len(members) - 1))
        # Not a difference of energies, which would keep but a few digits of what little may be left.
        residual = float(np.sum(sum_squares(self.rest), dtype=float))
        self.residual = max(residual, ROUNDING * frame.energy)
        self.rows = max(pilots.pilot_length - len(members), 1)
        self.noise_left = self.residual / (target.shape[1] * self.rows)

    def of(self, members: NDArray) -> "_Fit":
        """The same on another support."""
        places = np.minimum(np.searchsorted(self.members, members), max(len(self.members) - 1, 0))
        guess = np.zeros((len(members), self.channel.shape[1]), self.channel.dtype)
        if len(self.members):
            stays = self.members[places] == members
            guess[stays] = self.channel[places[stays]]
        return _Fit(self.frame, members, guess)

    @cached_property
    def rest(self) -> NDArray:
        """P Y (L, M)."""
        channel = np.zeros_like(self.frame.correlation)
        channel[self.members] = self.channel
        return self.frame.received - self.frame.pilots.forward(channel)

    @property
    def own_statistic(self) -> NDArray:
        """t_n of the members (K,), each tested against the others."""
        return sum_squares(self.channel) / self.spread

    @cached_property
    def statistic(self) -> NDArray:
        """t_n of every device (N,), members left out of the support they are tested against."""
        pilots = self.frame.pilots
        left = sum_squares(pilots.adjoint(self.rest))  # ‖a_nᴴ P Y‖²
        statistic = left.astype(float) / max(mean_share(pilots, len(self.members)), INDEPENDENT)
        statistic[self.members] = self.own_statistic
        return statistic


def decide_frames(
    estimate: Estimate, received: NDArray, pilots: PilotBook, noise_var: ArrayLike | None, rule: Rule
) -> Iterator[FrameDecision]:
    """The decisions about frames (B, L, M), one after another."""
    dtype, levels = np.result_type(received, np.complex64), noise_levels(noise_var, len(received))
    for b in range(len(received)):
        scale = _scale(received[b])
        # In double precision: in single, NumPy 1 multiplies by 1/scale, which overflows for frames of 1e-38.
        samples = (received[b].astype(np.complex128) / scale).astype(dtype)
        energy = float(np.sum(sum_squares(samples), dtype=float))
        frame = _Frame(pilots, samples, pilots.adjoint(samples), energy, float(levels[b]) / scale**2)
        score = np.nan_to_num(np.asarray(estimate.score[b], dtype=float), nan=0.0)
        fit, scores, level = _decide(frame, score, rule)
        channel, signal = _refit(fit, level)
        snr_db = ratio_db(signal, level * samples.size)
        cov = (fit.rest.conj().T @ fit.rest).astype(complex) * (scale**2 / fit.rows)
        yield FrameDecision(
            fit.members, channel * scale, scores, level * scale**2, snr_db, cov, fit.rows, np.inf, np.nan
        )


def _scale(samples: NDArray) -> float:
    """A power of two about as large as the samples: energies then stay in the range of any precision."""
    peak = float(max(np.abs(samples.real).max(), np.abs(samples.imag).max()))
    return 2.0 ** np.frexp(peak)[1] if peak > 0 else 1.0


def _decide(frame: _Frame, score: NDArray, rule: Rule) -> tuple[_Fit, NDArray, float]:
    """Least squares on the decided support, the scores of all devices, and the noise variance."""
    fit, noise_var = _Fit(frame, _propose(score, rule.pilot_length)), frame.noise_var
    if not noise_var:
        fit = _find_sure(frame, fit, rule)
        noise_var = fit.noise_left
        frame = frame._replace(rest=_noise_energy(fit, rule))
    fit = _refine(frame, fit, lambda count: rule.threshold, rule)
    return fit, _scores(frame, fit, np.arange(len(score)), rule), noise_var


def _find_sure(frame: _Frame, fit: _Fit, rule: Rule) -> _Fit:
    """The fit on the devices that σ² is measured off: as that of `refinement`, from the proposal only."""
    n_devices, n_antennas = frame.correlation.shape

    def level_of(count: int) -> float:
        return sure_level(rule.sure, n_devices, count)

    fit = _refine(frame, fit, level_of, rule)
    level, share = fit.noise_left, 1 / fit.spread
    members = Members(fit.own_statistic / level, share / level, _powers(fit, level))
    lead = _member_scores(frame, fit, rule) - level_of(len(share))
    weak = are_weak(members, lead, n_antennas, n_devices, rule.doubt)
    return _refine(frame, fit.of(fit.members[~weak]), level_of, rule) if weak.any() else fit


def _propose(score: NDArray, pilot_length: int) -> NDArray:
    """The largest positive scores: as many as leave the system of their pilots well conditioned."""
    members = _largest(score, min(pilot_length // 4, _MAX_MEMBERS))
    return np.sort(members[score[members] > 0])


def _largest(values: NDArray, count: int) -> NDArray:
    """Where the `count` largest are, in any order."""
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(-values, count)[:count]


def _refine(frame: _Frame, fit: _Fit, level_of: Callable[[int], float], rule: Rule) -> _Fit:
    """Drop all members that fail, and add all devices that pass, until the two agree."""
    dropped = np.zeros(frame.pilots.n_devices, np.int8)
    for _ in range(rule.max_rounds):
        level = level_of(len(fit.members))
        stays = _member_scores(frame, fit, rule) >= level
        if not stays.all():
            dropped[fit.members[~stays]] += 1
            fit = fit.of(fit.members[stays])
            continue
        most = min(rule.pilot_length // 2, _MAX_MEMBERS) - len(fit.members)
        passes = _passing(frame, fit, dropped > 1, level, most, rule)
        if not passes.size:
            break
        fit = fit.of(np.union1d(fit.members, passes))
    return fit


def _passing(frame: _Frame, fit: _Fit, barred: NDArray, level: float, most: int, rule: Rule) -> NDArray:
    """The devices outside the support that pass, `most` of them at most: those with the best scores."""
    statistic = fit.statistic.copy()
    statistic[fit.members] = statistic[barred] = 0
    best = _largest(statistic, max(most, 0)) if most > 0 else np.zeros(0, int)
    best = best[statistic[best] > 0]
    return best[_scores(frame, fit, best, rule) >= level]


def mean_share(pilots: PilotBook, count: int) -> float:
    """Mean of a_nᴴ P a_n over the devices that are not among `count` members."""
    total = pilots.n_devices * (1 - count / pilots.pilot_length)
    return total / max(pilots.n_devices - count, 1)


def _noise_energy(fit: _Fit, rule: Rule) -> Rest:
    rest, outside = _left_over(fit, rule), np.delete(fit.statistic, fit.members)
    return noise_scaled(rest, outside, fit.noise_left, rule.lower, fit.channel.shape[1])


def _left_over(fit: _Fit, rule: Rule) -> Rest:
    outside = np.ones(len(fit.statistic), bool)
    outside[fit.members] = False
    return left_over(fit.noise_left, fit.rows, fit.statistic, outside, fit.channel.shape[1], rule.scale)


def _scores(frame: _Frame, fit: _Fit, devices: NDArray, rule: Rule) -> NDArray:
    """−log10 p-value of some devices."""
    rest = _left_over(fit, rule) if frame.rest is None else frame.rest
    return p_score(
        frame.noise_var,
        fit.statistic[devices],
        rest.energy[devices],
        rest.dof[devices],
        fit.channel.shape[1],
    )


def _member_scores(frame: _Frame, fit: _Fit, rule: Rule) -> NDArray:
    """−log10 p-value of the members (K,)."""
    statistic, n_antennas = fit.own_statistic, fit.channel.shape[1]
    if frame.rest is None:
        inside = np.zeros(len(statistic), bool)
        energy, dof = left_over(fit.noise_left, fit.rows, statistic, inside, n_antennas, rule.scale)
    else:
        energy, dof = (values[fit.members] for values in frame.rest)
    return p_score(frame.noise_var, statistic, energy, dof, n_antennas)


def _refit(fit: _Fit, noise_var: float) -> tuple[NDArray, float]:
    """LMMSE channels (K, M) on the support, each with its own power, and the energy they explain."""
    count, ridge = len(fit.members), noise_var / _powers(fit, noise_var)
    target = fit.frame.correlation[fit.members]
    if count <= _MAX_INVERTED:
        channel = np.linalg.solve(fit.gram + np.diag(ridge + RIDGE).astype(fit.gram.dtype), target)
    else:
        channel = _conjugate_gradients(fit.gram, target, ridge, fit.channel)
    return channel, np.vdot(channel, fit.gram @ channel).real


def _powers(fit: _Fit, noise_var: float) -> NDArray:
    """The likely powers (K,) of the members."""
    likely = sum_squares(fit.channel) / fit.channel.shape[1] - fit.spread * noise_var
    return np.maximum(likely, MIN_SNR * noise_var + TINY)


def _conjugate_gradients(
    gram: NDArray, target: NDArray, ridge: NDArray, guess: NDArray | None = None
) -> NDArray:
    """(G + diag(ridge))⁻¹ of the columns of `target`, to about the rounding of its precision."""
    real = target.real.dtype.type
    added = ridge.astype(real)[:, None]
    X = np.zeros_like(target) if guess is None else guess.astype(target.dtype)
    R = target - gram @ X - added * X
    direction, square = R, _columns(R)
    enough = (16 * np.finfo(real).eps) ** 2 * _columns(target)
    for _ in range(len(target)):
        if np.all(square <= enough):
            break
        product = gram @ direction + added * direction
        step = square / np.maximum(np.sum((direction.conj() * product).real, axis=0), TINY)
        X, R = X + step.astype(real) * direction, R - step.astype(real) * product
        before, square = square, _columns(R)
        direction = R + (square / np.maximum(before, TINY)).astype(real) * direction
    return X


def _columns(rows: NDArray) -> NDArray:
    """Energies of the columns."""
    return np.sum(rows.real**2 + rows.imag**2, axis=0, dtype=float)
