# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture segments of a recording, with their device times."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..checks import check_integer, check_number
from ..slots.clock import SampleClock
from .fields import field
from .times import check_time, from_datetime


class Segment(NamedTuple):
    """Samples without a gap: rows `start` to `stop - 1`; row `start` was taken at `rx_time`."""

    start: int
    stop: int
    rx_time: tuple[int, float]
    frequency: float | None


def find_segments(
    captures: Sequence[dict[str, Any]], n_samples: int, sample_rate: float
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """The segments that cover all samples, and what is to be said about their times.

    Parameters
    ----------
    captures : sequence of dict
        As in the metadata.
    n_samples : int
        Samples of each antenna.
    sample_rate : float

    Raises
    ------
    ValueError
        If the captures are not in order, lie beyond the samples, or hold a wrong value.
    """
    captures = captures or [{"core:sample_start": 0}]
    starts = [field(capture, "core:sample_start", int) for capture in captures]
    _check_starts(starts, n_samples)
    times = _Times(sample_rate)
    segments = [
        Segment(start, stop, times.of(capture, start), _frequency(capture))
        for capture, start, stop in zip(captures, starts, [*starts[1:], n_samples], strict=True)
    ]
    notes = list(times.notes())
    if starts[0] > 0:
        segments.insert(0, _before(segments[0], sample_rate))
        notes.append(f"the first {starts[0]} samples are in no capture segment: taken as without a gap")
    return (tuple(segments) if n_samples else ()), tuple(notes)


class _Times:
    """Device times of capture segments, one after the other."""

    def __init__(self, sample_rate):
        self._clock = SampleClock(sample_rate)
        self._last = None  # first sample of the last segment, and its position
        self._origin = None  # position and core:global_index of the first segment that has one
        self._no_jumps, self._jumps = [], []  # resolutions, in seconds, of times written too coarsely

    def of(self, capture, start):
        """The time of a segment that starts at a sample."""
        index = field(capture, "core:global_index", int, None)
        time = self._time(capture, index, start)
        position = self._clock.position(*time)
        if index is not None and self._origin is None:
            self._origin = (position, index)
        self._last = (start, position)
        return time

    def notes(self):
        """What is to be said about the times."""
        if self._no_jumps:
            yield (
                f"core:datetime, written to {max(self._no_jumps):g} s, tells no gap before "
                f"{len(self._no_jumps)} capture segments: the samples are taken as continuous there, and a "
                "shorter gap is not seen"
            )
        if self._jumps:
            yield (
                f"core:datetime, written to {max(self._jumps):g} s, is all that tells how long the gap is "
                f"before {len(self._jumps)} capture segments: slots after it may be off their grid"
            )

    def _time(self, capture, index, start):
        exact = field(capture, "jadce:rx_time", dict, None)
        if exact is not None:
            fraction = field(exact, "fraction", (int, float))
            return check_time("jadce:rx_time", field(exact, "seconds", int), fraction)
        if index is not None and self._origin is not None:
            position = self._origin[0] + index - self._origin[1]
            return check_time("core:global_index", *self._clock.time(position))
        # Where nothing is said, a segment follows on from the one before.
        expected = 0 if self._last is None else self._last[1] + start - self._last[0]
        written = field(capture, "core:datetime", str, None)
        return self._clock.time(expected) if written is None else self._written(written, expected)

    def _written(self, text, expected):
        """A written time; the expected one, if that is the same as far as it is written."""
        time, resolution_s = from_datetime(text)
        if self._last is None:
            return time
        resolution = resolution_s * self._clock.rate  # in samples
        same = abs(self._clock.position(*time) - expected) <= resolution + 1e-4
        if resolution >= 0.5:
            (self._no_jumps if same else self._jumps).append(resolution_s)
        return self._clock.time(expected) if same else time


def _before(first, sample_rate):
    """The samples before the first capture segment: they lead up to it."""
    clock = SampleClock(sample_rate)
    position = clock.position(*first.rx_time) - first.start
    if position < 0:
        raise ValueError(
            f"core:sample_start: expected at most {first.start + position} in the first capture segment, "
            f"whose time says no more, got {first.start}"
        )
    return Segment(0, first.start, clock.time(position), None)


def _frequency(capture):
    frequency = field(capture, "core:frequency", (int, float), None)
    return None if frequency is None else check_number("core:frequency", frequency)


def _check_starts(starts, n_samples):
    check_integer("core:sample_start", starts[0], 0)
    for before, start in pairwise(starts):
        check_integer("core:sample_start (out of order)", start, before + 1)
    if starts[-1] >= max(n_samples, 1):
        raise ValueError(
            f"the data file is truncated: expected more than {starts[-1]} samples "
            f"(start of the last segment), got {n_samples}"
        )
