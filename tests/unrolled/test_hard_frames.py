# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for frames that the layers leave unsettled: σ² by evidence, and sampling."""

from itertools import product

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.backend import kernel_for
from gr_jadce.detection import decide
from gr_jadce.metrics import nmse_db
from gr_jadce.numeric import sum_squares
from gr_jadce.unrolled import unrolled
from gr_jadce.unrolled.hard_frames import sampling
from gr_jadce.unrolled.hard_frames.noise_evidence import _evidence, _maximise, _spectrum, likely_noise_var

HEAVY = Scenario(make_pilots("gaussian", 288, 24, 21), n_antennas=8, activity_rate=0.7 / 12, snr_db=20)


def small(n_devices=5, length=4, antennas=2, frames=3, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((length, n_devices)) + 1j * rng.standard_normal((length, n_devices))
    Y = rng.standard_normal((frames, length, antennas)) + 1j * rng.standard_normal((frames, length, antennas))
    return A, 2 * Y


def log_likelihood(A, Y, variance, noise_var):
    """ln p(Y) of one frame (L, M) with these variances (N,), but for a constant."""
    covariance = (A * variance) @ A.conj().T + noise_var * np.eye(len(A))
    fit = np.vdot(Y, np.linalg.solve(covariance, Y)).real
    return -Y.shape[1] * np.linalg.slogdet(covariance)[1] - fit


def model_of(frames, noise_var=0.5):
    share = np.log(np.tile([0.2, 0.3, 0.5], (frames, 1)))
    return sampling._Model(
        np.full(frames, noise_var), np.tile([0.1, 0.5, 2.0], (frames, 1)), np.full(frames, -1.0), share
    )


def test_the_odds_of_a_device_are_those_of_its_two_likelihoods():
    A, Y = small()
    model, kind = model_of(3), np.array([[0, -1, 2, -1, -1], [-1, -1, -1, -1, -1], [1, 1, -1, 2, 0]])
    state = sampling._state(A, Y, kind, model)
    for b, n in product(range(3), range(5)):
        direction = state.inverse[b] @ A[:, n]
        spread, match = (A[:, n].conj() @ direction).real, A[:, n].conj() @ state.filtered[b]
        found, shares = sampling._odds(
            spread, sum_squares(match), state.variance[b, n], model.power[b], -1.0, model.share[b], 2
        )
        others = np.where(np.arange(5) == n, 0, state.variance[b])
        idle = log_likelihood(A, Y[b], others, 0.5)
        active = [log_likelihood(A, Y[b], others + w * (np.arange(5) == n), 0.5) for w in model.power[b]]
        odds = np.exp(-1.0) * np.sum(np.exp(model.share[b] + active - idle))
        assert found == pytest.approx(odds / (1 + odds), abs=1e-9)
        np.testing.assert_allclose(
            shares / shares.sum(), np.exp(model.share[b] + active - idle - 1) / odds, atol=1e-9
        )


def sweep(A, state, model, rng, backend="auto", threads=1):
    """One sweep; the chances."""
    chance, turns = sampling._chances(A, state, model), sampling._turns(rng, A.shape[1])
    sampling._sweep_of(kernel_for(backend), threads)(A, state, model, chance, *turns)
    return chance


@pytest.mark.parametrize(("backend", "threads"), [("numpy", 1), ("kernel", 1), ("kernel", 4)])
def test_a_sweep_keeps_the_inverse_and_its_kernel_does_the_same(backend, threads):
    A, Y = small(40, 8, 3, 6)
    model = model_of(6)
    kind = np.where(np.random.default_rng(1).random((6, 40)) < 0.2, 1, -1)
    state, plain = (sampling._state(A, Y, kind, model) for _ in range(2))
    chance = sweep(A, state, model, np.random.default_rng(5), backend, threads)
    again = sampling._state(A, Y, state.kind, model)
    assert np.any(state.kind != kind)
    np.testing.assert_allclose(state.inverse, again.inverse, atol=1e-9)
    np.testing.assert_allclose(state.filtered, again.filtered, atol=1e-9)
    expected = sweep(A, plain, model, np.random.default_rng(5), "numpy")
    np.testing.assert_array_equal(state.kind, plain.kind)
    np.testing.assert_allclose(chance, expected, atol=1e-9)


def test_sweeps_visit_supports_as_often_as_they_are_likely():
    """All 4⁴ supports of four devices enumerated; 4000 sweeps have a standard error below 0.02."""
    A, Y = small(4, 4, 2, 1, seed=4)
    Y = 0.3 * Y + A[:, :1] * [1.0, 1.0j]
    model, rng = model_of(1), np.random.default_rng(0)
    weights = {}
    for kind in product((-1, 0, 1, 2), repeat=4):
        variance = [0.0 if k < 0 else model.power[0, k] for k in kind]
        prior = sum(0.0 if k < 0 else -1.0 + model.share[0, k] for k in kind)
        weights[kind] = np.exp(log_likelihood(A, Y[0], np.array(variance), 0.5) + prior)
    active = np.array([[k >= 0 for k in kind] for kind in weights])
    expected = np.array(list(weights.values())) @ active / sum(weights.values())
    kind, seen = np.full((1, 4), -1), np.zeros(4)
    for _ in range(4000):
        state = sampling._state(A, Y, kind, model)
        sweep(A, state, model, rng)
        kind, seen = state.kind, seen + (state.kind[0] >= 0)
    np.testing.assert_allclose(seen / 4000, expected, atol=0.06)
    assert expected.max() - expected.min() > 0.2


@pytest.mark.parametrize("known", [True, False])
def test_sampling_makes_hard_frames_right(known):
    received, channel, activity, noise_var = simulate(HEAVY, 24, seed=777)
    noise_var = noise_var if known else None
    plain, sampled = (unrolled(HEAVY.pilots, sweeps=n)(received, noise_var) for n in (0, 30))
    assert nmse_db(sampled.channel, channel) < nmse_db(plain.channel, channel) - 0.4
    wrong = [np.sum((estimate.score > 0) != activity) for estimate in (plain, sampled)]
    assert wrong[1] <= wrong[0]
    assert sampled.n_iter.max() > plain.n_iter.max() + sampling.CHAINS * 30 - 1


@pytest.mark.parametrize("known", [True, False])
def test_sampling_makes_no_decisions_worse_where_supports_cannot_be_told_apart(known):
    scenario = Scenario(make_pilots("gaussian", 192, 24, 1), n_antennas=4, activity_rate=0.7 / 8, snr_db=20)
    received, channel, _, noise_var = simulate(scenario, 24, seed=7)
    noise_var, nmse = noise_var if known else None, []
    for sweeps in (0, 30):
        estimate = unrolled(scenario.pilots, sweeps=sweeps)(received, noise_var)
        decision = decide(estimate, received, scenario.pilots, 1e-3, noise_var)
        nmse.append(nmse_db(decision.channel, channel))
    assert nmse[1] < nmse[0] - (0.5 if known else 0.0)


@pytest.mark.parametrize(("snr_db", "published"), [(16, 0.980), (20, 0.996)])
def test_heavy_load_is_decided_as_well_as_a_learned_detector_does(snr_db, published):
    scenario = Scenario(make_pilots("qpsk", 400, 30, seed=5), n_antennas=4, n_active=20, snr_db=snr_db)
    received, _, activity, noise_var = simulate(scenario, 200, seed=5)
    estimate = unrolled(scenario.pilots)(received, noise_var)
    decided = decide(estimate, received, scenario.pilots, 1e-4, noise_var).activity
    assert 2 * np.sum(decided & activity) / (decided.sum() + activity.sum()) > published


def test_a_frame_does_not_hang_on_its_batch():
    received, *_ = simulate(HEAVY, 8, seed=3)
    network = unrolled(HEAVY.pilots, sweeps=4)
    together = network(received)
    hard = np.flatnonzero(together.n_iter > network.weights.n_layers)
    assert hard.size
    for b in hard[:3]:
        alone = network(received[b])
        np.testing.assert_allclose(alone.channel[0], together.channel[b], atol=1e-5)
        np.testing.assert_allclose(alone.score[0], together.score[b], rtol=1e-4)


@pytest.mark.parametrize("noise_var", [None, 1e-30])
def test_silence_and_no_noise_are_no_trouble(noise_var):
    received, *_ = simulate(HEAVY, 6, seed=3)
    received[0] = 0
    result = unrolled(HEAVY.pilots, sweeps=3)(received, noise_var)
    assert np.isfinite(result.channel).all() and np.isfinite(result.score).all()
    assert np.abs(result.channel[0]).max() < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sweeps": -1}, "sweeps: expected an integer of at least 0, got -1"),
        ({"sweeps": 2.5}, "sweeps: expected an integer of at least 0, got 2.5"),
        ({"sweeps": True}, "sweeps: expected an integer of at least 0, got True"),
        ({"sweeps": 3, "n_layers": 4}, 'sweeps: expected 0 with n_layers=4, for "auto" finds hard frames'),
    ],
)
def test_wrong_sweeps_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        unrolled(HEAVY.pilots, **options)


def test_the_evidence_is_the_likelihood_and_its_maximum_is_one():
    A, Y = small(8, 6, 2, 4)
    activity = np.random.default_rng(2).random((4, 8)) < 0.4
    activity[0], activity[1] = False, True  # nobody, and more devices than pilot symbols
    spectrum = _spectrum(A, Y, activity)
    power, noise_var = np.full(4, 0.7), np.full(4, 0.3)
    found = _evidence(spectrum, power, noise_var, 6, 2)
    expected = [log_likelihood(A, Y[b], 0.7 * activity[b], 0.3) for b in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    best, at = _maximise(A, Y[2:], activity[2:], noise_var[2:])
    count = activity[2:].sum(axis=1)
    prior = count * np.log((count + 0.5) / (8 - count - 0.5)).clip(None, 0)
    grid = np.geomspace(1e-2, 1e2, 81)
    for b in range(2):
        values = [
            log_likelihood(A, Y[2 + b], g * activity[2 + b], v) for g, v in product(grid, at[b] * grid**0.5)
        ]
        assert best[b] - prior[b] > max(values) - 0.2


def test_the_noise_variance_found_is_near_the_truth():
    scenario = Scenario(make_pilots("gaussian", 100, 40, 2), n_active=8, snr_db=15)
    received, _, activity, noise_var = simulate(scenario, 300, seed=1)
    nobody = np.zeros_like(activity)
    candidates = [(activity, np.full(300, 3 * noise_var)), (nobody, np.full(300, noise_var))]
    found = likely_noise_var(scenario.pilots.matrix, received, candidates)
    assert np.mean(found) == pytest.approx(noise_var, rel=0.05)


def test_silence_has_a_noise_variance():
    activity = np.array([[False] * 8, [True] * 8])
    found = likely_noise_var(
        small(8, 6)[0], np.zeros((2, 6, 1), complex), [(activity, np.full(2, 1e-38))] * 2
    )
    assert np.all(np.isfinite(found) & (found > 0) & (found < 1e-30))


def test_one_antenna_loses_little_by_not_knowing_the_noise():
    scenario = Scenario(make_pilots("gaussian", 100, 40, 21), activity_rate=0.1, snr_db=15)
    received, channel, _, noise_var = simulate(scenario, 500, seed=777)
    network = unrolled(scenario.pilots)
    known, blind = (nmse_db(network(received, told).channel, channel) for told in (noise_var, None))
    told_nothing = nmse_db(network._estimate(received, None).channel, channel)
    assert blind < known + 0.4
    assert blind < told_nothing - 0.05


def test_powers_fitted_to_hard_frames_make_most_of_them_right():
    """As many devices as three quarters of the symbols: the layers alone give −9.5 dB and F1 0.94."""
    book = make_pilots("qpsk", 192, 24, seed=1)
    uplink = simulate(Scenario(book, 4, n_active=18, snr_db=20), 60, seed=3)
    estimate = unrolled(book)(uplink.received, uplink.noise_var)
    right = np.sum((estimate.score > 0) & uplink.activity)
    f1 = 2 * right / (np.sum(estimate.score > 0) + uplink.activity.sum())
    assert f1 > 0.97
    assert nmse_db(estimate.channel, uplink.channel) < -13.0
