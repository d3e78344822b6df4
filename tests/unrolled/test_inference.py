# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimator that runs trained weights, without torch."""

from pathlib import Path

import numpy as np
import pytest

from gr_jadce import Scenario, decide, make_estimator, make_pilots, simulate
from gr_jadce.metrics import nmse_db
from gr_jadce.unrolled import Weights, load_weights, unrolled
from gr_jadce.unrolled.layers import SHAPES
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS, FORMAT_VERSION

REFERENCE = Path(__file__).parent / "reference.npz"  # written by test_network.write_reference, in torch


@pytest.fixture(scope="module")
def shipped():
    return load_weights(DEFAULT_WEIGHTS)


@pytest.mark.parametrize("known", [True, False])
def test_numpy_gives_what_torch_gave(known):
    with np.load(REFERENCE, allow_pickle=False) as file:
        reference = dict(file)
    arrays = {name: reference[name] for name in SHAPES}
    meta = {
        "format_version": FORMAT_VERSION,
        "n_layers": len(arrays["beta"]),
        "scenario": {},
        "provenance": {},
    }
    weights = Weights(arrays, meta)
    noise_var = float(reference["noise_var"]) if known else None
    result = unrolled(reference["pilots"], weights, weights.n_layers)(reference["received"], noise_var)
    scale = np.abs(result.channel).max()
    kind = "known" if known else "unknown"
    np.testing.assert_allclose(result.channel, reference[f"channel_{kind}"], atol=1e-5 * scale)
    np.testing.assert_allclose(result.score, reference[f"score_{kind}"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"n_layers": 0}, {"n_layers": 99}, {"n_layers": "all"}, {"noise_var": -1.0}, {"tol": 0}],
    ids=str,
)
def test_wrong_options_are_refused_by_name(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make_estimator("unrolled", make_pilots("gaussian", 20, 10), **options)


@pytest.fixture(scope="module")
def uplink():
    scenario = Scenario(make_pilots("gaussian", 200, 64, 7), n_antennas=4, snr_db=15)
    return scenario, simulate(scenario, 60, seed=11)


@pytest.mark.parametrize("known", [True, False])
def test_shipped_weights_come_near_the_oracle(uplink, known):
    """MMSE with the support known gives -18.45 dB here, group LASSO at its best λ -12.7 dB."""
    scenario, (received, channel, _, noise_var) = uplink
    result = unrolled(scenario.pilots)(received, noise_var if known else None)
    assert nmse_db(result.channel, channel) < -18.0


def test_auto_ends_early_at_hardly_any_loss(uplink, shipped):
    scenario, (received, channel, _, noise_var) = uplink
    whole = unrolled(scenario.pilots, n_layers=shipped.n_layers)(received, noise_var)
    early = unrolled(scenario.pilots)(received, noise_var)
    assert np.all(whole.n_iter == shipped.n_layers)
    assert early.n_iter.mean() < shipped.n_layers - 2
    assert nmse_db(early.channel, channel) < nmse_db(whole.channel, channel) + 0.05


def test_hard_frames_go_through_the_later_layers_again(shipped):
    """Ten devices a symbol, three active for four: undamped VAMP diverges, damped it gives -14.7 dB."""
    scenario = Scenario(make_pilots("gaussian", 240, 24, 7), n_antennas=8, n_active=18, snr_db=20)
    received, channel, _, noise_var = simulate(scenario, 24, seed=3)
    result = unrolled(scenario.pilots)(received, noise_var)
    assert result.n_iter.min() > shipped.n_layers
    assert nmse_db(result.channel, channel) < -14.0


def test_more_layers_are_better_down_to_one(uplink):
    scenario, (received, channel, _, noise_var) = uplink
    networks = [unrolled(scenario.pilots, n_layers=k) for k in (1, 3, 6)]
    figures = [nmse_db(network(received, noise_var).channel, channel) for network in networks]
    assert figures[0] < -1
    assert figures[0] - 3 > figures[1] > figures[2] + 1


def test_decisions_keep_the_wanted_false_alarm_probability(uplink):
    scenario, (received, _, activity, _) = uplink
    decision = decide(unrolled(scenario.pilots)(received), received, scenario.pilots, false_alarm=1e-2)
    idle = ~activity
    share = (decision.activity & idle).sum() / idle.sum()  # of about 10 800: standard error 1e-3
    assert 0.006 < share < 0.014


def test_decided_devices_keep_the_rows_of_the_posterior_mean(uplink):
    scenario, (received, channel, _, noise_var) = uplink
    pilots = scenario.pilots
    estimate = unrolled(pilots)(received, noise_var)
    kept = decide(estimate, received, pilots, 1e-2, noise_var)
    refitted = decide(estimate._replace(posterior_mean=False), received, pilots, 1e-2, noise_var)
    np.testing.assert_array_equal(kept.channel[kept.activity], estimate.channel[kept.activity])
    assert not kept.channel[~kept.activity].any()
    assert nmse_db(kept.channel, channel) < nmse_db(refitted.channel, channel)


def test_one_frame_may_come_without_a_batch_axis(uplink):
    scenario, (received, *_) = uplink
    network = unrolled(scenario.pilots)
    np.testing.assert_allclose(network(received[0]).channel[0], network(received[:1]).channel[0])
    assert np.isnan(network(received[0]).gap).all()


def test_a_frame_left_unexplained_takes_the_second_path(shipped):
    scenario = Scenario(make_pilots("gaussian", 288, 24, 11), n_antennas=8, activity_rate=0.4 / 12, snr_db=30)
    received, channel, _, noise_var = simulate(scenario, 40, seed=123)
    network = unrolled(scenario.pilots, shipped)
    first = network._estimate(received, noise_var).channel
    second = network(received, noise_var).channel
    changed = np.any(first != second, axis=(1, 2))
    assert 0 < changed.sum() < 20
    assert nmse_db(second[changed], channel[changed]) < nmse_db(first[changed], channel[changed]) - 3
