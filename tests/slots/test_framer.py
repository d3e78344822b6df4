# SPDX-License-Identifier: GPL-3.0-or-later
"""The slot grid against its definition: frame k is the samples kT + offset to kT + offset + L - 1."""

import numpy as np
import pytest
from cutter import RATE, Cutter, frame_at, streams_at

from gr_jadce.slots.framer import Framer


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
    framer = Framer(pilot_length, n_antennas, slot_period, slot_origin=slot_origin, offset=offset, rate=RATE)
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
    cutter = Cutter(
        Framer(5, 2, period, slot_origin=(0, 0.0), offset=2, rate=RATE, samples_per_symbol=3), chunk
    )
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
    assert [(stamp.place, stamp.frame_id, stamp.rx_time[1]) for stamp in stamps] == [
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pilot_length", 0),
        ("pilot_length", 4.0),
        ("n_antennas", 0),
        ("slot_period", 7),
        ("offset", -16),
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


def test_stamps_tell_the_time_before_the_filters():
    cutter = Cutter(Framer(5, 1, 20, slot_origin=(0, 0.0), offset=8, rate=RATE, delay=6))
    cutter.framer.set_time((0, 0.0))
    cutter.feed(streams_at(range(60), 1))
    assert cutter.times == {k: (0, (20 * k + 2) / RATE) for k in range(3)}
    with pytest.raises(ValueError, match="delay: expected an integer from 0 to 8, got 9"):
        Framer(5, 1, 20, offset=8, delay=9)
