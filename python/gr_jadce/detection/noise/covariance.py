# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that is not alike and independent on all antennas: an antenna louder than others, an interferer, DC.

The rows of the noise W (L, M) are taken for independent, each of covariance Ψ = E wᴴw = C Cᴴ. The noise of
whitened frames Y C⁻ᴴ is white, and their pilots and active devices are the same.

Whether Ψ, measured on R rows, is diagonal and whether its diagonal is even is tested by the likelihood ratios
(R. J. Muirhead, Aspects of Multivariate Statistical Theory, 1982, ch. 8 and 11; here of complex variables)

    2ρR (Σ_m log Ψ_mm − log det Ψ)        ~ χ² of M(M − 1) degrees of freedom if Ψ is diagonal,
    2ρR (M log(tr Ψ/M) − Σ_m log Ψ_mm)    ~ χ² of M − 1 if its diagonal is even, too,

ρ such that their means are those of χ².
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy  # which loads its parts where they are first used
from numpy.typing import NDArray

_MIN_ROWS_PER_ANTENNA = 2  # that Ψ is measured on, for it to be used
_MIN_VARIANCE = 1e-15  # of an antenna, over the mean of all
_MIN_EIGENVALUE = 1e-9  # of the antennas' correlation matrix: keeps it regular


class Whitener(NamedTuple):
    """Whitens the antennas of B frames by their noise covariances, and keeps the mean power of the noise.

    factor : (B, M, M), C, lower triangular. inverse : (B, M, M), C⁻¹. One of either does for all frames.
    """

    factor: NDArray
    inverse: NDArray

    @classmethod
    def of(cls, covariance: NDArray) -> "Whitener":
        """By the covariances Ψ (B, M, M), each but for a factor that makes their mean power 1."""
        variance = np.diagonal(covariance, axis1=1, axis2=2).real
        mean = np.maximum(variance.mean(axis=1, keepdims=True), np.finfo(float).tiny)
        level = np.sqrt(np.maximum(variance / mean, _MIN_VARIANCE))  # (B, M)
        correlation = covariance / mean[:, :, None] / (level[:, :, None] * level[:, None, :])
        regular = _regular(correlation)
        factor = level[:, :, None] * np.linalg.cholesky(regular)
        return cls(factor, _inverse_of_lower(factor))

    def whiten(self, frames: NDArray) -> NDArray:
        """Frames (B, L, M) with white noise."""
        return (frames @ self.inverse.conj().swapaxes(1, 2)).astype(frames.dtype, copy=False)

    def restore_channels(self, channel: NDArray, frame: NDArray) -> NDArray:
        """The channels (K, M) to the antennas of those (K, M) that were found in whitened frames (K,)."""
        back = self.factor.conj().swapaxes(1, 2)[frame if len(self.factor) > 1 else np.zeros_like(frame)]
        return np.einsum("km,kmn->kn", channel, back).astype(channel.dtype, copy=False)

    def restore_covariance(self, covariance: NDArray) -> NDArray:
        """The covariances (B, M, M) of the antennas of those that were measured in whitened frames."""
        return self.factor @ covariance @ self.factor.conj().swapaxes(1, 2)


def _inverse_of_lower(factor: NDArray) -> NDArray:
    """Inverses of lower triangular matrices (B, M, M), row by row: LAPACK's wake up the threads of BLAS."""
    inverse = np.zeros_like(factor)
    for row in range(factor.shape[1]):
        pivot = factor[:, row, row, None]
        inverse[:, row, :row] = -(factor[:, row, None, :row] @ inverse[:, :row, :row])[:, 0] / pivot
        inverse[:, row, row] = 1 / pivot[:, 0]
    return inverse


def _regular(correlation: NDArray) -> NDArray:
    """Correlation matrices (B, M, M) with eigenvalues of at least _MIN_EIGENVALUE; rounding leaves less."""
    least = np.linalg.eigvalsh(correlation)[:, 0]
    added = _MIN_EIGENVALUE + np.maximum(-least, 0) * 2
    return correlation + added[:, None, None] * np.eye(correlation.shape[1])


def noise_statistics(covariance: NDArray, rows: NDArray) -> NDArray:
    """The two likelihood ratios of B frames (B, 2), as χ² of M(M − 1) and M − 1 degrees of freedom.

    They are scaled to the means that they have exactly, and 0 where there are too few rows to tell.
    `kernel/detection/noise_statistics.hpp` is the same, compiled.

    Parameters
    ----------
    covariance : (B, M, M) complex array
        Ψ, measured.
    rows : (B,) array
        On how many rows.
    """
    M = covariance.shape[1]
    enough = rows >= _MIN_ROWS_PER_ANTENNA * M
    statistics = np.zeros((len(covariance), 2))
    if M > 1 and enough.any():
        correlated, uneven = _likelihood_ratios(covariance[enough])
        mean_correlated, mean_uneven = _mean_ratios(rows[enough], M)
        statistics[enough, 0] = M * (M - 1) * np.maximum(correlated, 0) / mean_correlated
        statistics[enough, 1] = (M - 1) * np.maximum(uneven, 0) / mean_uneven
    return statistics


def noise_kinds(statistics: NDArray, n_antennas: int, error: float) -> NDArray:
    """What the noise of frames is, "white", "antennas" or "spatial" (B,).

    Parameters
    ----------
    statistics : (B, 2) array
        Of `noise_statistics`.
    n_antennas : int
    error : float
        Probability that white noise is taken for another.
    """
    is_above = statistics > chi2_limits(n_antennas, error)
    return np.where(is_above[:, 0], "spatial", np.where(is_above[:, 1], "antennas", "white"))


@cache
def chi2_limits(n_antennas: int, error: float) -> NDArray:
    """What the two statistics of white noise are above with a probability of error/2 each."""
    dof = np.array([n_antennas * (n_antennas - 1), n_antennas - 1])
    return np.asarray(scipy.special.chdtri(np.maximum(dof, 1), error / 2))


def _likelihood_ratios(covariance: NDArray) -> tuple[NDArray, NDArray]:
    """Σ log Ψ_mm − log det Ψ, and M log(tr Ψ/M) − Σ log Ψ_mm."""
    variance = np.maximum(np.diagonal(covariance, axis1=1, axis2=2).real, np.finfo(float).tiny)
    logs, scale = np.log(variance).sum(axis=1), np.sqrt(variance)
    correlation = covariance / (scale[:, :, None] * scale[:, None, :])
    correlated = -np.linalg.slogdet(_regular(correlation))[1]
    return correlated, variance.shape[1] * np.log(variance.mean(axis=1)) - logs


def _mean_ratios(rows: NDArray, n_antennas: int) -> tuple[NDArray, NDArray]:
    """Their means in white noise, by ψ; ψ(R) − ψ(R − m) = Σ_{j≤m} 1/(R − j)."""
    M, steps = n_antennas, np.arange(1, n_antennas)
    digamma = scipy.special.digamma
    correlated = np.sum((M - steps) / (rows[:, None] - steps), axis=1)
    return correlated, M * (digamma(M * rows) - np.log(M) - digamma(rows))
