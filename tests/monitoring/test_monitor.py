# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's raster scrolls by slots, and its counts are exact."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from reports import make_report

from gr_jadce.monitoring.monitor import Monitor
from gr_jadce.monitoring.raster import (
    BAD_INPUT,
    FALSE_ALARM,
    MISS,
    NOTHING,
    QUIET,
    STRONGEST,
    WEAKEST,
)
from gr_jadce.reports.scoring import Score


def found(k, device=(), truth=False, **changes):
    """A report of slot k, which is 10 ms long."""
    device = np.array(device, np.uint32)
    return make_report(
        **{
            "frame_id": k,
            "rx_time": (k // 100, (k % 100) / 100),
            "device": device,
            "channel": np.ones((len(device), 3)),
            "score": np.full(len(device), 4.0),
            "estimator": "truth" if truth else "pc_admm",
        }
        | changes
    )


def monitored(*reports, n_frames=4):
    monitor = Monitor(n_frames)
    for report in reports:
        monitor.push(report)
    return monitor


def test_hits_misses_and_false_alarms_are_told_apart():
    monitor = monitored(found(1, [3, 5, 7], truth=True), found(1, [2, 5, 9]))
    cells, devices_per_cell = monitor.raster()
    row = cells[-1]
    assert devices_per_cell == 1
    assert [row[n] for n in (2, 3, 7, 9)] == [FALSE_ALARM, MISS, MISS, FALSE_ALARM]
    assert WEAKEST <= row[5] <= STRONGEST
    assert np.count_nonzero(row == QUIET) == len(row) - 5
    counts = monitor.counts()
    assert (counts.frames, counts.detections, counts.frames_scored) == (1, 3, 1)
    assert (counts.active, counts.missed, counts.inactive, counts.false_alarms) == (3, 2, 197, 2)


def test_without_truth_all_detections_show_by_score():
    score = [3.0, 10.0, 30.0, 1e4, np.inf]
    row = monitored(found(1, range(5), score=np.array(score))).raster()[0][-1]
    assert row[0] == WEAKEST
    assert row[0] < row[1] < row[2] < row[3] == row[4] == STRONGEST
    assert not np.isin(row, (MISS, FALSE_ALARM)).any()


def test_counts_agree_with_the_score():
    rng = np.random.default_rng(3)
    score, monitor = Score(), Monitor(20)
    for k in range(200):
        truth, report = (found(k, np.flatnonzero(rng.random(200) < p), p == 0.1) for p in (0.1, 0.12))
        score.add(truth, report)
        monitor.push(truth)
        monitor.push(report)
    counts = monitor.counts()
    assert counts.frames == counts.frames_scored == 200
    assert counts.missed / counts.active == score.miss_probability()
    assert counts.false_alarms / counts.inactive == score.false_alarm_probability()


def test_bad_input_is_counted_and_not_scored():
    bad = found(1, status="bad_input", noise_var=nan, snr_db=nan)
    monitor = monitored(found(1, [3], truth=True), bad, found(2, [4], status="clipped"))
    counts = monitor.counts()
    assert (counts.frames, counts.frames_bad, counts.frames_clipped, counts.frames_scored) == (2, 1, 1, 0)
    assert (monitor.raster()[0][-2] == BAD_INPUT).all()


@pytest.mark.parametrize(
    "change",
    [{"device": np.array([5, 200])}, {"device": np.array([5, 5])}, {"score": np.ones(3)}, {"n_devices": 300}],
    ids=["range", "order", "scores", "truth"],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(change):
    monitor = monitored(found(0, [1]), found(1, [3, 5], truth=True))
    before = monitor.raster()[0].tobytes(), monitor.counts(), repr(monitor.figures())  # with a NaN
    report = found(1, [3, 5])
    for name, value in change.items():
        object.__setattr__(report, name, value)
    with pytest.raises(ValueError, match=next(iter(change))):
        monitor.push(report)
    assert (monitor.raster()[0].tobytes(), monitor.counts(), repr(monitor.figures())) == before


def test_figures():
    assert Monitor().figures() is None
    reports = [found(k, snr_db=snr, solve_time=2e-3) for k, snr in enumerate((5.0, nan, 8.0, 9.0))]
    monitor = monitored(*reports)
    monitor.push_status({"slots_lost": 5, "gaps": 2, "frames_dropped": 3, "backlog": 1})
    figures = monitor.figures()
    assert (figures.frame_id, figures.n_devices, figures.estimator) == (3, 200, "pc_admm")
    assert (figures.snr_db, figures.solve_time) == (8.0, 2e-3)
    assert figures.slot_period == pytest.approx(0.01)
    assert (figures.slots_lost, figures.gaps, figures.frames_dropped) == (5, 2, 3)


def test_figures_not_known_are_nan():
    figures = monitored(found(7, noise_var=nan)).figures()
    assert isnan(figures.noise_var)
    assert isnan(figures.slot_period)


def test_changes_tell_whether_there_is_something_new():
    monitor = monitored(found(1))
    before = monitor.changes()
    monitor.raster(), monitor.figures()
    assert monitor.changes() == before
    monitor.push(replace(found(1), frame_id=2))
    assert monitor.changes() != before


def test_another_number_of_devices_starts_anew():
    monitor = monitored(found(1), found(2, [250], n_devices=300))
    cells, _ = monitor.raster()
    assert cells.shape == (4, 300)
    assert (cells[-2] == NOTHING).all()
    assert monitor.counts().frames == 2


def test_a_raster_needs_two_slots():
    with pytest.raises(ValueError, match="n_frames"):
        Monitor(1)


def test_counts_of_the_last_slots_follow_a_change():
    monitor = Monitor(4)
    for k in range(10):  # all are missed at first, then none
        monitor.push(found(k, [3, 5], truth=True))
        monitor.push(found(k, [3, 5] if k > 5 else [9]))
    counts = monitor.counts()
    assert (counts.missed, counts.false_alarms) == (12, 6)
    assert (counts.recent.active, counts.recent.missed, counts.recent.false_alarms) == (8, 0, 0)
    assert monitor.figures().n_active == 2


def test_counting_begins_anew_after_a_reset():
    monitor = monitored(found(1, [3], truth=True), found(1, [4]))
    changes = monitor.changes()
    monitor.reset()
    assert monitor.changes() != changes
    assert (monitor.counts().frames, monitor.counts().missed, monitor.counts().recent.missed) == (0, 0, 0)
    monitor.push(found(2, [3], truth=True))
    monitor.push(found(2, [4]))
    assert (monitor.counts().frames, monitor.counts().missed, monitor.counts().recent.missed) == (1, 1, 1)


def test_names_of_devices_are_remembered():
    monitor = monitored(found(1, [3, 5], device_id=("three", "five")), found(2, [7], device_id=("seven",)))
    assert monitor.names() == {3: "three", 5: "five", 7: "seven"}
    monitor.push(found(3, [1], n_devices=50))
    assert monitor.names() == {}  # of another book


def test_what_each_device_said_last_is_kept():
    monitor = Monitor(5)
    monitor.push(found(1, [2, 5], payload=(b"21 \xc2\xb0C\0\0", b"\1\xff\0")))
    monitor.push(found(2, [2, 7], payload=(b"", b"")))
    assert monitor.said() == {2: "21 °C", 5: "01 ff"}
    monitor.push(found(3, [5], payload=(b"now\0",)))
    assert monitor.said() == {2: "21 °C", 5: "now"}
    monitor.push(found(4, [5], truth=True, payload=(b"true",)))
    assert monitor.said()[5] == "now"
    monitor.push(found(5, [1], n_devices=300))
    assert monitor.said() == {}
