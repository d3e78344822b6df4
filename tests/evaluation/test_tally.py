# SPDX-License-Identifier: GPL-3.0-or-later
"""Pooled counts against the same figures computed from all frames at once."""

import json

import numpy as np
import pytest

from gr_jadce import Scenario, decide, make_pilots, metrics, pc_admm, simulate
from gr_jadce.evaluation.tally import Tally, score_bin

BOOK = make_pilots("gaussian", 60, 24, seed=2)


@pytest.fixture(scope="module")
def run():
    uplink = simulate(Scenario(BOOK, 2, snr_db=5), 40, seed=1)
    estimate = pc_admm(BOOK)(uplink.received, uplink.noise_var)
    return uplink, estimate, decide(estimate, uplink.received, BOOK, 1e-2, uplink.noise_var)


def part(named, index):
    """These frames of an Uplink, Estimate or Decision."""
    return named._replace(
        **{k: v[index] for k, v in named._asdict().items() if isinstance(v, np.ndarray) and v.ndim}
    )


def tally_of(run, *slices):
    tally = Tally()
    for index in slices:
        tally.add(*(part(named, index) for named in run))
    return tally


def test_figures_are_those_of_metrics(run):
    uplink, estimate, decision = run
    figures = tally_of(run, slice(None)).figures(1e-2)
    truth = uplink.activity
    expected = {
        "nmse_db": metrics.nmse_db(estimate.channel, uplink.channel),
        "refit_nmse_db": metrics.nmse_db(decision.channel, uplink.channel),
        "miss_probability": metrics.miss_probability(decision.activity, truth),
        "false_alarm_probability": metrics.false_alarm_probability(decision.activity, truth),
        "activity_error_rate": metrics.activity_error_rate(decision.activity, truth),
        "iterations": estimate.n_iter.mean(),
        "log10_gap": np.log10(estimate.gap).mean(),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    in_hindsight = metrics.miss_at_false_alarm(estimate.score, truth, 1e-2)
    assert figures["miss_at_false_alarm"] == pytest.approx(in_hindsight, abs=0.015)
    for name in ("nmse_db", "miss_probability", "activity_error_rate"):
        low, high = figures[f"{name}_interval"]
        assert low < figures[name] < high


def test_the_nmse_interval_is_that_of_metrics_where_it_is_short(run):
    uplink, estimate, _ = run
    error, power = (
        np.sum(np.abs(x) ** 2, axis=(1, 2)) for x in (estimate.channel - uplink.channel, uplink.channel)
    )
    expected = metrics.nmse_interval_db(error, power)
    interval = tally_of(run, slice(None)).figures(1e-2)["nmse_db_interval"]
    np.testing.assert_allclose(interval, expected, atol=0.1)


def test_tallies_add_up_and_survive_json(run):
    whole = tally_of(run, slice(None))
    tally = tally_of(run, slice(0, 7))
    tally.merge(Tally.from_dict(json.loads(json.dumps(tally_of(run, slice(7, 20), slice(20, 40)).to_dict()))))
    np.testing.assert_array_equal(tally.scores, whole.scores)
    assert tally.sums == pytest.approx(whole.sums)


def test_the_roc_ends_at_one_and_holds_the_hindsight_threshold(run):
    tally = tally_of(run, slice(None))
    false_alarm, detection = tally.roc()
    assert np.all(np.diff(false_alarm) >= 0)
    assert np.all(np.diff(detection) >= 0)
    assert (false_alarm[-1], detection[-1]) == (1, 1)
    figures = tally.figures(0.05)
    assert 1 - figures["miss_at_false_alarm"] == pytest.approx(detection[false_alarm <= 0.05][-1])


def test_score_bins_sort_like_scores():
    scores = np.array([-np.inf, -300, -1, -1e-3, -0.0, 0.0, 1e-30, 0.5, 0.51, 2, 1e9, np.inf])
    bins = score_bin(scores)
    assert bins[4] == bins[5]
    assert np.all(np.diff(np.delete(bins, 4)) > 0)
    assert 0 <= bins.min() <= bins.max() < 1 << 16


def test_nobody_active_leaves_no_figures(run):
    uplink, estimate, decision = run
    silent = uplink._replace(channel=0 * uplink.channel, activity=np.zeros_like(uplink.activity))
    tally = Tally()
    tally.add(silent, estimate, decision)
    figures = tally.figures(1e-2)
    assert figures["nmse_db"] is figures["miss_probability"] is figures["miss_at_false_alarm"] is None
    assert figures["false_alarm_probability"] > 0


def test_a_channel_that_is_not_finite_is_an_error(run):
    uplink, estimate, decision = run
    broken = estimate._replace(channel=estimate.channel * np.nan)
    with pytest.raises(ValueError, match="finite channels"):
        Tally().add(uplink, broken, decision)
