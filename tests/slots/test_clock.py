# SPDX-License-Identifier: GPL-3.0-or-later
"""Device time in samples, exactly; and the numbers and times of frames between those that are told."""

from fractions import Fraction

import pytest

from gr_jadce.slots.clock import SampleClock
from gr_jadce.slots.timeline import FrameTimeline


@pytest.mark.parametrize("rate", [1, 1e6, 200e6, 100e6 / 3, 30.72e6 / 7, 1e6 / 3, 0.1, 1234.56789])
@pytest.mark.parametrize("seconds", [0, 5, 1_700_000_000])
def test_clock_round_trip_is_exact(rate, seconds):
    clock = SampleClock(rate)
    first = round(clock.rate * seconds) + 1
    for position in (first, first + 12_345, first + 10**9):
        whole, fraction = clock.time(position)
        assert 0 <= fraction < 1
        assert abs(clock.position(whole, fraction) - position) < Fraction(1, 100)


def test_the_rate_of_a_divided_clock_is_taken_for_a_fraction():
    assert SampleClock(100e6 / 3).rate == Fraction(100_000_000, 3)
    assert SampleClock(1e6).rate == 1_000_000
    assert isinstance(SampleClock(1e6).rate, int)


def test_a_fraction_never_rounds_up_to_one():
    clock = SampleClock(1e6)
    assert clock.time(Fraction(10**26 - 1, 10**20)) == (1, 0.0)
    assert clock.position(0, 0.9999999999999999) == 1_000_000


def test_timeline_extrapolates_and_honours_what_it_is_told():
    timeline = FrameTimeline()
    totals = {"gaps": 1, "slots_lost": 2, "partial_frames": 1, "samples": 700}
    timeline.tell(frame_id=5, rx_time=(1, 0.999_95), slot_period=40, rate=1e6, totals=totals)
    assert timeline.pop(3) == [(5, (1, 0.999_95)), (6, (1, 0.999_99)), (7, (2, 0.000_03))]
    assert timeline.samples == 780
    assert timeline.totals == totals
    timeline.tell(frame_id=20, rx_time=(9, 0.0))
    assert timeline.pop(2) == [(20, (9, 0.0)), (21, (9, 0.000_04))]


def test_timeline_without_being_told_counts_from_zero():
    assert FrameTimeline().pop(2) == [(0, (0, 0.0)), (1, (0, 0.0))]


@pytest.mark.parametrize(
    ("name", "value"),
    [("slot_period", 2**33), ("totals", {"samples": 3}), ("totals", {"gaps": "x"}), ("frame_id", 2**64)],
)
def test_a_timeline_refuses_what_no_framer_tells_and_keeps_what_it_had(name, value):
    timeline = FrameTimeline()
    with pytest.raises(ValueError, match=r"expected"):
        timeline.tell(rx_time=(5, 0.0), **{name: value})
    assert timeline.totals == {"gaps": 0, "slots_lost": 0, "partial_frames": 0, "samples": 0}
    assert timeline.pop(1) == [(0, (0, 0.0))]


@pytest.mark.parametrize("seconds", [2**63, 10**400])
def test_a_time_beyond_all_floats_is_refused(seconds):
    with pytest.raises(ValueError, match="^rx_time: expected a time"):
        SampleClock(1e6).position(seconds, 0.0)
