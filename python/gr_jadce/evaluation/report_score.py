# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of reports scored against files of truth, both read once and in bounded memory."""

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from statistics import median_high
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..files import PathLike
from ..reports.fields import SCHEMA
from ..reports.json_lines import from_json
from ..reports.report import STATUSES, Report, check_sizes
from ..reports.scoring import Score, check_pair

_BLOCK_FRAMES = 256  # read together, and scored together
_WINDOW_FRAMES = 4096  # of each file, that wait for their counterpart
_MAX_CHANNELS = 2**22  # of a block, and of the frames of a file that wait: 32 MiB


class Frame(NamedTuple):
    """Those fields of a report that are scored."""

    frame_id: int
    n_devices: int
    n_antennas: int
    status: str
    estimator: str
    device: list[int]
    channel: NDArray


_SCORED_FIELDS = itemgetter(*Frame._fields[:5], "schema", "device", "channel")


class ReportLines:
    """The frames in a file of JSON lines, in blocks; lines that are no reports are skipped and counted.

    Attributes
    ----------
    path : path
    skipped : int
        Lines left out, such as those that a full disk tore.
    reason : str
        Which line was the first of them, and why it was left out.
    """

    def __init__(self, path: PathLike) -> None:
        self.skipped, self.reason = 0, ""
        self.path = path

    def skip(self, place: str, reason: object) -> None:
        """Count a line, or a frame, that is left out."""
        self.reason = self.reason or f"{self.path}, {place}: left out, {reason}"
        self.skipped += 1

    def blocks(self) -> Iterator[list[Any]]:
        """The frames, in blocks that are small in number and in memory."""
        block, channels = [], 0
        for frame in self._frames():
            block.append(frame)
            channels += frame.channel.size
            if len(block) == _BLOCK_FRAMES or channels > _MAX_CHANNELS:
                yield block
                block, channels = [], 0
        if block:
            yield block

    def _frames(self):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield read_frame(line)
                except ValueError as error:
                    self.skip(f"line {number}", error if line.endswith("\n") else "for it was cut off")


class ReportScore:
    """A truth and reports of its frames, matched while both files are read.

    Both should ascend in frames. Frames may be out of order by as many as wait for their counterpart;
    a few absurd frame numbers do no harm, for the medians of blocks keep the two files in step.

    Attributes
    ----------
    score : Score
    truths, reports : ReportLines
    unanswered, unmatched_reports : int
        Frames in the truth alone, and in the reports alone.
    """

    def __init__(self, truth_path: PathLike, reports_path: PathLike) -> None:
        self.score = Score()
        self.truths, self.reports = ReportLines(truth_path), ReportLines(reports_path)
        self.unanswered = self.unmatched_reports = 0
        self._is_same_file = truth_path == reports_path
        self._truth_window, self._report_window = _Window(), _Window()

    def run(self) -> dict[str, Any]:
        """Score all, and give the summary of the score with the counts of frames and lines.

        Raises
        ------
        ValueError
            If reports do not fit the truth in sizes, or are the truth.
        """
        with np.errstate(over="ignore"):  # numbers beyond float32 are infinite, and then refused
            self._run()
        return self._summary()

    def _run(self):
        truth_blocks, frontier = self.truths.blocks(), -1
        for block in self.reports.blocks():
            self._refuse_truth(block)
            self.unmatched_reports += self._report_window.push(block)
            target = median_high(report.frame_id for report in block)
            while frontier < target and (truths := next(truth_blocks, None)) is not None:
                frontier = median_high(truth.frame_id for truth in truths)
                self._match(truths)
            self._match([])
        for truths in truth_blocks:
            self._match(truths)

    def _match(self, truths):
        """Score the reports whose truth is there, with further truths."""
        self.unanswered += self._truth_window.push(truths)
        frame_ids = sorted(self._truth_window.frames.keys() & self._report_window.frames.keys())
        pairs = [(self._truth_window.pop(k), self._report_window.pop(k)) for k in frame_ids]
        for _, group in groupby(pairs, key=_sizes):
            self._score(list(group))

    def _score(self, pairs):
        for pair in pairs:
            check_pair(*pair)
        try:
            self.score.add_frames(*zip(*pairs, strict=True))
        except ValueError as error:  # a channel that is not finite
            if len(pairs) == 1:
                self.reports.skip(f"frame {pairs[0][0].frame_id}", error)
                return
            for pair in pairs:
                self._score([pair])

    def _refuse_truth(self, block):
        if not self._is_same_file and any(report.estimator == "truth" for report in block):
            raise ValueError(f"{self.reports.path}: expected reports, got a truth: the truth comes first")

    def _summary(self):
        return {
            "matched": self.score.frames + self.score.frames_bad,
            "unanswered": self.unanswered + len(self._truth_window.frames),
            "unmatched_reports": self.unmatched_reports + len(self._report_window.frames),
            "truth_lines_skipped": self.truths.skipped,
            "report_lines_skipped": self.reports.skipped,
            **self.score.summary(),
        }


def read_frame(line: str) -> Frame | Report:
    """The scored fields of a report in a line of JSON, or all of them; ValueError if it is no report."""
    try:
        frame_id, n_devices, n_antennas, status, estimator, schema, device, rows = _SCORED_FIELDS(
            json.loads(line)
        )
        channel = np.array(rows or np.empty((0, n_antennas, 2)), np.float32)
        is_text = isinstance(estimator, str) and status in STATUSES
        if is_text and _fit(schema, frame_id, n_devices, n_antennas, device, channel):
            channel = channel.view(np.complex64)[..., 0]
            return Frame(frame_id, n_devices, n_antennas, status, estimator, device, channel)
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        pass
    return from_json(line)  # which says what is wrong


def _fit(schema, frame_id, n_devices, n_antennas, device, channel):
    """Whether schema, sizes, devices and channels are for sure what `from_json` accepts."""
    check_sizes(n_devices, n_antennas)
    return (
        {type(schema), type(frame_id), type(n_devices), type(n_antennas), *map(type, device)} == {int}
        and schema == SCHEMA
        and 0 <= frame_id < 2**64
        and channel.shape == (len(device), n_antennas, 2)
        and device == sorted(set(device))
        and (not device or 0 <= device[0] <= device[-1] < n_devices)
    )


class _Window:
    """Frames that wait for their counterpart, bounded in number and memory; the oldest give way."""

    def __init__(self):
        self.frames, self._channels = {}, 0

    def push(self, frames):
        """Keep frames; how many others gave way."""
        evicted = 0
        for frame in frames:
            if frame.frame_id in self.frames:
                self.pop(frame.frame_id)
                evicted += 1
            self.frames[frame.frame_id] = frame
            self._channels += frame.channel.size
        while len(self.frames) > _WINDOW_FRAMES or (self._channels > _MAX_CHANNELS and len(self.frames) > 1):
            self.pop(next(iter(self.frames)))
            evicted += 1
        return evicted

    def pop(self, frame_id):
        frame = self.frames.pop(frame_id)
        self._channels -= frame.channel.size
        return frame


def _sizes(pair):
    truth, report = pair
    return truth.n_devices, truth.n_antennas, report.n_devices, report.n_antennas
