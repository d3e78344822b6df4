# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.receiving.levels import LevelTracker


def feed(tracker, noise_var, n_frames, seed=0):
    """Estimates that scatter as those of frames with 50 degrees of freedom do."""
    values = noise_var * np.random.default_rng(seed).gamma(50, 1 / 50, n_frames)
    tracker.add_frames(values, [5] * n_frames)


def error_db(tracker, noise_var):
    return abs(10 * np.log10(tracker.noise_var / noise_var))


def test_the_median_is_told_once_enough_is_known():
    tracker = LevelTracker(64)
    feed(tracker, 0.1, 7)
    assert tracker.noise_var == 0
    feed(tracker, 0.1, 57, seed=1)
    assert error_db(tracker, 0.1) < 0.3


def test_a_step_is_followed_after_half_the_memory():
    tracker = LevelTracker(64)
    feed(tracker, 0.1, 200)
    feed(tracker, 1.0, 20, seed=1)
    assert error_db(tracker, 0.1) < 0.6
    feed(tracker, 1.0, 20, seed=2)
    assert error_db(tracker, 1.0) < 1
    feed(tracker, 1.0, 24, seed=3)
    assert error_db(tracker, 1.0) < 0.3


def test_a_burst_hardly_moves_it():
    tracker = LevelTracker(64)
    feed(tracker, 0.1, 100)
    feed(tracker, 1e4, 12, seed=1)
    assert error_db(tracker, 0.1) < 0.6


def test_a_restart_forgets():
    tracker = LevelTracker(16)
    feed(tracker, 0.1, 50)
    tracker.reset()
    assert tracker.noise_var == tracker.active_per_frame == 0
    feed(tracker, 7.0, 8)
    assert error_db(tracker, 7.0) < 0.6


def test_guards_take_precedence_over_frames():
    tracker = LevelTracker(16)
    feed(tracker, 0.3, 16)
    for _ in range(8):
        tracker.add_guard(0.1)
    assert tracker.noise_var == pytest.approx(0.1)


def test_what_is_no_noise_variance_is_left_out():
    tracker = LevelTracker(1)
    for value in (0.0, -1.0, np.nan, np.inf):
        tracker.add_frames([value], [0], [value])
        tracker.add_guard(value)
    assert tracker.noise_var == 0 and tracker.snr_db in (0, -1)
    tracker.add_frames([2.0], [4])
    assert tracker.noise_var == pytest.approx(2.0)


def test_active_devices_are_averaged_over_the_memory():
    tracker = LevelTracker(4)
    tracker.add_frames([1.0] * 5, [100, 2, 4, 6, 8])
    assert tracker.active_per_frame == 5


@pytest.mark.parametrize("memory", [0, -1, 1.5, True])
def test_a_wrong_memory_is_named(memory):
    with pytest.raises(ValueError, match="memory: expected an integer"):
        LevelTracker(memory)
