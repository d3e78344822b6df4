# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.receiving.levels import LevelTracker
from gr_jadce.slots.guard import GuardMeter


def feed(tracker, noise_var, n_frames, seed=0):
    """Estimates that scatter as those of frames with 50 degrees of freedom do."""
    for value in noise_var * np.random.default_rng(seed).gamma(50, 1 / 50, n_frames):
        tracker.add_frame(value, 5)


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
        tracker.add_frame(value, 0)
        tracker.add_guard(value)
    assert tracker.noise_var == 0
    tracker.add_frame(2.0, 4)
    assert tracker.noise_var == pytest.approx(2.0)


def test_active_devices_are_averaged_over_the_memory():
    tracker = LevelTracker(4)
    for count in (100, 2, 4, 6, 8):
        tracker.add_frame(1.0, count)
    assert tracker.active_per_frame == 5


@pytest.mark.parametrize("memory", [0, -1, 1.5, True])
def test_a_wrong_memory_is_named(memory):
    with pytest.raises(ValueError, match="memory: expected an integer"):
        LevelTracker(memory)


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
@pytest.mark.parametrize("position", [-130, 0, 37])
def test_the_guard_is_measured_however_the_samples_come(chunk, position):
    samples = np.arange(position, position + 1000)
    inside = (samples % 100 >= 60) & (samples % 100 < 90)
    streams = [np.where(inside, gain, 50).astype(np.complex64) for gain in (1, 2j)]
    meter = GuardMeter(100, 60, 30)
    for begin in range(0, 1000, chunk):
        meter.take(position + begin, [stream[begin : begin + chunk] for stream in streams])
    assert meter.read() == pytest.approx((1 + 4) / 2)
    assert meter.read() is None


def test_a_guard_that_holds_no_number_tells_nothing():
    meter = GuardMeter(10, 0, 10)
    meter.take(0, [np.full(10, np.nan, np.complex64)])
    assert meter.read() is None


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 0), (6, 5), (10, 1)])
def test_a_wrong_guard_is_named(start, length):
    with pytest.raises(ValueError, match="guard_start, guard_length: expected a part of the slot"):
        GuardMeter(10, start, length)
