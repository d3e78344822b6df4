# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint equaliser, beside its equations."""

import numpy as np
from helpers.compiled import compiled_kernel

from gr_jadce.payload.joint.equalizer import solved, tridiagonal


def system(seed=0, count=5, size=3):
    """A block tridiagonal system I + HᴴH, dense and in blocks."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((2, count * size, count * size), complex)
    diagonal = np.zeros((2, count, size, size), complex)
    beside = np.zeros((2, count - 1, size, size), complex)
    for i in range(count):
        width = size * (2 if i < count - 1 else 1)
        part = rng.standard_normal((2, 4, width, 2)) @ np.array([1, 1j])
        own = slice(i * size, i * size + width)
        dense[:, own, own] += np.swapaxes(part, 1, 2).conj() @ part
    dense += np.eye(count * size)
    for i in range(count):
        here, there = slice(i * size, (i + 1) * size), slice((i + 1) * size, (i + 2) * size)
        diagonal[:, i] = dense[:, here, here]
        if i < count - 1:
            beside[:, i] = dense[:, here, there]
    right = rng.standard_normal((2, count, size, 2)) @ np.array([1, 1j])
    return dense, diagonal, beside, right


def test_elimination_solves_the_system():
    dense, diagonal, beside, right = system()
    solution, _ = tridiagonal(diagonal, beside, right)
    expected = np.linalg.solve(dense, right.reshape(2, -1, 1))
    np.testing.assert_allclose(solution.reshape(2, -1, 1), expected, rtol=1e-9)


def test_variances_are_the_diagonal_of_the_inverse():
    dense, diagonal, beside, right = system(1)
    _, variance = tridiagonal(diagonal, beside, right)
    expected = np.diagonal(np.linalg.inv(dense), axis1=1, axis2=2).real
    np.testing.assert_allclose(variance.reshape(2, -1), expected, rtol=1e-5)


def test_the_compiled_equaliser_is_the_plain_one():
    compiled_kernel()
    rng = np.random.default_rng(2)
    signatures = (rng.standard_normal((3, 6, 5, 24, 2)) @ np.array([1, 1j])).astype(np.complex64)
    windows = (rng.standard_normal((3, 6, 24, 2)) @ np.array([1, 1j])).astype(np.complex64)
    plain = solved(signatures, windows, 16, backend="numpy")
    for threads in (1, 2):
        for ours, expected in zip(solved(signatures, windows, 16, threads=threads), plain, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-4)
