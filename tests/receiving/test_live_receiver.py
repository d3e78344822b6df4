# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver that changes while it is used, and where threads may share it."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.estimators import make_estimator
from gr_jadce.receiving.levels import LevelTracker
from gr_jadce.receiving.live_receiver import LiveReceiver
from gr_jadce.receiving.packet_receiver import PacketReceiver

BOOK = make_pilots("gaussian", 50, 32, seed=3)


def live(estimator="unrolled", has_memory=False, levels=None, **options):
    estimator = make_estimator(estimator, BOOK) if isinstance(estimator, str) else estimator
    receiver = PacketReceiver(BOOK, estimator, "some", **options)
    return LiveReceiver(receiver, levels or LevelTracker(), has_memory=has_memory)


@pytest.mark.parametrize(
    ("changes", "overlaps"),
    [
        ({}, None),
        ({"has_memory": True}, False),
        ({"estimator": "pc_admm"}, False),
        ({"estimator": lambda received: None}, False),
        ({"delayed": Delayed(BOOK, Asynchrony(max_delay=2))}, False),
    ],
)
def test_only_what_is_made_for_it_overlaps(changes, overlaps):
    wanted = make_estimator("unrolled", BOOK).network is not None if overlaps is None else overlaps
    assert live(**changes).may_overlap == wanted


def test_another_estimator_may_be_none_to_share():
    receiver = live()
    receiver.change(estimator=make_estimator("pc_admm", BOOK))
    assert not receiver.may_overlap


def test_what_is_known_of_the_noise_is_told_if_there_is_a_memory():
    told, levels = [], LevelTracker(4)
    levels.add_frames([0.5] * 4, [3] * 4)

    def estimator(received, noise_var=None):
        told.append(noise_var)
        return make_estimator("pc_admm", BOOK)(received)

    frames = simulate(Scenario(BOOK, 2, snr_db=15.0), 3, seed=5).received.astype(np.complex64)
    for has_memory in (False, True):
        receiver = live(estimator, has_memory, levels)
        reports, error = receiver.solve(frames, [(k, (0, 0.0)) for k in range(3)], 17)
        assert error is None and [report.frames_dropped for report in reports] == [17] * 3
    assert told == [None, pytest.approx(0.5)]
