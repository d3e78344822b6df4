# SPDX-License-Identifier: GPL-3.0-or-later
"""Laws of the proximal operator and of the certificate."""

import numpy as np
import pytest

from gr_jadce.numeric import sum_squares
from gr_jadce.solvers import group_lasso

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.float64])
@pytest.mark.parametrize("n_antennas", [1, 3])
def test_row_shrink_minimises_its_objective(dtype, n_antennas):
    V, t = draw(5, 4, n_antennas).astype(dtype) if dtype != np.float64 else draw(5, 4, n_antennas).real, 0.8
    shrunk = group_lasso.row_shrink(V, t)
    assert shrunk.dtype == dtype

    def cost(X):
        return 0.5 * sum_squares(X - V, axis=None) + t * group_lasso.row_norms(X).sum()

    for _ in range(50):
        assert cost(shrunk) <= cost(shrunk + 1e-2 * draw(5, 4, n_antennas)) + 1e-5


def test_row_shrink_keeps_the_phase_and_is_nonexpansive():
    V, W, threshold = draw(6, 3, 2), draw(6, 3, 2), np.array([0.1, 1.0, 5.0])
    P, Q = group_lasso.row_shrink(V, threshold), group_lasso.row_shrink(W, threshold)
    assert np.linalg.norm(P - Q) <= np.linalg.norm(V - W)
    np.testing.assert_allclose(group_lasso.row_shrink(1j * V, threshold), 1j * P)
    np.testing.assert_array_equal(group_lasso.row_shrink(0 * V, threshold), 0 * V)
    np.testing.assert_array_equal(P[:, 2], 0)


def test_gap_bounds_the_objective_error_and_is_zero_at_the_optimum_of_an_orthogonal_problem():
    A, Y, lam = np.linalg.qr(draw(6, 6))[0], draw(6, 2, 3), np.array([0.5, 1.0])
    optimum = group_lasso.row_shrink(group_lasso.apply(A.conj().T, Y), lam)
    np.testing.assert_allclose(group_lasso.duality_gap(A, Y, optimum, lam), 0, atol=1e-12)
    best = group_lasso.objective(Y - group_lasso.apply(A, optimum), optimum, lam)
    for _ in range(20):
        X = optimum + 0.3 * draw(6, 2, 3)
        value = group_lasso.objective(Y - group_lasso.apply(A, X), X, lam)
        gap = group_lasso.duality_gap(A, Y, X, lam)
        assert np.all((value - best) / value <= gap + 1e-12)
        assert np.all(gap > 0)


def test_zero_is_optimal_from_lam_max_on():
    A, Y = draw(5, 9), draw(5, 2, 2)
    peak = group_lasso.lam_max(A, Y)
    zero = np.zeros((9, 2, 2), complex)
    np.testing.assert_allclose(group_lasso.duality_gap(A, Y, zero, peak), 0, atol=1e-12)
    assert np.all(group_lasso.duality_gap(A, Y, zero, 0.9 * peak) > 0)


def test_silence_has_no_gap():
    zero = np.zeros((9, 1, 2), complex)
    assert group_lasso.duality_gap(draw(5, 9), np.zeros((5, 1, 2), complex), zero, np.ones(1)) == 0
