# SPDX-License-Identifier: GPL-3.0-or-later
"""The raster scrolls by slots, in bounded memory."""

import numpy as np
import pytest

from gr_jadce.monitoring.raster import NO_ANSWER, NOTHING, QUIET, WEAKEST, Raster


def push(raster, *slots):
    for k in slots:
        raster.push(k)
        raster.mark(np.array([0]), WEAKEST + k % 100)
    return raster.cells()[:, 0].tolist()


def test_raster_scrolls():
    assert push(Raster(3, 2), 10) == [NOTHING, NOTHING, WEAKEST + 10]
    assert push(Raster(3, 2), 10, 11, 12, 13) == [WEAKEST + 11, WEAKEST + 12, WEAKEST + 13]


def test_slots_without_answer_show():
    assert push(Raster(4, 2), 10, 13) == [WEAKEST + 10, NO_ANSWER, NO_ANSWER, WEAKEST + 13]


def test_a_late_frame_takes_its_place():
    assert push(Raster(4, 2), 10, 13, 11) == [WEAKEST + 10, WEAKEST + 11, NO_ANSWER, WEAKEST + 13]


@pytest.mark.parametrize("k", [4, 16, 2**63 + 1])
def test_a_frame_far_away_starts_the_raster_anew(k):
    cells = push(Raster(4, 2), 8, 9, 10, k)
    assert cells == [NOTHING, NOTHING, NOTHING, WEAKEST + k % 100]
    assert push(Raster(4, 2), 10, k, k + 1) == [NOTHING, NOTHING, WEAKEST + k % 100, WEAKEST + (k + 1) % 100]


def test_the_raster_of_many_devices_is_bounded():
    raster = Raster(5, 10**6)
    raster.push(0)
    raster.mark(np.array([0, 1, 999_999]), np.array([9, 7, 8], np.uint8))
    cells = raster.cells()[-1]
    assert len(cells) <= 4096
    assert (cells[0], cells[-1], np.count_nonzero(cells != QUIET)) == (9, 8, 2)
    assert len(cells) * raster.devices_per_cell >= 10**6
