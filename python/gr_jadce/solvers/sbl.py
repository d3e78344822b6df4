# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse Bayesian learning: expectation maximisation of a power γ_n for every device.

Y has covariance Σ = A diag(γ) Aᴴ + σ²I; the channel is the posterior mean Γ Aᴴ Σ⁻¹ Y, the score γ.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_positive
from ..numeric import sum_squares
from ..pilots.book import PilotBook
from .baseline import BaselineEstimator


def m_sbl(
    pilots: PilotBook | ArrayLike, *, noise_var: float | None = None, max_iter: int = 100, tol: float = 1e-4
) -> BaselineEstimator:
    """Make a sparse Bayesian learning estimator for several antennas.

    The EM algorithm of D. P. Wipf and B. D. Rao, IEEE Trans. Signal Process. 55(7), 2007.

    Parameters
    ----------
    noise_var : float, optional
        σ² where known.
    max_iter, tol
        A frame is done when no γ_n changes by more than `tol` times the largest, or after `max_iter`.
    """
    algorithm = partial(
        _m_sbl, max_iter=check_integer("max_iter", max_iter, 1), tol=check_positive("tol", tol)
    )
    return BaselineEstimator("m_sbl", pilots, algorithm, noise_var=noise_var)


def _m_sbl(
    A: NDArray, Y: NDArray, noise_var: NDArray, max_iter: int, tol: float
) -> tuple[NDArray, NDArray, NDArray]:
    N, (_, B, M) = A.shape[1], Y.shape
    gamma = np.tile(_start(A, Y, noise_var)[:, None], (1, N))
    n_iter, live = np.zeros(B, int), np.arange(B)
    for _ in range(max_iter):
        g = gamma[live]
        correlation, uncertainty = _posterior(A, Y[:, live], noise_var[live], g)
        new = g**2 * (sum_squares(correlation, axis=2) / M - uncertainty) + g
        gamma[live], n_iter[live] = new, n_iter[live] + 1
        moving = np.abs(new - g).max(axis=1) > tol * new.max(axis=1)
        live = live[moving]
        if not live.size:
            break
    return _mean(A, Y, noise_var, gamma), gamma.T, n_iter


def _start(A: NDArray, Y: NDArray, noise_var: NDArray) -> NDArray:
    """A common variance that explains the received energy, at least a little of it."""
    received = sum_squares(Y, axis=(0, 2)) / (Y.shape[0] * Y.shape[2])
    return np.maximum(received - noise_var, 0.1 * noise_var) * Y.shape[0] / sum_squares(A, axis=None)


def _posterior(A: NDArray, Y: NDArray, noise_var: NDArray, gamma: NDArray) -> tuple[NDArray, NDArray]:
    """aᴴΣ⁻¹Y (B, N, M) and aᴴΣ⁻¹a (B, N) of every device."""
    covariance = (A * gamma[:, None, :]) @ A.conj().T + noise_var[:, None, None] * np.eye(len(A))
    whitened = np.linalg.solve(covariance, np.broadcast_to(A, (len(gamma), *A.shape)))  # Σ⁻¹A
    uncertainty = np.sum((A.conj() * whitened).real, axis=1)
    return whitened.conj().swapaxes(1, 2) @ np.moveaxis(Y, 1, 0), uncertainty


def _mean(A: NDArray, Y: NDArray, noise_var: NDArray, gamma: NDArray) -> NDArray:
    correlation, _ = _posterior(A, Y, noise_var, gamma)
    return np.moveaxis(gamma[..., None] * correlation, 0, 1)
