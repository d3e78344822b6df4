# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid moved by what the samples tell: a beacon, a correlation."""

import numpy as np
import pytest
from cutter import RATE, Cutter, frame_at, streams_at

from gr_jadce.slots.framer import Framer


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
