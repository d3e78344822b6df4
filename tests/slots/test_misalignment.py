# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots off the grid by a constant are found, and by how much; pilots in place are left alone."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.slots.misalignment import ShiftCheck, pilot_shift
from gr_jadce.uplink import simulate_slots

BOOK = make_pilots("qpsk", 60, 32, seed=1)
PERIOD = 50


def frames_cut(late, book=BOOK, n_slots=12, n_antennas=1, **fields):
    """Frames cut `late` samples before their pilots come."""
    samples, _ = simulate_slots(Scenario(book, n_antennas, **fields), PERIOD, n_slots, seed=3)
    padded = np.concatenate([np.zeros((20, n_antennas), np.complex64), samples])
    start = 20 - late
    length = book.pilot_length
    return np.stack([padded[start + k * PERIOD : start + k * PERIOD + length] for k in range(1, n_slots - 1)])


@pytest.mark.parametrize("late", [-7, -3, -1, 0, 1, 3, 8])
@pytest.mark.parametrize("n_antennas", [1, 4])
def test_the_shift_is_found(late, n_antennas):
    assert pilot_shift(frames_cut(late, n_antennas=n_antennas, snr_db=10), BOOK) == late


@pytest.mark.parametrize("kind", ["gaussian", "dft", "hadamard"])
def test_the_shift_is_found_with_every_kind_of_pilots(kind):
    book = make_pilots(kind, 64, 32, seed=2)
    assert pilot_shift(frames_cut(3, book, snr_db=20), book) == 3
    assert pilot_shift(frames_cut(0, book, snr_db=20), book) == 0


@pytest.mark.parametrize("late", [0, 3])
def test_pilots_that_are_shifts_of_each_other_cause_no_false_complaint(late):
    book = make_pilots("zadoff_chu", 60, 31, seed=2)
    assert pilot_shift(frames_cut(late, book, snr_db=20), book) in (None, 0, late)
    assert pilot_shift(frames_cut(0, book, snr_db=20), book) in (None, 0)


@pytest.mark.parametrize("seed", range(40))
def test_noise_alone_tells_nothing(seed):
    noise = simulate(Scenario(BOOK, 2, n_active=0), 12, seed=seed).received
    assert pilot_shift(noise, BOOK) in (None, 0)


def test_few_or_broken_frames_tell_nothing():
    assert pilot_shift(np.zeros((5, 32, 1), np.complex64), BOOK) is None
    assert pilot_shift(np.full((5, 32, 1), np.nan, np.complex64), BOOK) is None
    assert pilot_shift(np.ones((5, 4, 1), np.complex64), make_pilots("qpsk", 8, 4)) is None  # too few shifts


def test_a_check_keeps_some_frames_and_is_done_when_due():
    check = ShiftCheck(BOOK, 1)
    for frame in frames_cut(3, snr_db=20):
        check.push(frame[None])
    assert check.warning() == ""  # not due
    assert check.warning(at_once=True).startswith("pilots come 3 symbols after the place")
    assert check.shift == 3
    assert check.warning(at_once=True) == ""  # no frames
    assert check.shift == 3


def test_no_check_is_done_of_a_book_that_would_take_long():
    check = ShiftCheck(make_pilots("dft", 2**16, 1024, seed=1), 4)
    check.push(np.ones((3, 1024, 4), np.complex64))
    assert check.warning(at_once=True) == ""


def test_devices_out_of_step_are_left_alone():
    check = ShiftCheck(BOOK, 1, in_step=False)
    check.push(frames_cut(3, snr_db=20))
    assert check.warning(at_once=True) == ""
