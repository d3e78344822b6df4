# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimators that fit a variance γ_n to every device: Y has covariance Σ = A diag(γ) Aᴴ + σ²I.

Both give the posterior mean Γ Aᴴ Σ⁻¹ Y as channel, and γ as score.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_positive
from ..numeric import sum_squares
from ..pilots.book import PilotBook
from .baseline import BaselineEstimator

_MIN_NOISE_SHARE = 1e-10  # of a frame's energy a sample: less leaves rank-one updates of Σ⁻¹ without digits


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
    algorithm = partial(_m_sbl, **_stop(max_iter, tol))
    return BaselineEstimator("m_sbl", pilots, algorithm, noise_var=noise_var)


def covariance_ml(
    pilots: PilotBook | ArrayLike, *, noise_var: float | None = None, max_iter: int = 20, tol: float = 1e-4
) -> BaselineEstimator:
    """Make a covariance-based maximum-likelihood estimator, solved by coordinate descent.

    S. Haghighatshoar, P. Jung and G. Caire, ISIT 2018; A. Fengler, S. Haghighatshoar, P. Jung and
    G. Caire, IEEE Trans. Inf. Theory 67(5), 2021. It finds activities from Y Yᴴ alone and is meant
    for many antennas. An iteration is a sweep over all devices in a random order; parameters as
    for `m_sbl`.
    """
    algorithm = partial(_covariance_ml, **_stop(max_iter, tol))
    return BaselineEstimator("covariance_ml", pilots, algorithm, noise_var=noise_var)


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


def _covariance_ml(
    A: NDArray, Y: NDArray, noise_var: NDArray, max_iter: int, tol: float
) -> tuple[NDArray, NDArray, NDArray]:
    (L, N), B = A.shape, Y.shape[1]
    gamma, n_iter, live = np.zeros((B, N)), np.zeros(B, int), np.arange(B)
    power = sum_squares(Y, axis=(0, 2)) / (L * Y.shape[2])
    noise_var = np.maximum(noise_var, _MIN_NOISE_SHARE * power)
    inverse = np.eye(L, dtype=A.dtype) / noise_var[:, None, None]  # Σ⁻¹, (B, L, L)
    filtered = np.moveaxis(Y, 1, 0) / noise_var[:, None, None]  # Σ⁻¹Y, (B, L, M)
    rng, energy = np.random.default_rng(0), sum_squares(A, axis=0)
    for _ in range(max_iter):
        old = gamma[live].copy()
        part, inv, fil = gamma[live], inverse[live], filtered[live]
        for n in rng.permutation(N):
            least = 1 / (noise_var[live] + part @ energy)  # 1/‖Σ‖ is no less
            _descend(A[:, n], n, part, inv, fil, energy[n] * least)
        gamma[live], inverse[live], filtered[live] = part, inv, fil
        n_iter[live] += 1
        live = live[np.abs(part - old).max(axis=1) > tol * part.max(axis=1)]
        if not live.size:
            break
    return _mean(A, Y, noise_var, gamma), gamma.T, n_iter


def _descend(
    pilot: NDArray, n: int, gamma: NDArray, inverse: NDArray, filtered: NDArray, least: NDArray
) -> None:
    """Set γ_n of all frames to its maximum-likelihood value, the others held; in place.

    `least` (B,) is what aᴴΣ⁻¹a cannot be below, but for rounding.
    """
    direction = inverse @ pilot  # Σ⁻¹a, (B, L)
    spread = np.maximum((direction @ pilot.conj()).real, least)  # aᴴΣ⁻¹a
    match = np.einsum("l,blm->bm", pilot.conj(), filtered)  # aᴴΣ⁻¹Y
    step = (sum_squares(match, axis=1) / match.shape[1] - spread) / spread**2
    step = np.maximum(step, -gamma[:, n])
    gamma[:, n] += step
    weighted = (step / (1 + step * spread))[:, None] * direction
    inverse -= weighted[:, :, None] * direction.conj()[:, None, :]
    filtered -= weighted[:, :, None] * match[:, None, :]


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


def _stop(max_iter: int, tol: float) -> dict[str, Any]:
    return {"max_iter": check_integer("max_iter", max_iter, 1), "tol": check_positive("tol", tol)}
