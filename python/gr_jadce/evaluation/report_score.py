# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of reports scored against files of truth, both read once and in bounded memory."""

from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np

from ..files import PathLike
from ..reports.scoring import Frames, Score, check_pairs
from .frame_lines import count_lines, read_frames

_BLOCK_FRAMES = 512  # read together, and scored together
_BLOCK_BYTES = 2**19
_WINDOW_FRAMES = 4096  # of each file, that wait for their counterpart
_MAX_CHANNELS = 2**22  # of the frames of a file that wait: 32 MiB


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

    def blocks(self) -> Iterator[Frames]:
        """The frames, in blocks that are small in number and in memory."""
        with open(self.path, "rb") as file:
            for first, text in _line_blocks(file):
                frames, faults = read_frames(text)
                last = count_lines(text) - 1 if not text.endswith(b"\n") else None
                for place, fault in faults:
                    self.skip(f"line {first + place}", "for it was cut off" if place == last else fault)
                if len(frames.frame_id):
                    yield frames


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
            target = _median(block)
            while frontier < target and (truths := next(truth_blocks, None)) is not None:
                frontier = _median(truths)
                self._match(truths)
            self._match()
        for truths in truth_blocks:
            self._match(truths)

    def _match(self, *blocks):
        """Score the reports whose truth is there, with further blocks of truth."""
        for truths in blocks:
            self.unanswered += self._truth_window.push(truths)
        _, *places = np.intersect1d(
            self._truth_window.frames.frame_id,
            self._report_window.frames.frame_id,
            assume_unique=True,
            return_indices=True,
        )
        truth, report = self._truth_window.pop(places[0]), self._report_window.pop(places[1])
        for start, end in pairwise(_size_changes(truth, report)):
            group = np.arange(start, end)
            self._score(truth.select(group), report.select(group))

    def _score(self, truth, report):
        check_pairs(truth, report)
        try:
            self.score.add_frames(truth, report)
        except ValueError as error:  # a channel that is not finite
            if len(truth.frame_id) == 1:
                self.reports.skip(f"frame {truth.frame_id[0]}", error)
                return
            for half in np.array_split(np.arange(len(truth.frame_id)), 2):
                self._score(truth.select(half), report.select(half))

    def _refuse_truth(self, block):
        if not self._is_same_file and np.any(block.is_truth):
            raise ValueError(f"{self.reports.path}: expected reports, got a truth: the truth comes first")

    def _summary(self):
        return {
            "matched": self.score.frames + self.score.frames_bad,
            "unanswered": self.unanswered + len(self._truth_window.frames.frame_id),
            "unmatched_reports": self.unmatched_reports + len(self._report_window.frames.frame_id),
            "truth_lines_skipped": self.truths.skipped,
            "report_lines_skipped": self.reports.skipped,
            **self.score.summary(),
        }


def _line_blocks(file):
    """The lines of a file in blocks that are small in number and in memory, each after its first number."""
    first = 1
    while text := file.read(_BLOCK_BYTES):
        text += file.readline()
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        n_lines = count_lines(text)
        for start, block in enumerate([text] if n_lines <= _BLOCK_FRAMES else _split(text)):
            yield first + start * _BLOCK_FRAMES, block
        first += n_lines


def _split(text):
    """Blocks of as many lines as are read together."""
    lines = BytesIO(text).readlines()
    return [b"".join(lines[k : k + _BLOCK_FRAMES]) for k in range(0, len(lines), _BLOCK_FRAMES)]


class _Window:
    """Frames that wait for their counterpart, bounded in number and memory; the oldest give way."""

    def __init__(self):
        self.frames = Frames.of([])

    def push(self, block):
        """Keep the frames of a block; how many others gave way."""
        frames = Frames.join([self.frames, block])
        count = len(frames.frame_id)
        latest = np.sort(count - 1 - np.unique(frames.frame_id[::-1], return_index=True)[1])
        channels = np.cumsum((frames.n_channels + frames.n_gains)[latest][::-1])
        kept = min(max(np.searchsorted(channels, _MAX_CHANNELS, "right"), 1), _WINDOW_FRAMES, len(latest))
        self.frames = frames.select(latest[len(latest) - kept :])
        return int(count - kept)

    def pop(self, places):
        """Take out the frames at these places, and give them in this order."""
        frames = self.frames.select(places)
        self.frames = self.frames.select(np.delete(np.arange(len(self.frames.frame_id)), places))
        return frames


def _median(block):
    """The frame in the middle; the later of two."""
    return int(np.sort(block.frame_id)[len(block.frame_id) // 2])


def _size_changes(truth, report):
    """Where the sizes of either change from one frame to the next; also the first place and the end."""
    sizes = np.stack([truth.n_devices, truth.n_antennas, report.n_devices, report.n_antennas])
    changes = np.any(np.diff(sizes, prepend=0, append=0), axis=0)
    return np.flatnonzero(changes)
