# SPDX-License-Identifier: GPL-3.0-or-later
"""Formulas that several parts compute: energies, decibels, a peak between samples, numbers of supports."""

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

_SCIPY_VERSION = tuple(map(int, scipy.__version__.split(".")[:2]))
if _SCIPY_VERSION < (1, 9):  # later ones load their parts where they are first used
    import scipy.fft
    import scipy.special


def sum_squares(array: NDArray, axis: int | tuple[int, ...] | None = -1) -> NDArray:
    """Σ|x|² over an axis, in the precision of the array and without a complex product."""
    return np.sum(array.real**2 + array.imag**2, axis=axis)


def decibels(ratio: ArrayLike) -> NDArray:
    """10 log10 of a ratio of powers; −inf where it is 0."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(ratio)


def orthonormal_columns(matrices: NDArray) -> NDArray:
    """Q (B, m, n) of the thin QR decompositions of matrices (B, m, n), m ≥ n."""
    try:
        return np.linalg.qr(matrices)[0]
    except np.linalg.LinAlgError:  # NumPy before 1.22 takes one matrix a time
        rows, columns = matrices.shape[1:]
        found = [np.linalg.qr(matrix)[0] for matrix in matrices]
        return np.array(found, matrices.dtype).reshape(-1, rows, columns)


def vertex_offset(before: ArrayLike, top: ArrayLike, after: ArrayLike) -> NDArray:
    """Where the parabola through three neighbours of a peak has its vertex, −½ … ½ samples from `top`.

    0 where the three lie on a line.
    """
    low, peak, high = (np.asarray(values, dtype=float) for values in (before, top, after))
    curvature, slope = 2 * peak - low - high, (high - low) / 2
    flat = curvature <= 0
    return np.where(flat, 0.0, np.clip(slope / np.where(flat, 1, curvature), -0.5, 0.5))


def log_choices(n_devices: int, count: ArrayLike) -> NDArray:
    """ln C(N, K), from K = N/2 on that of N/2: to choose all devices is not free."""
    taken = np.arange(n_devices // 2)
    table = np.concatenate([[0.0], np.cumsum(np.log((n_devices - taken) / (taken + 1)))])
    return table[np.minimum(count, n_devices // 2)]


def ratio_db(signal: float, noise: float | np.floating) -> float:
    """An SNR in dB; −inf without a signal, inf without noise."""
    with np.errstate(divide="ignore"):
        return float(decibels(np.float64(signal) / noise)) if signal > 0 else -np.inf
