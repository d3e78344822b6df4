# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth of a simulated uplink as reports."""

import numpy as np
import pytest

from gr_jadce.pilots import make_pilots
from gr_jadce.reports.truth import truth_report
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.bursts import simulate_bursts
from gr_jadce.uplink.tapped_delay_lines import TappedDelayLines
from gr_jadce.waveform import Waveform

BOOK = make_pilots("gaussian", n_devices=20, pilot_length=16, seed=3)


def truths(n_slots=3, **options):
    scenario = Scenario(BOOK, 2, cyclic_prefix=8, **options)
    _, truth = simulate_bursts(scenario, Waveform(4, cyclic_prefix=8), 300, n_slots, seed=1)
    return truth, [truth_report(scenario, truth, k, k, (0, 0.0)) for k in range(n_slots)]


def test_the_truth_of_several_paths_has_them_all():
    lines = TappedDelayLines("A", 1e-6, BOOK.n_devices, 2, n_active=3, seed=2)
    uplink, reports = truths(channels=lines)
    for report, arrivals in zip(reports, uplink.paths, strict=True):
        assert report.taps.counts.tolist() == [arrivals.delay.shape[1]] * 3
        for row in range(3):
            delay, gain = report.taps.of(row)
            assert delay == pytest.approx(arrivals.delay[row])
            assert (gain == arrivals.gain[row].T).all()


def test_paths_that_are_not_there_are_no_taps():
    lines = TappedDelayLines("A", 1e-6, BOOK.n_devices, 2, n_active=3, seed=2)
    uplink, _ = truths(channels=lines)
    uplink.paths[1].gain[1, :, 2:] = 0
    report = truth_report(Scenario(BOOK, 2), uplink, 1, 1, (0, 0.0))
    n_paths = uplink.paths[1].delay.shape[1]
    assert report.taps.counts.tolist() == [n_paths, 2, n_paths]
    assert np.array_equal(report.taps.of(1)[1], uplink.paths[1].gain[1, :, :2].T)


def test_the_truth_of_one_path_each_is_channel_and_delay():
    _, reports = truths(max_delay=5.0, n_active=4)
    for report in reports:
        assert report.taps is None
        assert (report.responses.delay == report.delay).all()


def test_the_truth_in_step_tells_no_delay():
    scenario = Scenario(BOOK, 2, n_active=4)
    report = truth_report(scenario, simulate(scenario, 1), 0, 0, (0, 0.0))
    assert report.responses is None
