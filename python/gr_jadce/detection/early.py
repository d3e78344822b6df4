# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide early: a few layers of the network propose, the decision disposes, and only hard frames go on.

The decision needs the estimate for a first support only; its channels are the LMMSE ones of the devices that
pass its tests. So most frames are decided after a few layers as after all. A frame is *settled* if

* hardly a device is expected to be active that is not in its support (`doubt`), whether its power is the mean
  one or, above all where powers spread by more than fading explains, that of any other device; and the score
  of every device is off the threshold by more than powers that are not quite at rest can turn;
* the network does not expect many more to be active than the decision has found;
* the noise is measured off the same devices where more are taken for active at first;
* those make the frame likelier than white noise by more than a choice of so many explains, and leave rows and
  samples enough that bear witness of the noise;
* what they leave is white, and no louder than a known σ² by more than chance.

Its channels are posterior means: the LMMSE ones times weights of `doubt`, of likely devices as if the others
were not active.
Where only the last does not hold, the frame is decided anew from there, its noise looked at. Otherwise the
layers go on from where they stopped, to the end, and it is decided again. There, a score near the threshold
no longer matters, which an estimate has no part in, and more devices may be missed. Only what is not settled
by then gets what is done for hard frames, before it is decided a third time.
Each frame is judged by itself: neither batch nor threads change its report. Frames of one
antenna, whose few samples do not tell supports apart, run all layers.
`kernel/settling/early.hpp` is the first decision, compiled, and the look at the noise with it.
"""

from collections.abc import Callable
from math import log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import complex_frames, kernel_for
from ..estimate import Estimate, noise_levels, part_of
from ..pilots.book import PilotBook
from .decide import compiled_book, decide_rows
from .doubt import Doubt
from .noise.covariance import chi2_limits
from .noise.look_rule import LookRule
from .noise.rounds import BUSY, COLOURED, CROWDED, ODD, Noise
from .refinement import make_rule
from .rows import Rows, replaced, rows_of_kernel, selected

N_LAYERS = 3
_MAX_PROPOSED = 0.65  # devices a pilot symbol: more leave too few rows
_MARGIN = 0.01  # of −log10 p-values: more than powers not quite at rest change
_MAX_MISSED, _MAX_MISSED_LATE = 0.3, 0.5  # devices a frame
_MAX_UNLIKE = 1.3  # of them, of any member's power
_MAX_UNLIKE_SPREAD = 0.7  # the same where powers spread by more than fading does
_MAX_SPREAD = 1.4  # of powers, against what fading explains
_MAX_UNFOUND = (1.0, 0.2)  # devices that the network expects beyond those found: and for each of these
_MIN_SAMPLES = 130  # of noise, over all antennas: they tell σ² to 9 %
_MAX_EXCESS = 4.0  # standard deviations
_MAX_ROUNDS = 60
_PLACED = ("channel", "score", "n_iter")
# What is known of a frame: nothing for sure, its support, or all; by the kernel, also its support, and that
# its noise is white all the same.
OPEN, SURE, SETTLED, WHITE = range(4)


class _Early(NamedTuple):
    """Rows of settled and sure frames, n_iter and stages (B,), estimates of open and sure frames or None."""

    rows: Rows
    n_iter: NDArray
    stage: NDArray
    open: Estimate | None
    sure: Estimate | None


class SettlingRule(NamedTuple):
    """When a decision is tried, and what settles a frame."""

    n_layers: int
    tol: float  # of the layers
    n_proposed: int  # devices at most, for a decision to be tried, and to hold
    margin: float  # of all scores from the threshold
    missed: float  # devices at most that are expected to be active all the same
    missed_late: float  # and after all layers
    unlike: tuple[float, float]  # of them with the power of any other; and where powers spread
    spread: float  # of powers, above which they do
    rows: float  # that bear witness of the noise: with fewer, no frame is settled
    rows_late: float  # nor after all layers
    busy: float  # and with fewer than so many, the noise has to look whiter
    limits: tuple[float, float]  # of the two statistics of the noise
    busy_limits: tuple[float, float]
    excess: float  # of the noise over a known σ², standard deviations
    unfound: tuple[float, float]  # devices that the network expects beyond those found: and for each of these

    @classmethod
    def of(cls, pilots: PilotBook, n_antennas: int, tol: float, noise: Noise) -> "SettlingRule":
        """For frames of so many antennas, whose noise is taken for "white" or "auto"."""
        L = pilots.pilot_length
        limits, busy_limits = (_limits(n_antennas, error, noise) for error in (COLOURED, ODD))
        most = int(_MAX_PROPOSED * L)
        return cls(
            N_LAYERS, tol, most, _MARGIN, _MAX_MISSED, _MAX_MISSED_LATE, (_MAX_UNLIKE, _MAX_UNLIKE_SPREAD),
            _MAX_SPREAD, max(CROWDED * L, _MIN_SAMPLES / n_antennas), CROWDED * L, BUSY * L, limits,
            busy_limits, _MAX_EXCESS, _MAX_UNFOUND,
        )  # fmt: skip

    @property
    def late(self) -> "SettlingRule":
        """After all layers."""
        anything = (np.inf, np.inf)
        return self._replace(
            margin=-np.inf, missed=self.missed_late, unlike=anything, rows=self.rows_late, spread=np.inf,
            unfound=(np.inf, 0.0),
        )  # fmt: skip


def _limits(n_antennas: int, error: float, noise: Noise) -> tuple[float, float]:
    if noise == "white":
        return np.inf, np.inf
    correlated, uneven = chi2_limits(n_antennas, error)
    return float(correlated), float(uneven)


class EarlyDecider:
    """Decides frames, early where that settles them.

    Parameters
    ----------
    estimator : Unrolled
        Of the book `pilots`; other estimators have no stages (see `settles`).
    pilots : PilotBook
    false_alarm : float
    noise : {"auto", "white"}
    threads : int
    backend : {"auto", "numpy", "kernel"}
        What computes decisions; that of the estimator tells what computes the layers.
    """

    def __init__(
        self,
        estimator: Any,
        pilots: PilotBook,
        false_alarm: float,
        noise: Noise,
        threads: int = 1,
        backend: str = "auto",
    ) -> None:
        self._estimator, self._pilots, self._false_alarm = estimator, pilots, false_alarm
        self._noise, self._threads, self._backend = noise, threads, backend
        self._compiled: dict[int, Any] = {}  # by antennas

    def decide(
        self,
        frames: NDArray,
        told: ArrayLike | None,
        noise_var: ArrayLike | None,
        again: Callable[[NDArray], Estimate],
    ) -> tuple[Rows, NDArray]:
        """The rows of active devices, and the layers and iterations (B,) that the estimator took.

        Parameters
        ----------
        frames : (B, L, M) complex array
        told : float or (B,) or None
            σ² as the estimator gets it.
        noise_var : float or (B,) or None
            σ² as the decision gets it.
        again : callable
            Estimates frames again that were whitened.
        """
        levels, known = self._estimator.levels(told, len(frames)), noise_levels(noise_var, len(frames))
        run = (
            self._run_plain
            if self._estimator.network is None or self._backend == "numpy"
            else self._run_compiled
        )
        early = run(frames, levels, known)
        rows, n_iter, kinds = early.rows, early.n_iter, np.full(len(frames), "white", "U8")
        for stage, estimate in ((SURE, early.sure), (OPEN, early.open)):
            if estimate is None:
                continue
            index = np.flatnonzero(early.stage == stage)
            part = None if noise_var is None else known[index]
            late = decide_rows(
                estimate, frames[index], self._pilots, self._false_alarm, part, noise=self._noise,
                estimator=again, first=selected(rows, index) if stage == SURE else None,
                backend=self._backend, threads=self._threads,
            )  # fmt: skip
            rows, n_iter[index] = replaced(rows, index, late), estimate.n_iter
            kinds[index] = "white" if late.noise_kind is None else late.noise_kind
        return rows._replace(noise_kind=kinds), n_iter

    def _run_plain(self, frames: NDArray, levels: NDArray | None, known: NDArray) -> _Early:
        rule = self._settling(frames.shape[2])
        stages = self._estimator.stages(frames, levels, rule.n_layers)
        estimate = _proposal(next(stages))
        rows, stage = self._decide_plain(estimate, frames, known, rule)
        index, finished = np.flatnonzero(stage == OPEN), None
        if index.size:
            late = _proposal(stages.send(index))
            late_rows, stage[index] = self._decide_plain(late, frames[index], known[index], rule.late)
            estimate, rows = _merged(estimate, index, late), replaced(rows, index, late_rows)
            is_open = np.flatnonzero(stage[index] == OPEN)
            finished = stages.send(is_open) if is_open.size else None
        sure = np.flatnonzero(stage == SURE)
        early = part_of(estimate, sure) if sure.size else None
        return _Early(rows, estimate.n_iter.copy(), stage, finished, early)

    def _decide_plain(
        self, estimate: Estimate, frames: NDArray, known: NDArray, rule: SettlingRule
    ) -> tuple[Rows, NDArray]:
        """The rows of frames, those of settled ones weighed, and stages (B,)."""
        told = known if known.any() else None
        rows = decide_rows(estimate, frames, self._pilots, self._false_alarm, told, backend="numpy")
        expected = np.sum(1 / (1 + np.exp(-np.clip(estimate.score, -60, 60))), axis=1)
        stage = stages_of(rows, rule, known, np.sum(estimate.score > 0, axis=1), expected)
        channel = rows.channel.copy()
        for b in np.flatnonzero(stage == SETTLED):
            doubt = rows.doubts[b]
            channel[rows.start[b] : rows.start[b + 1]] = doubt.channel * doubt.weight[:, None]
        return rows._replace(channel=channel), stage

    def _run_compiled(self, frames: NDArray, levels: NDArray | None, known: NDArray) -> _Early:
        stage, decided, *found = self._early(frames.shape[2]).run(
            complex_frames(frames), noise_levels(levels, len(frames)), known, self._threads
        )
        rows, n_iter = rows_of_kernel(decided, frames, -log10(self._false_alarm)), found[2]
        finished = early = None
        for index in filter(len, (np.flatnonzero(stage == OPEN), np.flatnonzero(stage == SURE))):
            estimate = self._estimator.estimate_of(frames[index], *(part[index] for part in found))
            if stage[index[0]] == SURE:
                early = _proposal(estimate)
            else:
                told = None if levels is None else levels[index]
                finished = self._estimator.finish(frames[index], estimate, told)
        return _Early(rows, n_iter, stage, finished, early)

    def _settling(self, n_antennas: int) -> SettlingRule:
        return SettlingRule.of(self._pilots, n_antennas, self._estimator.tol, self._noise)

    def _early(self, n_antennas: int) -> Any:
        """The first decision in the kernel, for frames of so many antennas."""
        if n_antennas not in self._compiled:
            kernel: Any = kernel_for("kernel")
            rule = make_rule(self._pilots, n_antennas, self._false_alarm, _MAX_ROUNDS, "white")
            look = LookRule.of(self._pilots, n_antennas, self._false_alarm, _MAX_ROUNDS)
            self._compiled[n_antennas] = kernel.EarlyDecisions(
                self._estimator.network, compiled_book(self._pilots, kernel), tuple(rule),
                tuple(self._settling(n_antennas)), tuple(look), n_antennas,
            )  # fmt: skip
        return self._compiled[n_antennas]


def may_settle(estimator: Any, pilots: PilotBook, n_antennas: int, noise: Noise) -> bool:
    """Whether frames of so many antennas may be decided early."""
    can = getattr(estimator, "settles", False) and not pilots.is_fast
    return can and n_antennas > 1 and noise in ("auto", "white")


def _proposal(estimate: Estimate) -> Estimate:
    """An estimate of a few layers: its scores propose, its channels are not used."""
    return estimate._replace(posterior_mean=False)


def _merged(estimate: Estimate, index: NDArray, part: Estimate) -> Estimate:
    """The estimate, that of the frames `index` replaced by `part`."""
    merged = estimate._replace(**{name: getattr(estimate, name).copy() for name in _PLACED})
    for name in _PLACED:
        getattr(merged, name)[index] = getattr(part, name)
    return merged


def stages_of(
    rows: Rows, rule: SettlingRule, known: NDArray, proposed: NDArray, expected: NDArray
) -> NDArray:
    """The stages of frames (B,).

    `known` is their σ², 0 where unknown, `proposed` the devices tried, `expected` those that the network
    expects to be active.
    """
    n_antennas = rows.noise_cov.shape[1]
    left = np.trace(rows.noise_cov, axis1=1, axis2=2).real / n_antennas
    excess = (left / np.where(known > 0, known, 1) - 1) * np.sqrt(n_antennas * rows.noise_dof)
    is_sure = (
        (np.maximum(proposed, np.diff(rows.start)) <= rule.n_proposed)
        & (expected <= rule.unfound[0] + (1 + rule.unfound[1]) * np.diff(rows.start))
        & np.array([doubt is not None and _is_sure(doubt, rule) for doubt in rows.doubts], bool)
        & (rows.noise_dof >= rule.rows)
        & (rows.evidence >= 0)
        & ((known == 0) | (excess <= rule.excess))
    )
    if rule.margin >= 0:  # before all layers are done
        for b in np.flatnonzero(is_sure):
            is_sure[b] = not rows.doubts[b].ends_elsewhere()
    limits = np.where((rows.noise_dof < rule.busy)[:, None], rule.busy_limits, rule.limits)
    is_white = (rows.noise_statistics <= limits).all(axis=1)
    return np.asarray(np.where(is_sure, np.where(is_white, SETTLED, SURE), OPEN))


def _is_sure(doubt: Doubt, rule: SettlingRule) -> bool:
    unlike = rule.unlike[1] if doubt.spread > rule.spread else rule.unlike[0]
    return doubt.margin >= rule.margin and doubt.missed <= rule.missed and doubt.missed_unlike <= unlike
