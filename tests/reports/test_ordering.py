# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports leave in the order of frames; what does not come is counted, once."""

import pytest

from gr_jadce.reports.ordering import FrameJoiner


def joined(*events, patience=1.0):
    """Give (frame_id, time) to a joiner; the joiner and what it gave out."""
    joiner, given = FrameJoiner(patience), []
    for frame_id, now in events:
        joiner.add(frame_id, frame_id, now)
        given += joiner.take(now)
    return joiner, given


def test_frames_leave_in_order():
    joiner, given = joined((5, 0.0), (4, 0.1), (7, 0.2), (6, 1.3), (8, 1.3))
    assert given == [4, 5, 6, 7, 8]
    assert (joiner.joined, joiner.missing, joiner.late) == (5, 0, 0)


def test_a_frame_is_waited_for_no_longer_than_the_patience():
    joiner, _ = joined((4, 0.0), (6, 1.0))
    assert joiner.take(1.9) == []
    assert joiner.take(2.0) == [6]
    assert joiner.missing == 1


def test_many_missing_frames_do_not_add_up_their_waits():
    joiner, given = joined(*((2 * k, 0.01 * k) for k in range(100)))
    assert joiner.take(2.0) == list(range(0, 200, 2))
    assert (given, joiner.missing) == ([], 99)


def test_late_and_second_reports_are_counted_and_left_out():
    joiner, given = joined((4, 0.0), (6, 1.0), (9, 3.0), (5, 3.1), (9, 3.2), (6, 3.3))
    assert given + joiner.take_all() == [4, 6, 9]
    assert (joiner.missing, joiner.late) == (3, 3)


@pytest.mark.parametrize("patience", [-1, float("nan"), float("inf")])
def test_patience_is_checked(patience):
    with pytest.raises(ValueError, match="^patience: expected"):
        FrameJoiner(patience)
