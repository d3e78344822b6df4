# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of devices in reports."""

import numpy as np
import pytest

from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.pilots import make_pilots
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.tapped_delay_lines import TappedDelayLines

BOOK = make_pilots("gaussian", n_devices=30, pilot_length=24, seed=3)
STAMPS = [(number, (0, 0.0)) for number in range(3)]


def receiver(delayed):
    return FrameReceiver(BOOK, None, "none", delayed=delayed)  # such devices need no estimator


def echoes(n_frames=3):
    """Frames of devices with several paths."""
    lines = TappedDelayLines("A", 1e-6, BOOK.n_devices, 3, n_active=2, seed=2)
    return simulate(
        Scenario(BOOK, 3, snr_db=25.0, channels=lines, cyclic_prefix=8), n_frames, seed=5
    ).received


def test_reports_tell_the_taps_of_devices_with_several_paths():
    frames, delayed = echoes(), Delayed(BOOK, Asynchrony(8, prefix=8))
    rows = delayed.decide_rows(frames)
    reports, error = receiver(delayed).solve(frames, STAMPS)
    assert error is None
    assert [len(report.device) for report in reports] == np.diff(rows.start).tolist()
    taps = [report.responses for report in reports]
    assert np.concatenate([one.counts for one in taps]).tolist() == np.diff(rows.tap_start).tolist()
    np.testing.assert_allclose(np.concatenate([one.delay for one in taps]), rows.tap_delay, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate([one.gain for one in taps]), rows.tap_gain, rtol=1e-5)
    assert any(report.taps is not None for report in reports)


def test_devices_of_one_path_each_have_no_taps():
    delayed = Delayed(BOOK, Asynchrony(8, prefix=8, max_paths=1))
    reports, _ = receiver(delayed).solve(echoes(), STAMPS)
    assert all(report.taps is None and report.delay is not None for report in reports)


def test_taps_are_zero_at_a_dead_antenna():
    frames = echoes()
    frames[:, :, 1] = 0
    reports, _ = receiver(Delayed(BOOK, Asynchrony(8, prefix=8))).solve(frames, STAMPS)
    gain = np.concatenate([report.responses.gain for report in reports])
    assert gain.shape[1] == 3
    assert not gain[:, 1].any()
    assert gain[:, [0, 2]].all()


def test_devices_in_step_need_an_estimator():
    with pytest.raises(ValueError, match="^estimator: expected one for devices in step, got None"):
        receiver(None)
