# SPDX-License-Identifier: GPL-3.0-or-later
"""The formulas that several parts share."""

from math import comb, log

import numpy as np
import pytest

from gr_jadce.numeric import decibels, log_choices, orthonormal_columns, sum_squares, vertex_offset


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128])
def test_energies_are_those_of_the_norm(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype) * (1 - 2j if np.dtype(dtype).kind == "c" else 1)
    np.testing.assert_allclose(sum_squares(array), np.linalg.norm(array, axis=-1) ** 2, rtol=1e-6)
    assert sum_squares(array, None) == pytest.approx(np.linalg.norm(array) ** 2, rel=1e-6)
    assert sum_squares(array).dtype == array.real.dtype


def test_no_power_is_minus_infinity():
    np.testing.assert_array_equal(decibels([0.0, 1.0, 100.0]), [-np.inf, 0, 20])


@pytest.mark.parametrize("at", [-0.5, -0.2, 0.0, 0.31])
def test_the_vertex_of_a_parabola_is_found(at):
    assert vertex_offset(*(5 - 3 * (x - at) ** 2 for x in (-1, 0, 1))) == pytest.approx(at)


def test_a_line_has_no_vertex():
    assert vertex_offset(1.0, 1.0, 1.0) == 0
    assert vertex_offset(0.0, 1.0, 2.0) == 0


@pytest.mark.parametrize("n_devices", [1, 6, 7])
def test_a_choice_of_most_devices_costs_as_much_as_one_of_half_of_them(n_devices):
    expected = [log(comb(n_devices, min(count, n_devices // 2))) for count in range(n_devices + 1)]
    np.testing.assert_allclose(log_choices(n_devices, np.arange(n_devices + 1)), expected, atol=1e-12)


@pytest.mark.parametrize("takes_batches", [True, False])
@pytest.mark.parametrize("n_matrices", [0, 3])
def test_orthonormal_columns(monkeypatch, n_matrices, takes_batches):
    """Also with a NumPy (before 1.22) whose qr takes one matrix a time."""
    rng = np.random.default_rng(1)
    matrices = rng.standard_normal((n_matrices, 5, 3)) + 1j * rng.standard_normal((n_matrices, 5, 3))
    qr = np.linalg.qr

    def one(matrix):
        if matrix.ndim > 2:
            raise np.linalg.LinAlgError("3-dimensional array given. Array must be two-dimensional")
        return qr(matrix)

    if not takes_batches:
        monkeypatch.setattr(np.linalg, "qr", one)
    found = orthonormal_columns(matrices)
    assert found.shape == matrices.shape
    np.testing.assert_allclose(
        found.conj().swapaxes(1, 2) @ found, np.tile(np.eye(3), (n_matrices, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(found @ (found.conj().swapaxes(1, 2) @ matrices), matrices, atol=1e-12)
