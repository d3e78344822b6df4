# SPDX-License-Identifier: GPL-3.0-or-later
"""Tail probabilities of the test statistics, accurate far into the tail."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Real: TypeAlias = float | NDArray

TINY = float(np.finfo(float).tiny)


def log10_p_known(energy: Real, n_antennas: int) -> NDArray:
    """log10 P(Gamma(M, 1) ≥ energy) = log10 e^{−t} Σ_{k<M} t^k/k!, accurate far into the tail."""
    energy = np.asarray(energy, float)  # in single precision TINY is 0
    log_t = np.log(np.maximum(energy, TINY))
    term = total = np.zeros(np.shape(energy))
    for k in range(1, n_antennas):
        term = term + log_t - np.log(k)
        total = np.logaddexp(total, term)
    return (total - energy) / np.log(10)


def log10_p_unknown(energy: Real, rest: Real, n_antennas: int, rest_dof: Real) -> NDArray:
    """log10 P(F ≥ f) for f = (energy/M) / (rest/rest_dof), F of 2M and 2·rest_dof degrees of freedom.

    With x = rest/(rest + energy) this is the tail x^m Σ_{j<M} C(m+j−1, j) (1−x)^j, m = rest_dof.
    """
    dof = np.maximum(rest_dof, 1)
    energy, rest = np.asarray(energy, float), np.asarray(rest, float)  # in single precision TINY is 0
    log_both = np.log(np.maximum(energy + rest, TINY))
    log_y = np.log(np.maximum(energy, TINY)) - log_both
    log_x = np.log(np.maximum(rest, TINY)) - log_both
    term = total = np.zeros(np.shape(energy))
    for j in range(1, n_antennas):
        term = term + log_y + np.log((dof + j - 1) / j)
        total = np.logaddexp(total, term)
    return np.where(rest_dof > 0, np.minimum(total + dof * log_x, 0) / np.log(10), 0.0)


def p_score(
    noise_var: float, statistic: NDArray, rest: NDArray, rest_dof: NDArray, n_antennas: int
) -> NDArray:
    """−log10 p-values of statistics, given the energy that is left and its degrees of freedom."""
    if noise_var:
        return -log10_p_known(statistic / noise_var, n_antennas)
    return -log10_p_unknown(statistic, rest, n_antennas, rest_dof)
