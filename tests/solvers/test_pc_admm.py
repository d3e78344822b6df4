# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, pc_admm, simulate
from gr_jadce.solvers import group_lasso
from gr_jadce.solvers.pc_admm import check_admissible, step, strictly_contractive

BOOK = make_pilots("gaussian", 60, 24, seed=2)


def frames(n_antennas=3, n_frames=8, snr_db=10):
    return simulate(Scenario(BOOK, n_antennas, snr_db=snr_db), n_frames, seed=4)


def gap_of(estimate, received, lam):
    Y, X = (np.moveaxis(array.astype(complex), 0, 1) for array in (received, estimate.channel))
    return group_lasso.duality_gap(BOOK.matrix.astype(complex), Y, X, lam)


@pytest.mark.parametrize("n_antennas", [1, 3, 30])  # 30 > L: the antennas are reduced
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_certificate_holds_in_the_original_coordinates(n_antennas, dtype):
    received = frames(n_antennas).received.astype(dtype)
    estimate = pc_admm(BOOK, lam_ratio=0.1, tol=1e-5)(received)
    assert estimate.channel.dtype == dtype and estimate.channel.shape == (8, 60, n_antennas)
    lam = 0.1 * group_lasso.lam_max(BOOK.matrix, np.moveaxis(received, 0, 1))
    assert np.all(gap_of(estimate, received, lam) < 2e-5)
    np.testing.assert_allclose(gap_of(estimate, received, lam), estimate.gap, atol=2e-6)


def test_optimality_conditions():
    received = frames().received.astype(complex)
    lam = 0.1 * group_lasso.lam_max(BOOK.matrix, np.moveaxis(received, 0, 1))
    estimate = pc_admm(BOOK, lam_ratio=0.1, tol=1e-13, max_iter=3000)(received)
    residual = received - BOOK.matrix.astype(complex) @ estimate.channel
    correlation = BOOK.matrix.astype(complex).conj().T @ residual
    norm = np.linalg.norm(estimate.channel, axis=2)
    inactive = norm == 0
    assert 0 < inactive.mean() < 1
    assert np.all((np.linalg.norm(correlation, axis=2) / lam[:, None])[inactive] <= 1 + 1e-6)
    direction = estimate.channel / np.where(inactive, 1, norm)[..., None]
    strong = norm > 1e-3
    np.testing.assert_allclose((correlation / lam[:, None, None])[strong], direction[strong], atol=1e-4)


@pytest.mark.parametrize(
    ("r", "C"),
    [(0.5, None), (0.0, [[0.9, 0.0], [0.9, 0.9]]), (-1.0, None), (0.3, "scaled")],
)
def test_all_admissible_members_find_the_same_solution(r, C):
    if r <= 0 and C is None:  # D = 0.7 (Q + Qᵀ)
        C = "scaled"
    if C == "scaled":
        Q = np.array([[1, r], [1, 1]])
        C = np.linalg.solve(Q.T, 0.7 * (Q + Q.T))
    received = frames().received
    expected = pc_admm(BOOK, lam_ratio=0.1, tol=1e-10, max_iter=2000)(received)
    estimate = pc_admm(BOOK, lam_ratio=0.1, tol=1e-10, max_iter=5000, r=r, C=C)(received)
    np.testing.assert_allclose(estimate.channel, expected.channel, atol=1e-3)
    assert np.all(estimate.gap <= 1e-10)


@pytest.mark.parametrize(
    ("r", "C", "message"),
    [
        (1.0, None, "−3 < r < 1"),
        (-3.5, None, "−3 < r < 1"),
        (0.0, [[1, 0], [1, 1]], "0 < Qᵀ C < Q"),  # ADMM: on the boundary
        (0.9, [[1.2, 0], [1.08, 2.16]], "0 < Qᵀ C < Q"),
        (0.9, [[1, 0], [0.5, 1]], "symmetric"),
        (0.9, [[1, 0, 0]], "2×2"),
        (0.9, [[np.nan, 0], [0, 1]], "2×2"),
    ],
)
def test_inadmissible_members_are_refused(r, C, message):
    with pytest.raises(ValueError, match=message):
        pc_admm(BOOK, r=r, C=C)


@pytest.mark.parametrize("r", [0.1, 0.5, 0.9, 0.99])
def test_strictly_contractive_family_is_admissible(r):
    check_admissible(r, strictly_contractive(r))


def test_step_is_the_equations_written_out():
    rng = np.random.default_rng(0)
    Z, U = rng.standard_normal((2, 4, 1, 2))
    r, C = 0.4, ((1.0, 0.1), (0.2, 0.8))
    X_pred, prox = 0.5 * (Z + U) + 1, np.tanh
    U_pred = U - (X_pred - Z)
    Z_pred = prox(X_pred - (1 - r) * U - r * U_pred)
    stacked = np.stack([Z, U]) - np.einsum("ij,j...->i...", np.array(C), np.stack([Z - Z_pred, U - U_pred]))
    got = step(Z, U, lambda V: 0.5 * V + 1, prox, r, C)
    np.testing.assert_allclose(got[0], stacked[0])
    np.testing.assert_allclose(got[1], stacked[1])
    np.testing.assert_allclose(got[2], Z_pred)


@pytest.mark.parametrize("options", [{"lam_ratio": 0.1}, {"noise_var": 0.02}, {}])
def test_a_frame_does_not_depend_on_its_batch(options):
    received = frames(n_frames=11).received
    estimator = pc_admm(BOOK, **options)
    whole = estimator(received)
    for part in (slice(3, 4), slice(2, 9)):
        alone = estimator(received[part])
        np.testing.assert_array_equal(alone.n_iter, whole.n_iter[part])
        error = np.linalg.norm(alone.channel - whole.channel[part]) / np.linalg.norm(alone.channel)
        assert error < 1e-6


def test_noise_variance_per_frame_and_per_call():
    received = frames(n_frames=3).received
    variances = np.array([0.01, 0.02, 0.05])
    together = pc_admm(BOOK)(received, noise_var=variances)
    for i, variance in enumerate(variances):
        alone = pc_admm(BOOK, noise_var=variance)(received[i])
        np.testing.assert_allclose(alone.channel[0], together.channel[i], atol=1e-5)


@pytest.mark.parametrize("n_antennas", [1, 4])
@pytest.mark.parametrize("snr_db", [5, 20])
def test_the_blind_penalty_is_close_to_the_informed_one(n_antennas, snr_db):
    uplink = simulate(Scenario(make_pilots("gaussian", 100, 40), n_antennas, snr_db=snr_db), 100)
    estimator = pc_admm(make_pilots("gaussian", 100, 40))
    errors = [
        np.sum(np.abs(estimator(uplink.received, noise_var=noise_var).channel - uplink.channel) ** 2)
        for noise_var in (uplink.noise_var, None)
    ]
    assert 10 * np.log10(errors[1] / errors[0]) < 1.5


def test_silence_and_large_penalties_give_zero():
    received = frames(n_frames=3).received.copy()
    received[1] = 0
    estimate = pc_admm(BOOK)(received)
    assert not estimate.channel[1].any() and estimate.channel[0].any()
    assert not pc_admm(BOOK, lam_ratio=1.0)(received).channel.any()
    assert not pc_admm(BOOK, noise_var=1e6)(received).channel.any()


def test_scale_invariance():
    received = frames().received.astype(complex)
    small, large = (pc_admm(BOOK, lam_ratio=0.1)(scale * received) for scale in (1e-4, 1e4))
    np.testing.assert_array_equal(small.n_iter, large.n_iter)
    np.testing.assert_allclose(small.channel * 1e8, large.channel, rtol=1e-6)


def test_max_iter_is_respected_and_the_gap_reported():
    estimate = pc_admm(BOOK, lam_ratio=0.1, tol=1e-12, max_iter=7)(frames().received)
    assert np.all(estimate.n_iter == 7) and np.all(estimate.gap > 1e-12)


@pytest.mark.parametrize(
    ("received", "message"),
    [
        (
            np.zeros((2, 23, 1), complex),
            r"received: expected frames .* pilot length L = 24, got shape \(2, 23, 1\)",
        ),
        (np.zeros(24, complex), "received: expected frames"),
        (np.full((1, 24, 1), np.nan, complex), "finite"),
        (np.full((1, 24, 1), np.inf + 0j), "finite"),
        (np.zeros((1, 24, 1), int), "floating-point"),
    ],
)
def test_bad_frames_are_refused(received, message):
    with pytest.raises(ValueError, match=message):
        pc_admm(BOOK)(received)


@pytest.mark.parametrize(
    "options",
    [{"lam_ratio": 0}, {"lam_ratio": 2}, {"noise_var": -1}, {"tol": 0}, {"max_iter": 0}, {"check_every": 0}],
)
def test_bad_options_are_refused_by_name(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        pc_admm(BOOK, **options)


def test_input_is_not_modified():
    received = frames().received
    before = received.copy()
    received.setflags(write=False)
    pc_admm(BOOK)(received)
    np.testing.assert_array_equal(received, before)
