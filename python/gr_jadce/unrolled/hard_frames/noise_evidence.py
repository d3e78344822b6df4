# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise variance that a frame itself makes likely, given who may be active.

Given the active devices S, with channels CN(0, γ) and noise CN(0, σ²), a frame Y of M antennas has

    ln p(Y | S) = −M ln det Σ − tr(Yᴴ Σ⁻¹ Y) + const,   Σ = γ A_S A_Sᴴ + σ² I.

Along the eigenvectors of A_S A_Sᴴ this is a sum over its eigenvalues d_i, with e_i the energy of Y
along the i-th, and is made largest over γ and σ² by expectation maximisation.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares
from ...solvers.baseline import supports_as_indices

_EM_ROUNDS = 30
_MIN_NOISE_SHARE = 1e-5  # of the frame's energy a sample: the least noise variance
_MIN_NOISE_VAR = np.finfo(np.float32).tiny  # of silence
_MIN_EIGENVALUE_SHARE = 1e-6  # share of the largest eigenvalue below which it is none


class _Spectrum(NamedTuple):
    """Of B frames, K eigenvalues each."""

    eigenvalue: NDArray  # (B, K), 0 where there is none
    energy: NDArray  # (B, K) of the frame along them, over all antennas
    rest: NDArray  # (B,) energy off all of them


def likely_noise_var(A: NDArray, Y: NDArray, candidates: list[tuple[NDArray, NDArray]]) -> NDArray:
    """Mean of ln σ² over candidates, weighed by how likely each makes its frame, as σ² (B,).

    Parameters
    ----------
    A : (L, N) complex
        Pilots.
    Y : (B, L, M) complex
        Frames.
    candidates : list of (activity, noise_var)
        Supports (B, N), bool, and variances (B,) to start from.
    """
    found = [_maximise(A, Y, *candidate) for candidate in candidates]
    evidence, noise_var = (np.array(values) for values in zip(*found, strict=True))
    weight = np.exp(evidence - evidence.max(axis=0))
    return np.exp((weight * np.log(noise_var)).sum(axis=0) / weight.sum(axis=0))


def _maximise(A: NDArray, Y: NDArray, activity: NDArray, noise_var: NDArray) -> tuple[NDArray, NDArray]:
    """ln p(Y, S) (B,) at its maximum over γ and σ², and that σ² (B,)."""
    (L, N), M = A.shape, Y.shape[2]
    count, spectrum = activity.sum(axis=1), _spectrum(A, Y, activity)
    total = spectrum.rest + spectrum.energy.sum(axis=1)
    least, devices = np.maximum(_MIN_NOISE_SHARE * total / (L * M), _MIN_NOISE_VAR), np.maximum(count, 1)
    noise_var = np.clip(noise_var, least, None)
    power = np.maximum(total / M - L * noise_var, noise_var) * N / (devices * sum_squares(A, axis=None))
    for _ in range(_EM_ROUNDS):
        power, noise_var = _expect(spectrum, devices, power, noise_var, L, M)
        noise_var = np.maximum(noise_var, least)
    rate = np.clip((count + 0.5) / N, 1e-3, 0.5)
    return _evidence(spectrum, power, noise_var, L, M) + count * np.log(rate / (1 - rate)), noise_var


def _spectrum(A: NDArray, Y: NDArray, activity: NDArray) -> _Spectrum:
    index, member = supports_as_indices(activity.T)
    columns = np.moveaxis(A[:, index], 0, 1) * member[:, None, :]
    adjoint = columns.conj().swapaxes(1, 2)
    eigenvalue, vectors = np.linalg.eigh(adjoint @ columns)
    along = vectors.conj().swapaxes(1, 2) @ (adjoint @ Y)
    there = eigenvalue > _MIN_EIGENVALUE_SHARE * np.maximum(eigenvalue[:, -1:], 1e-30)
    energy = np.where(there, sum_squares(along) / np.where(there, eigenvalue, 1), 0)
    rest = sum_squares(Y, axis=(1, 2)) - energy.sum(axis=1)
    return _Spectrum(np.where(there, eigenvalue, 0), energy, np.maximum(rest, 0))


def _expect(
    spectrum: _Spectrum, devices: NDArray, power: NDArray, noise_var: NDArray, L: int, M: int
) -> tuple[NDArray, NDArray]:
    """One round of expectation maximisation: γ and σ² (B,)."""
    d, e, rest = spectrum
    g, v = power[:, None], noise_var[:, None]
    total = g * d + v
    channel = np.sum(g**2 * d * e / total**2 - M * g * g * d / total, axis=1) + M * devices * power
    noise = np.sum(v**2 * e / total**2 + M * v * g * d / total, axis=1) + rest
    return channel / (M * devices), noise / (L * M)


def _evidence(spectrum: _Spectrum, power: NDArray, noise_var: NDArray, L: int, M: int) -> NDArray:
    d, e, rest = spectrum
    total = power[:, None] * d + noise_var[:, None]
    silent = L - d.shape[1]  # directions without an eigenvalue here
    along = np.sum(M * np.log(total) + e / total, axis=1)
    return -(along + silent * M * np.log(noise_var) + rest / noise_var)
