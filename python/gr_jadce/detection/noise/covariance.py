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

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, digamma

_MIN_ROWS_PER_ANTENNA = 2  # that Ψ is measured on, for it to be used
_MIN_VARIANCE = 1e-15  # of an antenna, over the mean of all
_MIN_EIGENVALUE = 1e-9  # of the antennas' correlation matrix: keeps it regular


class Whitener(NamedTuple):
    """Whitens the antennas of B frames by their noise covariances, and keeps the mean power of the noise.

    factor : (B, M, M), C, lower triangular. inverse : (B, M, M), C⁻¹.
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
        return cls(factor, np.linalg.inv(factor))

    def whiten(self, frames: NDArray) -> NDArray:
        """Frames (B, L, M) with white noise."""
        return (frames @ self.inverse.conj().swapaxes(1, 2)).astype(frames.dtype, copy=False)

    def restore_channels(self, channel: NDArray, frame: NDArray) -> NDArray:
        """The channels (K, M) to the antennas of those (K, M) that were found in whitened frames (K,)."""
        back = self.factor.conj().swapaxes(1, 2)[frame]
        return np.einsum("km,kmn->kn", channel, back).astype(channel.dtype, copy=False)

    def restore_covariance(self, covariance: NDArray) -> NDArray:
        """The covariances (B, M, M) of the antennas of those that were measured in whitened frames."""
        return self.factor @ covariance @ self.factor.conj().swapaxes(1, 2)


def _regular(correlation: NDArray) -> NDArray:
    """Correlation matrices (B, M, M) with eigenvalues of at least _MIN_EIGENVALUE; rounding leaves less."""
    least = np.linalg.eigvalsh(correlation)[:, 0]
    added = _MIN_EIGENVALUE + np.maximum(-least, 0) * 2
    return correlation + added[:, None, None] * np.eye(correlation.shape[1])


def noise_kinds(covariance: NDArray, rows: NDArray, error: ArrayLike) -> NDArray:
    """What the noise of frames is, "white", "antennas" or "spatial" (B,).

    Parameters
    ----------
    covariance : (B, M, M) complex array
        Ψ, measured.
    rows : (B,) array
        On how many rows.
    error : float or (B,) array
        Probability that white noise is taken for another.
    """
    n_antennas = covariance.shape[1]
    kinds = np.full(len(covariance), "white", dtype="U8")
    enough = rows >= _MIN_ROWS_PER_ANTENNA * n_antennas
    if n_antennas == 1 or not enough.any():
        return kinds
    p_correlated, p_uneven = _p_values(covariance[enough], rows[enough])
    level = np.broadcast_to(np.asarray(error, float) / 2, kinds.shape)[enough]
    kinds[enough] = np.where(p_correlated < level, "spatial", np.where(p_uneven < level, "antennas", "white"))
    return kinds


def _p_values(covariance: NDArray, rows: NDArray) -> tuple[NDArray, NDArray]:
    """Of the two hypotheses; the likelihood ratios are scaled to the mean that they have exactly."""
    M = covariance.shape[1]
    variance = np.maximum(np.diagonal(covariance, axis1=1, axis2=2).real, np.finfo(float).tiny)
    logs, scale = np.log(variance).sum(axis=1), np.sqrt(variance)
    correlation = covariance / (scale[:, :, None] * scale[:, None, :])
    correlated = -np.linalg.slogdet(_regular(correlation))[1]
    uneven = M * np.log(variance.mean(axis=1)) - logs
    mean_correlated = M * digamma(rows) - digamma(rows[:, None] - np.arange(M)).sum(axis=1)
    mean_uneven = M * (digamma(M * rows) - np.log(M) - digamma(rows))
    dof = M * (M - 1), M - 1
    return (
        chdtrc(dof[0], dof[0] * np.maximum(correlated, 0) / mean_correlated),
        chdtrc(dof[1], dof[1] * np.maximum(uneven, 0) / mean_uneven),
    )
