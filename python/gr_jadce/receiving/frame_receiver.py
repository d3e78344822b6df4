# SPDX-License-Identifier: GPL-3.0-or-later
"""From frames to reports: estimate, decide and report a batch, whatever is in it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log10
from time import perf_counter
from typing import NamedTuple

import numpy as np

from ..detection.asynchrony import Delayed
from ..detection.decide import decide
from ..estimate import takes_noise_var
from ..pilots.book import PilotBook
from ..reports.report import Report


class _Found(NamedTuple):
    """What was found in one frame."""

    device: np.ndarray
    channel: np.ndarray
    score: np.ndarray
    noise_var: float
    snr_db: float
    n_iter: int
    delay: np.ndarray | None = None
    carrier_offset: np.ndarray | None = None


@dataclass(frozen=True)
class FrameSolver:
    """Answers every frame with a report; a frame's report does not depend on its batch.

    Parameters
    ----------
    pilots : PilotBook
    estimator : callable
        ``estimator(received)`` gives an Estimate; told `noise_var`, too, if it takes that argument.
    name : str
        Name of the estimator, for the reports.
    false_alarm : float
        Wanted false-alarm probability of a device, in (0, 1).
    noise_var : float
        Noise variance of a received sample; 0 if unknown.
    clip_level : float
        A frame with a real or imaginary part of at least this magnitude is reported "clipped";
        0 for no such level.
    delayed : Delayed, optional
        For devices out of step; `estimator` is then one for its larger book.
    threads : int
        Threads over the frames of a batch, of the decisions.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    pilots: PilotBook
    estimator: Callable
    name: str
    false_alarm: float = 1e-3
    noise_var: float = 0.0
    clip_level: float = 0.0
    delayed: Delayed | None = None
    threads: int = 1

    def __post_init__(self):
        if not 0 < self.false_alarm < 1:
            raise ValueError(f"false_alarm: expected a probability in (0, 1), got {self.false_alarm!r}")
        for name in ("noise_var", "clip_level"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")

    @property
    def book(self) -> PilotBook:
        """The pilot book that `estimator` is for."""
        return self.pilots if self.delayed is None else self.delayed.book

    @cached_property
    def _tells_noise_var(self):
        return takes_noise_var(self.estimator)

    def solve(
        self, frames, stamps, frames_dropped=0, usual_noise_var=0.0
    ) -> tuple[list[Report], Exception | None]:
        """One report a frame; nothing that is in a frame, and no estimator, makes it raise.

        Parameters
        ----------
        frames : (B, L, M) complex64 array
        stamps : list of B (frame_id, rx_time)
        frames_dropped : int
            Total to tell in the reports.
        usual_noise_var : float
            What the estimator is told where the noise variance is unknown; 0 for nothing. Decisions
            measure that of each frame all the same: they have to count missed devices as noise.

        Returns
        -------
        reports : list of B Report
            With the status "bad_input" where a frame has NaN or Inf, or could not be solved.
        error : Exception or None
            One of those that the estimator raised, if it did.
        """
        began = perf_counter()
        values = np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.float32)
        peak = np.abs(values).max(axis=1)
        finite = np.flatnonzero(np.isfinite(peak))
        found = [None] * len(frames)
        good = frames if finite.size == len(frames) else frames[finite]
        solved, error = self._solve_or_halve(good, usual_noise_var) if finite.size else ([], None)
        for index, result in zip(finite.tolist(), solved, strict=True):
            found[index] = result
        clipped = (peak >= self.clip_level) if self.clip_level else np.zeros(len(frames), bool)
        solve_time = (perf_counter() - began) / len(frames)
        reports = [
            self._report(stamp, result, _status(result, clip), frames.shape[2], solve_time, frames_dropped)
            for stamp, result, clip in zip(stamps, found, clipped.tolist(), strict=True)
        ]
        return reports, error

    def _solve_or_halve(self, frames, usual_noise_var):
        """What is in each frame, None where solving it raises even alone."""
        try:
            return self._solve(frames, usual_noise_var), None
        except Exception as error:
            if len(frames) == 1:
                return [None], error
        half = len(frames) // 2
        first, error = self._solve_or_halve(frames[:half], usual_noise_var)
        second, other = self._solve_or_halve(frames[half:], usual_noise_var)
        return first + second, error or other

    def _solve(self, frames, usual_noise_var):
        noise_var = self.noise_var or None
        told = {"noise_var": noise_var or usual_noise_var or None} if self._tells_noise_var else {}
        estimate = self.estimator(frames, **told)
        if self.delayed is None:
            decision = decide(
                estimate, frames, self.pilots, self.false_alarm, noise_var, threads=self.threads
            )
        else:
            decision = self.delayed.decide(estimate, frames, self.false_alarm, noise_var)
        frame, device = np.nonzero(decision.activity)
        channel = decision.channel[frame, device].astype(np.complex64)
        score = decision.score[frame, device].astype(np.float32)
        if not (np.isfinite(channel).all() and channel.shape[1] == frames.shape[2]):
            raise ValueError(
                f"estimator {self.name!r}: expected finite channels of {frames.shape[2]} antennas"
            )
        ends = np.searchsorted(frame, np.arange(len(frames) + 1)).tolist()
        parts = [slice(*edges) for edges in pairwise(ends)]
        figures = zip(
            parts,
            np.broadcast_to(decision.noise_var, len(frames)).tolist(),
            np.broadcast_to(decision.snr_db, len(frames)).tolist(),
            np.broadcast_to(estimate.n_iter, len(frames)).tolist(),
            strict=True,
        )
        of_device = [device.astype(np.uint32), channel, score]
        if self.delayed is None:
            return [_Found(*(values[part] for values in of_device), *numbers) for part, *numbers in figures]
        more = [values[frame, device].astype(np.float32) for values in (decision.delay, decision.offset)]
        return [
            _Found(*(values[part] for values in of_device), *numbers, *(values[part] for values in more))
            for part, *numbers in figures
        ]

    def _report(self, stamp, found, status, n_antennas, solve_time, frames_dropped):
        if found is None:
            nobody = np.empty(0, np.uint32), np.empty((0, n_antennas), np.complex64), np.empty(0, np.float32)
            found = _Found(*nobody, np.nan, np.nan, 0)
        names = self.pilots.device_id
        return Report.unchecked(
            frame_id=stamp[0],
            rx_time=stamp[1],
            n_devices=self.pilots.n_devices,
            n_antennas=n_antennas,
            threshold=-log10(self.false_alarm),
            status=status,
            estimator=self.name,
            solve_time=solve_time,
            frames_dropped=frames_dropped,
            device_id=None if names is None else tuple(np.asarray(names)[found.device].tolist()),
            **found._asdict(),
        )


def _status(found, clipped):
    if found is None:
        return "bad_input"
    return "clipped" if clipped else "ok"
