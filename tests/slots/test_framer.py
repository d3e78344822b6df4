# SPDX-License-Identifier: GPL-3.0-or-later
"""The slot grid against its definition: frame k is the samples kT + offset to kT + offset + L - 1."""

from fractions import Fraction

import numpy as np
import pytest

from gr_jadce.slots.clock import SampleClock
from gr_jadce.slots.framer import Framer
from gr_jadce.slots.timeline import FrameTimeline

RATE = 1_000_000


def streams_at(positions, n_antennas=1):
    """Samples that tell their own device position (real part) and antenna (imaginary part)."""
    return [(np.asarray(positions) + 1j * antenna).astype(np.complex64) for antenna in range(n_antennas)]


class Cutter:
    """Feeds a framer pieces of any size and keeps every frame with its number and time."""

    def __init__(self, framer, chunk=10**9, room=10**6):
        self.framer, self.chunk, self.room = framer, chunk, room
        self.timeline = FrameTimeline()
        self.frames = {}
        self.times = {}
        self.order = []

    def feed(self, streams):
        """All samples of a stretch without events."""
        while len(streams[0]):
            used = self._push([stream[: self.chunk] for stream in streams])
            streams = [stream[used:] for stream in streams]

    def _push(self, streams):
        shape = (self.room, self.framer.pilot_length, self.framer.n_antennas)
        out = (
            np.full(shape, np.nan, np.complex64)
            if self.room < 100
            else np.empty((100, *shape[1:]), np.complex64)
        )
        used, made, stamps = self.framer.push(streams, out)
        assert used or made
        stamps = {stamp.index: stamp for stamp in stamps}
        for index in range(made):
            if index in stamps:
                stamp, rate = stamps[index], self.framer.clock.rate
                self.timeline.tell(
                    frame_id=stamp.frame_id,
                    rx_time=stamp.rx_time,
                    slot_period=self.framer.slot_period,
                    rate=float(rate),
                    totals=stamp.totals,
                )
            [(frame_id, rx_time)] = self.timeline.pop(1)
            self.order.append(frame_id)
            self.frames[frame_id] = out[index].copy()
            self.times[frame_id] = rx_time
        return used


def frame_at(start, pilot_length, n_antennas):
    rows = np.arange(start, start + pilot_length)[:, None] + 1j * np.arange(n_antennas)
    return rows.astype(np.complex64)


def whole_pilots(stretches, pilot_length, slot_period, offset, origin):
    """The slots whose pilots lie wholly in one of the stretches (first, end) delivered."""
    slots = []
    for first, end in stretches:
        number = max(0, -((origin + offset - first) // slot_period))
        while origin + number * slot_period + offset + pilot_length <= end:
            slots.append(number)
            number += 1
    return slots


def random_case(seed):
    rng = np.random.default_rng(seed)
    pilot_length = int(rng.integers(1, 12))
    slot_period = pilot_length + int(rng.integers(0, 3) * rng.integers(0, 15))
    offset = int(rng.integers(0, slot_period)) if rng.integers(0, 2) else 0
    first = int(rng.integers(0, 300))
    edges = first + np.cumsum(rng.integers(1, 4 * slot_period, size=2 * int(rng.integers(1, 6))))
    stretches = list(zip([first, *edges[1:-1:2].tolist()], edges[::2].tolist(), strict=False))
    return rng, pilot_length, slot_period, offset, stretches


@pytest.mark.parametrize("seed", range(300))
def test_exactly_the_slots_that_gaps_touch_are_lost(seed):
    rng, pilot_length, slot_period, offset, stretches = random_case(seed)
    n_antennas = int(rng.integers(1, 5))
    origin = stretches[0][0] if seed % 2 else int(rng.integers(0, 300))
    slot_origin = "first" if seed % 2 else (0, origin / RATE)
    framer = Framer(pilot_length, n_antennas, slot_period, slot_origin, offset, RATE)
    cutter = Cutter(framer, chunk=int(rng.integers(1, 100)), room=int(rng.integers(1, 5)))
    for first, end in stretches:
        framer.set_time((0, first / RATE))
        cutter.feed(streams_at(range(first, end), n_antennas))
    expected = whole_pilots(stretches, pilot_length, slot_period, offset, origin)
    assert cutter.order == expected
    for number in expected:
        start = origin + number * slot_period + offset
        assert np.array_equal(cutter.frames[number], frame_at(start, pilot_length, n_antennas))
        assert cutter.times[number] == (0, start / RATE)
    assert framer.frames == len(expected)
    assert framer.gaps == len(stretches) - 1
    assert framer.samples == sum(end - first for first, end in stretches)


@pytest.mark.parametrize("seed", range(50))
def test_slots_lost_are_those_skipped_between_frames(seed):
    rng, pilot_length, slot_period, _, stretches = random_case(seed)
    framer = Framer(pilot_length, 1, slot_period, rate=RATE)
    cutter = Cutter(framer, chunk=int(rng.integers(1, 100)))
    for first, end in stretches:
        framer.set_time((0, first / RATE))
        cutter.feed(streams_at(range(first, end)))
    cutter.feed(streams_at(range(stretches[-1][1], stretches[-1][1] + 2 * slot_period)))
    assert framer.slots_lost == cutter.order[-1] + 1 - len(cutter.order)


@pytest.mark.parametrize("period", [13, 20])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_of_an_oversampled_pilot_every_so_many_samples_are_kept(period, chunk):
    cutter = Cutter(Framer(5, 2, period, (0, 0.0), offset=2, rate=RATE, samples_per_symbol=3), chunk)
    cutter.framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(200), 2))
    cutter.framer.set_time((0, 220 / RATE))
    cutter.feed(streams_at(range(220, 400), 2))
    starts = {k: period * k + 2 for k in range(400 // period)}
    whole = {k: t for k, t in starts.items() if t + 13 <= 200 or (t >= 220 and t + 13 <= 400)}
    assert list(cutter.frames) == list(whole)
    for k, start in whole.items():
        assert np.array_equal(cutter.frames[k], frame_at(start, 13, 2)[::3])


def test_a_time_within_half_a_sample_changes_nothing():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((7, 0.0))
    cutter.feed(streams_at(range(0, 52)))
    framer.set_time((7, 52.4 / RATE))
    cutter.feed(streams_at(range(52, 53)))
    framer.set_time((7, 52.6 / RATE))
    cutter.feed(streams_at(range(53, 100)))
    assert cutter.order == list(range(10))
    assert cutter.times[9] == (7, 90 / RATE)
    assert (framer.gaps, framer.slots_lost, framer.partial_frames) == (0, 0, 0)


def test_a_gap_of_one_sample_is_a_gap():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((7, 0.0))
    cutter.feed(streams_at(range(0, 52)))
    framer.set_time((7, 53 / RATE))
    cutter.feed(streams_at(range(53, 100)))
    assert cutter.order == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert np.array_equal(cutter.frames[6], frame_at(60, 4, 1))
    assert (framer.gaps, framer.slots_lost, framer.partial_frames) == (1, 1, 1)


def test_a_gap_in_the_guard_loses_nothing():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    cutter.framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(0, 25)))
    framer.set_time((0, 28 / RATE))
    cutter.feed(streams_at(range(28, 50)))
    assert cutter.order == [0, 1, 2, 3, 4]
    assert (framer.gaps, framer.slots_lost, framer.partial_frames) == (1, 0, 0)


def test_a_gap_from_guard_to_guard_loses_whole_slots_only():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(0, 25)))
    framer.set_time((0, 47 / RATE))
    cutter.feed(streams_at(range(47, 64)))
    assert cutter.order == [0, 1, 2, 5, 6]
    assert (framer.gaps, framer.slots_lost, framer.partial_frames) == (1, 2, 0)


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


def test_resync_moves_the_grid_and_keeps_the_numbers():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, 26)))
    framer.resync(6)
    cutter.feed(streams_at(range(26, 50)))
    assert cutter.order == [0, 1, 2, 3, 4]
    assert np.array_equal(cutter.frames[3], frame_at(32, 4, 1))
    assert np.array_equal(cutter.frames[4], frame_at(42, 4, 1))
    assert cutter.times[3] == (0, 32 / RATE)
    assert (framer.slots_lost, framer.partial_frames, framer.gaps) == (0, 0, 0)


@pytest.mark.parametrize(
    ("at", "ahead", "order", "starts"),
    [
        (5, 0, [0, 1, 2, 3], {1: 5, 2: 15, 3: 25}),  # the first beacon: slot 0 was cut already
        (5, 10, [0, 1, 2, 3], {1: 5, 2: 15, 3: 25}),
        (22, -3, [0, 1, 2, 3], {2: 20, 3: 29}),  # in the past: the frame under way is finished
        (21, 2, [0, 1, 2], {2: 23}),  # begins before the frame under way ends: that one is cut anew
        (18, 2, [0, 1, 2], {2: 20}),  # as predicted
        (18, -9, [0, 1, 2, 3], {2: 19, 3: 29}),  # one early
        (18, -7, [0, 1, 2], {2: 21}),  # one late
        (28, -9, [0, 1, 2, 3], {2: 20, 3: 29}),
        (19, -1, [0, 1, 3], {3: 28}),  # earlier than can still be cut
    ],
)
def test_resync(at, ahead, order, starts):
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, at)))
    framer.resync(ahead)
    cutter.feed(streams_at(range(at, 33)))
    assert cutter.order == order
    for number, start in starts.items():
        assert np.array_equal(cutter.frames[number], frame_at(start, 4, 1))
        assert cutter.times[number] == (0, start / RATE)
    assert framer.slots_lost == order[-1] + 1 - len(order)


def test_a_drifting_beacon_in_every_slot_loses_nothing():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    for number in range(50):
        cutter.feed(streams_at(range(11 * number, 11 * number + 2)))
        framer.resync(3)
        cutter.feed(streams_at(range(11 * number + 2, 11 * number + 11)))
    assert cutter.order == list(range(51))
    assert all(
        np.array_equal(cutter.frames[number], frame_at(11 * number - 6, 4, 1)) for number in range(2, 51)
    )


def test_after_a_resync_gaps_still_cost_exactly_their_slots():
    framer = Framer(4, 1, 10, rate=RATE)
    cutter = Cutter(framer)
    framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(0, 26)))
    framer.resync(6)
    cutter.feed(streams_at(range(26, 44)))
    framer.set_time((0, 61 / RATE))
    cutter.feed(streams_at(range(61, 80)))
    assert cutter.order == [0, 1, 2, 3, 6, 7]
    assert np.array_equal(cutter.frames[6], frame_at(62, 4, 1))
    assert (framer.slots_lost, framer.partial_frames) == (2, 1)


def test_the_end_counts_a_frame_under_way_and_nothing_else():
    framer = Framer(4, 1, 10)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, 22)))
    framer.end()
    framer.end()
    assert (framer.partial_frames, framer.frames, framer.slots_lost) == (1, 2, 0)


def test_a_framer_goes_on_after_its_end():
    framer = Framer(4, 1, 10)
    cutter = Cutter(framer)
    cutter.feed(streams_at(range(0, 22)))
    framer.end()
    cutter.feed(streams_at(range(22, 34)))
    assert np.array_equal(cutter.frames[3], frame_at(30, 4, 1))


def test_every_frame_is_stamped_on_demand():
    framer = Framer(4, 1, 10, rate=RATE, stamp_every_frame=True)
    _, made, stamps = framer.push(streams_at(range(0, 34)), np.empty((9, 4, 1), np.complex64))
    assert made == len(stamps) == 4
    assert [(stamp.index, stamp.frame_id, stamp.rx_time[1]) for stamp in stamps] == [
        (number, number, number * 10 / RATE) for number in range(4)
    ]
    assert [stamp.totals["samples"] for stamp in stamps] == [4, 14, 24, 34]


def test_only_frames_that_do_not_follow_are_stamped():
    framer = Framer(4, 1, 10, rate=RATE)
    out = np.empty((9, 4, 1), np.complex64)
    assert [stamp.frame_id for stamp in framer.push(streams_at(range(0, 34)), out)[2]] == [0]
    assert framer.push(streams_at(range(34, 58)), out)[2] == []
    framer.set_time((0, 58 / RATE))
    assert framer.push(streams_at(range(58, 68)), out)[2] == []


def test_inputs_are_only_read():
    streams = streams_at(range(0, 100), 2)
    for stream in streams:
        stream.setflags(write=False)
    framer = Framer(8, 2, 16)
    framer.push(streams, np.empty((9, 8, 2), np.complex64))
    assert framer.frames == 6


def test_the_grid_is_exact_after_years():
    framer = Framer(64, 1, 1000, slot_origin=(1, 0.0), rate=200e6)
    late = 1 + 10**9  # 32 years later, and 137 slots
    framer.set_time((late, 137_000 / 200e6), rate=200e6)
    out = np.empty((2, 64, 1), np.complex64)
    _, _, stamps = framer.push(streams_at(range(0, 64)), out)
    assert stamps[0].frame_id == 10**9 * 200_000 + 137
    assert stamps[0].rx_time == (late, 137_000 / 200e6)


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


def test_a_rate_that_divides_no_second_keeps_the_slot_period():
    framer = Framer(4, 1, 10, slot_origin=(2, 0.0), rate=100 / 3)
    framer.set_time((2, 0.0))
    out = np.empty((40, 4, 1), np.complex64)
    _, made, _ = framer.push(streams_at(range(0, 334)), out)
    assert made == 34
    framer.set_time((12, 0.02))  # 10.02 s · 100/3 is sample 334
    assert framer.gaps == 0


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
    [
        ("pilot_length", 0),
        ("pilot_length", 4.0),
        ("n_antennas", 0),
        ("slot_period", 7),
        ("offset", -1),
        ("offset", 16),
        ("rate", 0.0),
        ("rate", float("nan")),
        ("slot_origin", "last"),
        ("slot_origin", 5.5),
        ("slot_origin", (1, 1.0)),
        ("slot_origin", (1.5, 0.0)),
    ],
)
def test_wrong_arguments_are_named(name, value):
    arguments = {"pilot_length": 8, "n_antennas": 2, "slot_period": 16} | {name: value}
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Framer(**arguments)


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


def test_stamps_tell_the_time_before_the_filters():
    cutter = Cutter(Framer(5, 1, 20, (0, 0.0), offset=8, rate=RATE, delay=6))
    cutter.framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(60), 1))
    assert cutter.times == {k: (0, (20 * k + 2) / RATE) for k in range(3)}
    with pytest.raises(ValueError, match="delay: expected an integer from 0 to 8, got 9"):
        Framer(5, 1, 20, offset=8, delay=9)
