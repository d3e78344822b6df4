# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams that tell different times are brought level by dropping what the others lack."""

import pytest

from gr_jadce.slots.alignment import StreamAligner
from gr_jadce.slots.clock import SampleClock

CLOCK = SampleClock(1e6)


def at(sample):
    return 5, sample / 1e6


def aligner(*samples):
    """One stream for each sample that the first one is, by its time; None for a stream without time."""
    result = StreamAligner(len(samples), CLOCK)
    times = {stream: at(sample) for stream, sample in enumerate(samples) if sample is not None}
    result.set_times(times, CLOCK)
    return result


@pytest.mark.parametrize("samples", [(0, 0, 0), (1, 1.4, 0.7), (None, 7, 7), (7, None, None)])
def test_streams_of_one_time_are_level(samples):
    assert aligner(*samples).is_level


def test_those_behind_are_dropped_from_until_all_are_level():
    streams = aligner(0, 17, None, 5)
    assert not streams.is_level and streams.misalignments == 1
    assert streams.drop([10, 10, 10, 10]) == [10, 0, 10, 10]
    assert not streams.is_level
    assert streams.drop([10, 10, 10, 10]) == [7, 0, 7, 2]
    assert streams.is_level and streams.time() == (5, pytest.approx(17 / 1e6))
    assert streams.dropped == 46


def test_times_that_go_on_as_expected_change_nothing():
    streams = aligner(0, 0)
    streams.advance(100)
    streams.set_times({1: at(100.4)}, CLOCK)
    assert streams.is_level and streams.misalignments == 0


def test_a_gap_in_one_stream_puts_it_ahead_and_a_gap_in_all_does_not():
    streams = aligner(0, 0)
    streams.advance(100)
    streams.set_times({0: at(150), 1: at(150)}, CLOCK)
    assert streams.is_level
    streams.set_times({1: at(200)}, CLOCK)
    assert streams.drop([1000, 1000]) == [50, 0]
    assert streams.is_level


def test_a_stream_without_times_follows_a_gap_of_the_others():
    streams = aligner(0, None)
    streams.advance(100)
    streams.set_times({0: at(150)}, CLOCK)
    assert streams.is_level


def test_a_stream_far_ahead_is_not_held_for_ever():
    streams = aligner(0, 10**9)
    assert streams.drop([1000, 60_000]) == [1000, 60_000 - 2**15]
    assert not streams.is_level


def test_a_new_rate_keeps_what_is_level():
    streams = aligner(0, 0)
    streams.advance(100)
    streams.set_times({}, SampleClock(5e5))
    streams.advance(50)
    streams.set_times({1: at(200)}, SampleClock(5e5))
    assert streams.is_level


def test_the_difference_is_told():
    assert str(aligner(0, 17, 17)) == "input 1 is +17 samples, input 2 is +17 samples from input 0"
    assert str(aligner(3, 3)) == "all inputs are level"
