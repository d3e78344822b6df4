# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide early: a few layers of the network propose, the decision disposes, and only hard frames go on.

The decision needs the estimate for a first support only; its channels are the LMMSE ones of the devices that
pass its tests. So most frames are decided after a few layers as after all; `rule` says what settles a frame.
One that is quiet by the energies after the first layer is decided without a proposal, and settled if at most
one device is found. The next layers propose for all others.

The channels of settled frames are posterior means: the LMMSE ones times weights of `doubt`, of likely devices
as if the others were not active.
Where only the noise does not look white, the frame is decided anew from there, its noise looked at. Otherwise
the layers go on from where they stopped, to the end, and it is decided again. Only what is not settled
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

from ...backend import complex_frames, kernel_for
from ...estimate import Estimate, noise_levels, part_of
from ...pilots.book import PilotBook
from ..decide import compiled_book, decide_rows
from ..noise.look_rule import LookRule
from ..noise.rounds import Noise
from ..refinement import make_rule
from ..rows import Rows, replaced, rows_of_kernel, selected
from .rule import OPEN, SETTLED, SURE, SettlingRule, are_quiet, may_hide, stages_of

_MAX_ROUNDS = 60
_PLACED = ("channel", "score", "n_iter")


class _Early(NamedTuple):
    """Rows of settled and sure frames, n_iter and stages (B,), estimates of open and sure frames or None."""

    rows: Rows
    n_iter: NDArray
    stage: NDArray
    open: Estimate | None
    sure: Estimate | None


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
        rows, n_iter = early.rows, early.n_iter
        if early.sure is None and early.open is None:  # mostly
            return rows, n_iter
        kinds = np.full(len(frames), "white", "U8")
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
        rule, run = self._settling(frames.shape[2]), self._estimator.staged(frames, levels)
        estimate = _proposal(run.estimate(rule.quiet.n_layers))
        rows, stage = self._decide_quiet(estimate, frames, known, rule, run.scatter)
        for n_layers, asked in ((rule.n_layers, rule), (None, rule.late)):
            index = np.flatnonzero(stage == OPEN)
            if index.size:
                later = _proposal(run.estimate(n_layers, index))
                part, stage[index] = self._decide_plain(later, frames[index], known[index], asked)
                estimate, rows = _merged(estimate, index, later), replaced(rows, index, part)
                if n_layers is None:
                    stage[index[may_hide(part, rule, run.scatter[index])]] = OPEN
        is_open, sure = np.flatnonzero(stage == OPEN), np.flatnonzero(stage == SURE)
        finished = run.finish(is_open) if is_open.size else None
        early = part_of(estimate, sure) if sure.size else None
        return _Early(rows, estimate.n_iter.copy(), stage, finished, early)

    def _decide_quiet(
        self, estimate: Estimate, frames: NDArray, known: NDArray, rule: SettlingRule, scatter: NDArray
    ) -> tuple[Rows, NDArray]:
        """The rows of frames decided without a proposal, and stages (B,): settled if they are quiet."""
        nobody = estimate._replace(score=np.full_like(estimate.score, -1.0))
        rows = self._rows_plain(nobody, frames, known)
        stage = np.where(are_quiet(rows, rule, known, scatter), SETTLED, OPEN)
        return _weighed(rows, stage), stage

    def _rows_plain(self, estimate: Estimate, frames: NDArray, known: NDArray) -> Rows:
        told = known if known.any() else None
        return decide_rows(estimate, frames, self._pilots, self._false_alarm, told, backend="numpy")

    def _decide_plain(
        self, estimate: Estimate, frames: NDArray, known: NDArray, rule: SettlingRule
    ) -> tuple[Rows, NDArray]:
        """The rows of frames, their channels weighed if they are settled, and stages (B,)."""
        rows = self._rows_plain(estimate, frames, known)
        expected = np.sum(1 / (1 + np.exp(-np.clip(estimate.score, -60, 60))), axis=1)
        stage = stages_of(rows, rule, known, np.sum(estimate.score > 0, axis=1), expected)
        return _weighed(rows, stage), stage

    def _run_compiled(self, frames: NDArray, levels: NDArray | None, known: NDArray) -> _Early:
        stage, decided, *found = self._early(frames.shape[2]).run(
            complex_frames(frames), noise_levels(levels, len(frames)), known, self._threads
        )
        rows, n_iter = rows_of_kernel(decided, frames, -log10(self._false_alarm)), found[2]
        finished = early = None
        for asked in {OPEN, SURE}.intersection(stage.tolist()):
            index = np.flatnonzero(stage == asked)
            estimate = self._estimator.estimate_of(frames[index], *(part[index] for part in found))
            if asked == SURE:
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


def _weighed(rows: Rows, stage: NDArray) -> Rows:
    """The rows of frames, with posterior means as channels of settled ones."""
    channel = rows.channel.copy()
    for b in np.flatnonzero(stage == SETTLED):
        doubt = rows.doubts[b]
        channel[rows.start[b] : rows.start[b + 1]] = doubt.channel * doubt.weight[:, None]
    return rows._replace(channel=channel)


def _merged(estimate: Estimate, index: NDArray, part: Estimate) -> Estimate:
    """The estimate, that of the frames `index` replaced by `part`."""
    merged = estimate._replace(**{name: getattr(estimate, name).copy() for name in _PLACED})
    for name in _PLACED:
        getattr(merged, name)[index] = getattr(part, name)
    return merged
