# SPDX-License-Identifier: GPL-3.0-or-later
"""What device times and rates do to the slot grid: jumps back, new rates, origins ahead, absurd times."""

import numpy as np
import pytest
from cutter import RATE, Cutter, frame_at, streams_at

from gr_jadce.slots.framer import Framer


def test_frame_id_goes_back_with_device_time():
    framer = Framer(4, 1, 10, slot_origin=(0, 0.0), rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(0, 52)))
    framer.set_time((0, 28 / RATE))
    cutter.feed(streams_at(range(28, 64)))
    assert cutter.order == [0, 1, 2, 3, 4, 3, 4, 5, 6]
    assert cutter.times[3] == (0, 30 / RATE)
    assert (framer.gaps, framer.slots_lost, framer.partial_frames) == (1, 0, 1)


def test_a_time_before_a_given_origin_waits_for_it():
    framer = Framer(4, 1, 10, slot_origin=(1, 0.0), rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((0, (RATE - 35) / RATE))
    cutter.feed(streams_at(range(-35, 24)))
    assert cutter.order == [0, 1, 2]
    assert np.array_equal(cutter.frames[0], frame_at(0, 4, 1))
    framer.set_time((0, (RATE - 5) / RATE))
    cutter.feed(streams_at(range(-5, 14)))
    assert cutter.order == [0, 1, 2, 0, 1]


def test_a_clock_set_anew_before_the_first_sample_goes_on_counting():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((1000, 0.0))
    cutter.feed(streams_at(range(0, 52)))
    framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(52, 76)))
    assert cutter.order == [0, 1, 2, 3, 4, 5, 6, 7]
    assert np.array_equal(cutter.frames[5], frame_at(52, 4, 1))
    assert [cutter.times[number] for number in (4, 5, 6)] == [(1000, 40 / RATE), (0, 0.0), (0, 10 / RATE)]
    assert (framer.gaps, framer.slots_lost, framer.partial_frames) == (1, 0, 1)


def test_a_first_time_that_comes_late_dates_the_samples_before_it():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, 17)))
    framer.set_time((50, 17 / RATE))
    cutter.feed(streams_at(range(17, 34)))
    assert cutter.order == [0, 1, 2, 3]
    assert cutter.times[2] == (50, 20 / RATE)
    assert framer.gaps == 0


def test_a_new_rate_starts_a_new_grid_and_numbering_goes_on():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(0, 32)))
    framer.set_time(rate=2 * RATE)
    cutter.feed(streams_at(range(32, 46)))
    assert cutter.order == [0, 1, 2, 3, 4]
    assert np.array_equal(cutter.frames[3], frame_at(32, 4, 1))
    assert cutter.times[3] == (0, 32 / RATE)
    assert cutter.times[4] == (0, 37 / RATE)
    assert (framer.gaps, framer.partial_frames) == (1, 1)


def test_a_new_rate_with_a_given_origin_numbers_by_device_time():
    framer = Framer(4, 1, 10, slot_origin=(0, 0.0), rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(0, 32)))
    framer.set_time((0, 32 / RATE), rate=2 * RATE)
    cutter.feed(streams_at(range(32, 60)))
    assert cutter.order == [0, 1, 2, 7, 8]
    assert cutter.times[7] == (0, 35 / RATE)
    assert framer.slots_lost == 0


def test_the_rate_told_with_the_first_sample_is_no_gap():
    framer = Framer(4, 1, 10, slot_origin=(3, 0.5), rate=RATE)
    framer.set_time((3, 0.5), rate=200_000)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, 14)))
    assert cutter.order == [0, 1]
    assert cutter.times[1] == (3, 0.5 + 10 / 200_000)
    assert framer.gaps == 0


def test_the_grid_is_exact_after_years():
    framer = Framer(64, 1, 1000, slot_origin=(1, 0.0), rate=200e6)
    late = 1 + 10**9  # 32 years later, and 137 slots
    framer.set_time((late, 137_000 / 200e6), rate=200e6)
    out = np.empty((2, 64, 1), np.complex64)
    _, _, stamps = framer.push(streams_at(range(0, 64)), out)
    assert stamps[0].frame_id == 10**9 * 200_000 + 137
    assert stamps[0].rx_time == (late, 137_000 / 200e6)


def test_a_rate_that_divides_no_second_keeps_the_slot_period():
    framer = Framer(4, 1, 10, slot_origin=(2, 0.0), rate=100 / 3)
    framer.set_time((2, 0.0))
    out = np.empty((40, 4, 1), np.complex64)
    _, made, _ = framer.push(streams_at(range(0, 334)), out)
    assert made == 34
    framer.set_time((12, 0.02))  # 10.02 s · 100/3 is sample 334
    assert framer.gaps == 0


def test_one_absurd_time_costs_only_the_slots_that_never_came():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((5, 0.0))
    cutter.feed(streams_at(range(0, 52)))
    framer.set_time((2**40, 5 / RATE))
    cutter.feed(streams_at(range(52, 58)))
    assert framer.slots_lost > 2**40
    framer.set_time((5, 58 / RATE))
    cutter.feed(streams_at(range(58, 104)))
    assert cutter.order == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert (framer.slots_lost, framer.gaps) == (1, 2)


def test_gaps_within_an_absurd_time_are_forgotten_with_it():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    for seconds, first in [(5, 0), (2**40, 100), (2**41, 150), (2**42, 200), (5, 250), (5, 320)]:
        framer.set_time((seconds, first / RATE))
        cutter.feed(streams_at(range(first, first + 50)))
    assert framer.slots_lost == 20 + 2  # 5 to 24, whose times were absurd, and 30 and 31


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_samples_before_a_given_origin_are_counted_and_the_wait_is_known(chunk):
    framer = Framer(4, 1, 10, slot_origin=(1_700_000_000, 0.0), rate=RATE)
    cutter = Cutter(framer, chunk)
    cutter.feed(streams_at(range(0, 100)))
    assert framer.seconds_to_origin == pytest.approx(1_700_000_000)
    assert (framer.waiting_samples, framer.samples, framer.frames) == (100, 100, 0)
    framer.set_time((1_699_999_999, (RATE - 35) / RATE))
    cutter.feed(streams_at(range(-35, 24)))
    assert (framer.waiting_samples, framer.frames, framer.seconds_to_origin) == (135, 3, 0)


def test_frames_before_time_zero_tell_time_zero():
    framer = Framer(8, 1, 300, offset=100, delay=100, rate=RATE)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, 5)))
    framer.resync(-95)
    cutter.feed(streams_at(range(5, 1000)))
    assert cutter.order == [0, 1, 2, 3]
    assert cutter.times == {0: (0, 0.0), 1: (0, 210 / RATE), 2: (0, 510 / RATE), 3: (0, 810 / RATE)}


def test_frames_before_the_first_time_are_dated_back_to_zero_at_most():
    cutter = Cutter(Framer(4, 1, 10, rate=RATE))
    cutter.feed(streams_at(range(0, 3)))
    cutter.framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(3, 40)))
    assert cutter.times == {0: (0, 0.0), 1: (0, 7 / RATE), 2: (0, 17 / RATE), 3: (0, 27 / RATE)}


def test_a_held_rate_counts_the_slots_of_a_gap_behind_a_decimator():
    """A gap of 5,000 samples at 1 MS/s, tagged by a source of 4 MS/s in front of the decimator."""
    framer = Framer(32, 1, 50, rate=RATE, hold_rate=True)
    cutter = Cutter(framer)
    framer.set_time((3, 0.0), rate=4 * RATE)
    cutter.feed(streams_at(range(0, 1000)))
    framer.set_time((3, 6000 / RATE), rate=4 * RATE)
    cutter.feed(streams_at(range(6000, 7000)))
    assert cutter.order == [*range(20), *range(120, 140)]
    assert cutter.times[120] == (3, 6000 / RATE)
    assert (framer.slots_lost, framer.rate_conflicts, framer.clock.rate) == (100, 2, RATE)


@pytest.mark.parametrize(("rate", "conflicts"), [(RATE, 0), (RATE * (1 + 1e-9), 0), (RATE * 1.001, 1)])
def test_a_rate_told_that_is_not_the_given_one_is_counted(rate, conflicts):
    framer = Framer(4, 1, 10, rate=RATE)
    framer.set_time(rate=rate)
    assert framer.rate_conflicts == conflicts


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_with_a_negative_offset_pilots_come_before_their_slots(chunk):
    cutter = Cutter(Framer(4, 1, 10, slot_origin=(5, 0.0), offset=-3, delay=-3, rate=RATE), chunk)
    cutter.framer.set_time((5, 0.0))
    cutter.feed(streams_at(range(0, 40)))
    assert cutter.order == [1, 2, 3]
    assert np.array_equal(cutter.frames[2], frame_at(17, 4, 1))
    assert cutter.times[2] == (5, 20 / RATE)
    assert cutter.framer.slots_lost == 0
