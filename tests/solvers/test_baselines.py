# SPDX-License-Identifier: GPL-3.0-or-later
"""The baselines without a certificate, and the oracles."""

import numpy as np
import pytest

from gr_jadce import Scenario, as_pilot_book, make_pilots, simulate
from gr_jadce.metrics import miss_at_false_alarm, nmse_db
from gr_jadce.solvers import amp, covariance_ml, m_sbl, oracle_ls, oracle_mmse, somp, vamp
from gr_jadce.solvers.baseline import least_squares
from gr_jadce.solvers.message_passing import bernoulli_gaussian, soft_threshold
from gr_jadce.solvers.sbl import _posterior

BOOK = make_pilots("gaussian", 60, 24, seed=2)
BLIND = {"somp": somp, "amp": amp, "vamp": vamp, "m_sbl": m_sbl, "covariance_ml": covariance_ml}
RNG = np.random.default_rng(0)


def frames(n_antennas=4, n_frames=20, snr_db=20, **options):
    return simulate(Scenario(BOOK, n_antennas, snr_db=snr_db, **options), n_frames, seed=4)


def noisy_rows(n_rows, n_antennas, real=False):
    """Bernoulli-Gaussian rows of rate 0.2 and power 2, and the same in noise of variance 0.5."""
    parts = RNG.standard_normal((2, 2, n_rows, 1, n_antennas))
    draw, noise = parts[0] if real else (parts[0] + 1j * parts[1]) / np.sqrt(2)
    X = draw * np.sqrt(2) * (RNG.random((n_rows, 1, 1)) < 0.2)
    return X, X + np.sqrt(0.5) * noise


@pytest.mark.parametrize("name", BLIND)
def test_close_to_the_oracle_where_detection_is_easy(name):
    uplink = frames()
    estimate = BLIND[name](BOOK)(uplink.received, uplink.noise_var)
    bound = oracle_mmse(BOOK)(uplink.received, uplink.noise_var, activity=uplink.activity)
    assert estimate.channel.dtype == np.complex64
    assert nmse_db(bound.channel, uplink.channel) < nmse_db(estimate.channel, uplink.channel) + 0.05
    assert nmse_db(estimate.channel, uplink.channel) < nmse_db(bound.channel, uplink.channel) + 2
    assert miss_at_false_alarm(estimate.score, uplink.activity, 1e-2) < 0.02


@pytest.mark.parametrize("name", BLIND)
def test_a_frame_does_not_depend_on_its_batch(name):
    uplink = frames(n_frames=5, snr_db=10)
    estimator = BLIND[name](BOOK)
    whole, alone = estimator(uplink.received), estimator(uplink.received[3])
    np.testing.assert_allclose(alone.channel[0], whole.channel[3], atol=1e-4)
    np.testing.assert_allclose(alone.score[0], whole.score[3], rtol=1e-4, atol=1e-4)
    assert alone.n_iter[0] == whole.n_iter[3]


@pytest.mark.parametrize("name", BLIND)
def test_scale_and_silence(name):
    received = frames(n_frames=3, snr_db=10).received.astype(complex)
    received[1] = 0
    estimator = BLIND[name](BOOK)
    small, large = (estimator(scale * received) for scale in (1e-4, 1e4))
    np.testing.assert_allclose(small.channel * 1e8, large.channel, rtol=1e-5, atol=1e-3)
    assert not large.channel[1].any()
    assert np.all(np.isfinite(large.score))


@pytest.mark.parametrize("name", BLIND)
@pytest.mark.parametrize("kind", ["dft", "hadamard", "qpsk"])
def test_no_divergence_at_heavy_load(name, kind):
    """As many active devices as pilot symbols: nobody can do well, nobody may blow up."""
    scenario = Scenario(make_pilots(kind, 120, 16, seed=1), 8, n_active=16, snr_db=20)
    uplink = simulate(scenario, 10)
    for noise_var in (uplink.noise_var, None):
        estimate = BLIND[name](scenario.pilots)(uplink.received, noise_var)
        assert nmse_db(estimate.channel, uplink.channel) < 4


def test_oracles_solve_the_normal_equations():
    uplink = frames(n_frames=4, snr_db=5)
    A, ridge = BOOK.matrix.astype(complex), uplink.noise_var / 2.0
    for estimator, load in ((oracle_ls(BOOK), 0.0), (oracle_mmse(BOOK, power=2.0), ridge)):
        estimate = estimator(uplink.received, uplink.noise_var, activity=uplink.activity)
        for received, active, channel in zip(uplink.received, uplink.activity, estimate.channel, strict=True):
            gram = A[:, active].conj().T @ A[:, active] + load * np.eye(active.sum())
            expected = np.linalg.solve(gram, A[:, active].conj().T @ received)
            np.testing.assert_allclose(channel[active], expected, atol=1e-5)
            assert not channel[~active].any()


def test_least_squares_with_more_devices_than_symbols_is_minimum_norm():
    A = RNG.standard_normal((3, 5))
    Y = RNG.standard_normal((3, 2, 1))
    support = np.array([[1, 0], [1, 0], [1, 1], [1, 0], [0, 0]], dtype=bool)
    X = least_squares(A, Y, support)
    np.testing.assert_allclose(X[:4, 0], np.linalg.pinv(A[:, :4]) @ Y[:, 0], atol=1e-10)
    np.testing.assert_allclose(X[2, 1, 0], A[:, 2] @ Y[:, 1, 0] / (A[:, 2] @ A[:, 2]))


@pytest.mark.parametrize("activity", [None, np.zeros((4, 59), bool)])
def test_oracles_ask_for_the_truth(activity):
    with pytest.raises(ValueError, match=r"activity: expected .* shape \(4, 60\)"):
        oracle_ls(BOOK)(frames(n_frames=4).received, 0.1, activity=activity)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("n_antennas", [1, 4])
def test_the_denoiser_is_the_posterior_mean(real, n_antennas):
    """Its error is the smallest among shrinkages of it, and its slope is τ²'s share left (Stein)."""
    X, T = noisy_rows(200_000, n_antennas, real)
    post = bernoulli_gaussian(T, np.array([0.5]), np.array([0.2]), np.array([2.0]))
    error = np.mean(np.abs(post.mean - X) ** 2)
    for factor in (0.97, 1.03):
        assert error < np.mean(np.abs(factor * post.mean - X) ** 2)
    np.testing.assert_allclose(0.5 * post.slope[0], error, rtol=0.02)
    np.testing.assert_allclose([post.rate[0], post.power[0]], [0.2, 2.0], rtol=0.02)
    even = np.abs(post.llr) < 0.3
    np.testing.assert_allclose(np.mean(X[even].any(axis=1)), 0.5, atol=0.05)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("n_antennas", [1, 3])
def test_the_slope_of_the_soft_threshold_obeys_steins_identity(real, n_antennas):
    X, T = noisy_rows(200_000, n_antennas, real)
    shrunk, slope = soft_threshold(T, np.array([0.5]), 1.0)
    correlation = np.mean(((T - X).conj() * shrunk).real)  # = τ² · mean divergence
    np.testing.assert_allclose(0.5 * slope[0], correlation, rtol=0.03)


def test_amp_with_soft_threshold_solves_a_lasso():
    """At its fixed point AMP solves a LASSO (Donoho, Maleki, Montanari); real pilots, real frames."""
    A = RNG.standard_normal((120, 240)) / np.sqrt(120)
    X = RNG.standard_normal((1, 240, 1)) * (RNG.random((1, 240, 1)) < 0.1)
    book = as_pilot_book(A)
    received = book.matrix.real @ X + 0.01 * RNG.standard_normal((1, 120, 1))
    estimate = amp(book, denoiser="soft", damping=1.0, max_iter=400)(received, 1e-4)
    correlation = book.matrix.real.T @ (received[0] - book.matrix.real @ estimate.channel[0].real)
    correlation /= np.linalg.norm(A, axis=0)[:, None]  # the LASSO is that of pilots with unit norms
    active = np.abs(estimate.channel[0, :, 0]) > 1e-4
    lam = np.abs(correlation[active]).mean()
    np.testing.assert_allclose(np.abs(correlation[active]), lam, rtol=0.02)
    assert np.all(np.abs(correlation[~active]) <= 1.02 * lam)


def test_m_sbl_increases_the_likelihood():
    uplink = frames(n_frames=3, snr_db=10)
    Y = np.moveaxis(uplink.received, 0, 1).astype(complex)
    A, noise_var = BOOK.matrix.astype(complex), np.full(3, uplink.noise_var)

    def log_likelihood(gamma):
        covariance = (A * gamma[:, None]) @ A.conj().T + uplink.noise_var * np.eye(24)
        fit = np.sum(Y.conj() * np.linalg.solve(covariance, np.moveaxis(Y, 1, 0)).swapaxes(0, 1)).real
        return -Y.shape[2] * np.linalg.slogdet(covariance)[1].sum() - fit

    gammas = [m_sbl(BOOK, max_iter=k, tol=1e-12)(uplink.received, uplink.noise_var).score for k in (1, 5, 50)]
    values = [log_likelihood(gamma) for gamma in gammas]
    assert values[0] < values[1] < values[2]
    best = covariance_ml(BOOK, max_iter=100, tol=1e-9)(uplink.received, uplink.noise_var)
    assert log_likelihood(best.score) > values[2]
    correlation, spread = _posterior(A, Y, noise_var, best.score)
    slope = np.sum(np.abs(correlation) ** 2, axis=2) / Y.shape[2] - spread  # dlogp/dγ, up to M
    scale = 1 / uplink.noise_var
    assert np.all(np.abs(slope[best.score > 0]) < 1e-3 * scale)
    assert np.all(slope[best.score == 0] < 1e-3 * scale)


def test_somp_picks_the_number_asked_for():
    estimate = somp(BOOK, n_active=3)(frames().received, 0.1)
    assert np.all(estimate.channel.any(axis=2).sum(axis=1) == 3)
    assert np.all(estimate.n_iter == 3)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (amp, {"activity_rate": 0}),
        (amp, {"denoiser": "hard"}),
        (vamp, {"damping": 0}),
        (vamp, {"power": -1}),
        (vamp, {"noise_var": 0}),
        (somp, {"n_active": 25}),
        (somp, {"noise_pick": 1}),
        (m_sbl, {"max_iter": 0}),
        (covariance_ml, {"tol": 0}),
        (oracle_mmse, {"power": 0}),
    ],
)
def test_bad_options_are_refused_by_name(method, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        method(BOOK, **options)


def test_somp_picks_no_more_devices_than_there_are():
    few = make_pilots("gaussian", 3, 8, seed=1)
    received = simulate(Scenario(few, 1, n_active=3), 4, seed=1).received
    found, all_of_them = somp(few, n_active=5)(received, 0.1), somp(few, n_active=3)(received, 0.1)
    np.testing.assert_array_equal(found.score, all_of_them.score)


@pytest.mark.parametrize("snr_db", [40, 150, 300])
def test_covariance_ml_bears_next_to_no_noise(snr_db):
    uplink = simulate(Scenario(BOOK, 1, activity_rate=0.1, snr_db=snr_db), 10, seed=1)
    estimate = covariance_ml(BOOK)(uplink.received, uplink.noise_var)
    assert np.isfinite(estimate.channel).all()
    assert np.median(np.abs(estimate.channel - uplink.channel).max(axis=(1, 2))) < 0.1
