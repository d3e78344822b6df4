# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports leave in the order of frames; what does not come is counted, once."""

import pytest

from gr_jadce.delivery.ordering import FrameJoiner


def joined(*events, patience=1.0):
    """Give (frame_id, time) to a joiner; the joiner and what it gave out."""
    joiner, given = FrameJoiner(patience), []
    for frame_id, now in events:
        joiner.push(frame_id, frame_id, now)
        given += joiner.pop(now)
    return joiner, given


def test_frames_leave_in_order():
    joiner, given = joined((5, 0.0), (4, 0.1), (7, 0.2), (6, 1.3), (8, 1.3))
    assert given == [4, 5, 6, 7, 8]
    assert (joiner.joined, joiner.missing, joiner.late) == (5, 0, 0)


def test_a_frame_is_waited_for_no_longer_than_the_patience():
    joiner, _ = joined((4, 0.0), (6, 1.0))
    assert joiner.pop(1.9) == []
    assert joiner.pop(2.0) == [6]
    assert joiner.missing == 1


def test_many_missing_frames_do_not_add_up_their_waits():
    joiner, given = joined(*((2 * k, 0.01 * k) for k in range(100)))
    assert joiner.pop(2.0) == list(range(0, 200, 2))
    assert (given, joiner.missing) == ([], 99)


def test_late_and_second_reports_are_counted_and_left_out():
    joiner, given = joined((4, 0.0), (6, 1.0), (9, 3.0), (5, 3.1), (9, 3.2), (6, 3.3))
    assert given + joiner.pop_all() == [4, 6, 9]
    assert (joiner.missing, joiner.late) == (3, 3)


@pytest.mark.parametrize("patience", [-1, float("nan"), float("inf")])
def test_patience_is_checked(patience):
    with pytest.raises(ValueError, match="^patience: expected"):
        FrameJoiner(patience)


def test_a_restart_is_followed_at_once_where_device_time_goes_on():
    joiner, given = FrameJoiner(1.0), []
    for k, frame_id in enumerate([500, 501, 502, 0, 1, 2]):
        joiner.push(frame_id, frame_id, k, device_time=(100 + k, 0.0))
        given += joiner.pop(k)
    given += joiner.pop_all()
    assert given == [500, 501, 502, 0, 1, 2]
    assert (joiner.joined, joiner.missing, joiner.late, joiner.restarts) == (6, 0, 0, 1)


def test_a_restart_without_device_time_is_followed_when_many_in_a_row_are_late():
    joiner, given = joined((10_000, 0.0), (10_001, 1.0), *((k, 2.0) for k in range(150)))
    assert given + joiner.pop_all() == [10_000, 10_001, *range(150)]
    assert (joiner.missing, joiner.late, joiner.restarts) == (0, 0, 1)


def test_late_reports_between_others_are_no_restart():
    events = [event for k in range(500) for event in ((10_000 + k, 0.01 * k), (k, 0.01 * k))]
    joiner, given = joined((9_999, -2.0), (9_999, -1.0), *events)
    assert given == [9_999, *range(10_000, 10_500)]
    assert (joiner.late, joiner.restarts) == (501, 0)


@pytest.mark.parametrize("absurd", [2**64 - 1, 2**63, 2**40])
def test_one_absurd_number_poisons_nothing(absurd):
    events = [(k, 0.1 * k) for k in range(100)]
    joiner, given = joined(*events[:20], (absurd, 2.0), *events[20:])
    given += joiner.pop_all()
    assert given == list(range(100))
    assert (joiner.missing, joiner.late, joiner.restarts) == (0, 1, 0)


def test_numbers_that_jump_far_ahead_are_followed_when_there_are_several():
    far = 2**50
    joiner, given = joined(*((k, 0.1 * k) for k in range(50)), *((far + k, 5.0 + 0.1 * k) for k in range(50)))
    assert given + joiner.pop_all() == [*range(50), *range(far, far + 50)]
    assert (joiner.missing, joiner.late, joiner.restarts) == (0, 0, 1)
