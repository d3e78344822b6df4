# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce import metrics


def test_nmse_is_a_ratio_of_sums():
    channel = np.array([[[1.0 + 1j]], [[3.0]]])
    estimated = channel + np.array([[[0.1]], [[0.1j]]])
    assert metrics.nmse_db(estimated, channel) == pytest.approx(10 * np.log10(0.02 / 11))
    assert metrics.nmse_db(channel, channel) == -np.inf
    with pytest.raises(ValueError, match="channel: expected at least one active device"):
        metrics.nmse_db(channel, 0 * channel)


def test_probabilities_are_pooled():
    activity = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool)
    decided = np.array([[1, 0, 1, 0], [1, 0, 0, 0]], dtype=bool)
    assert metrics.miss_probability(decided, activity) == pytest.approx(1 / 3)
    assert metrics.false_alarm_probability(decided, activity) == pytest.approx(1 / 5)
    assert metrics.activity_error_rate(decided, activity) == pytest.approx(2 / 8)
    assert np.isnan(metrics.miss_probability(decided, np.zeros_like(activity)))


def test_miss_at_false_alarm_finds_the_threshold():
    activity = np.zeros((1, 110), dtype=bool)
    activity[0, 100:] = True
    score = np.concatenate([np.arange(100), 90 + np.arange(10) + 0.5])[None].astype(float)
    assert metrics.miss_at_false_alarm(score, activity, 0.05) == pytest.approx(0.4)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"decided: expected the shape \(3,\) of activity, got \(2,\)"):
        metrics.miss_probability(np.zeros(2, bool), np.zeros(3, bool))


def test_wilson_interval_covers_as_often_as_it_says():
    counts = np.random.default_rng(0).binomial(200, 0.03, 2000)
    covered = [low <= 0.03 <= high for low, high in (metrics.wilson_interval(c, 200) for c in counts)]
    assert 0.92 < np.mean(covered) < 0.98
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)
    assert metrics.wilson_interval(0, 100)[0] == 0.0


def test_nmse_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(500):
        power = rng.exponential(size=200)
        error = 0.1 * power * rng.exponential(size=200)
        low, high = metrics.nmse_interval_db(error, power)
        covered += low <= -10 <= high
    assert 0.9 < covered / 500 < 0.98


def test_wilson_interval_ends_exactly_at_none_and_all():
    for total in (3, 200, 60_000):
        assert metrics.wilson_interval(0, total)[0] == 0.0
        assert metrics.wilson_interval(total, total)[1] == 1.0
