# SPDX-License-Identifier: GPL-3.0-or-later
"""Monte-Carlo figures: miss probability and capacity, with estimators whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots
from gr_jadce.estimate import Estimate
from gr_jadce.evaluation.capacity import capacity, simulated_miss_probability


@pytest.fixture
def scenario():
    return Scenario(make_pilots("gaussian", 40, 32, seed=1), n_antennas=4, n_active=4, snr_db=20)


def matched_filter(pilots):
    def estimator(received, noise_var=None):
        channel = pilots.matrix.conj().T @ received
        n_frames = len(received)
        return Estimate(channel, np.abs(channel).sum(axis=2), np.zeros(n_frames, int), np.zeros(n_frames))

    return estimator


def test_few_are_missed_at_high_snr_and_most_in_noise(scenario):
    estimator = matched_filter(scenario.pilots)
    assert simulated_miss_probability(estimator, scenario, 100) < 0.02
    assert simulated_miss_probability(estimator, replace(scenario, snr_db=-20), 100) > 0.9


def test_batches_do_not_matter(scenario, monkeypatch):
    estimator = matched_filter(scenario.pilots)
    whole = simulated_miss_probability(estimator, scenario, 70, seed=3)
    monkeypatch.setattr("gr_jadce.evaluation.capacity._BATCH", 9)
    assert simulated_miss_probability(estimator, scenario, 70, seed=3) == pytest.approx(whole, abs=1e-12)


def test_nobody_active_has_no_miss_probability(scenario):
    assert np.isnan(
        simulated_miss_probability(matched_filter(scenario.pilots), replace(scenario, n_active=0), 5)
    )


def test_capacity_is_where_misses_pass_the_limit(scenario, monkeypatch):
    monkeypatch.setattr(
        "gr_jadce.evaluation.capacity.simulated_miss_probability",
        lambda _e, s, *_, **_options: 0.05 if s.n_active <= 11 else 0.06,
    )
    assert capacity(None, scenario) == 11


@pytest.mark.parametrize(("share", "carried"), [(0.0, 32), (1.0, 0)])
def test_capacity_at_its_ends(scenario, monkeypatch, share, carried):
    monkeypatch.setattr(
        "gr_jadce.evaluation.capacity.simulated_miss_probability", lambda *_, **_options: share
    )
    assert capacity(None, scenario) == carried


def test_capacity_grows_with_the_snr(scenario):
    estimator = matched_filter(scenario.pilots)
    loads = [capacity(estimator, replace(scenario, snr_db=snr), n_frames=20) for snr in (-10, 20)]
    assert 0 <= loads[0] < loads[1] <= 32
