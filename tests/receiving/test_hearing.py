# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anybody of a pilot book is heard: what chance explains is nobody."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.estimators import make_estimator
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.receiving.hearing import Hearing

BOOK, OTHER = (make_pilots("gaussian", 60, 32, seed) for seed in (1, 2))
N_FRAMES = 200


def heard(frames, book=BOOK, false_alarm=1e-2, batch=50):
    hearing = Hearing()
    receiver = FrameReceiver(book, make_estimator("pc_admm", book), "pc_admm", false_alarm=false_alarm)
    for first in range(0, len(frames), batch):
        part = np.ascontiguousarray(frames[first : first + batch])
        reports, _ = receiver.solve(part, [(k, (0, 0.0)) for k in range(len(part))])
        hearing.add(reports)
    return hearing


def received(n_frames=N_FRAMES, **options):
    return simulate(Scenario(BOOK, **{"n_antennas": 2, "snr_db": 12} | options), n_frames, seed=3).received


@pytest.mark.parametrize("false_alarm", [1e-1, 1e-3])
def test_devices_of_the_book_are_heard(false_alarm):
    hearing = heard(received(), false_alarm=false_alarm)
    assert not hearing.is_deaf() and hearing.warning() == ""


def test_a_device_that_is_seldom_active_is_heard():
    frames = received(n_active=0)
    frames[::20] = received(N_FRAMES, n_active=1)[::20]
    assert not heard(frames).is_deaf()


@pytest.mark.parametrize("false_alarm", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("mistake", ["book", "offset", "nobody"])
def test_with_a_mistake_nobody_is_heard(mistake, false_alarm):
    frames = received(n_active=0 if mistake == "nobody" else None, activity_rate=0.1)
    if mistake == "offset":
        frames = np.roll(frames, 5, axis=1)
    hearing = heard(frames, OTHER if mistake == "book" else BOOK, false_alarm)
    warning = hearing.warning()
    assert hearing.is_deaf()
    assert warning.startswith("nobody of this book is heard: check book, slot, offset")
    assert (
        f"in {N_FRAMES} frames, where false alarms alone make {60 * N_FRAMES * false_alarm:.0f};" in warning
    )
    assert hearing.warning() == ""  # said once


def test_a_wrong_slot_period_leaves_few_frames_in_place():
    frames = np.roll(received(snr_db=20), 5, axis=1)
    frames[::20] = np.roll(frames[::20], -5, axis=1)
    assert (
        f"heard: check book, slot, offset, and whether anybody transmits (in {N_FRAMES * 19 // 20} of "
        in (heard(frames).warning())
    )


def test_few_frames_tell_nothing():
    assert not heard(received(63, n_active=0)).is_deaf()
