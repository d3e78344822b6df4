# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds: estimators that are told which devices are active."""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_positive
from ..pilots.book import PilotBook
from .baseline import BaselineEstimator, least_squares


def oracle_ls(pilots: PilotBook | ArrayLike, *, noise_var: float | None = None) -> BaselineEstimator:
    """Make the least-squares estimator on the true support.

    Called as ``estimator(received, noise_var=None, activity=activity)`` with activity (B, N) bool.
    """
    return BaselineEstimator("oracle_ls", pilots, _least_squares, noise_var=noise_var)


def oracle_mmse(
    pilots: PilotBook | ArrayLike, *, power: float = 1.0, noise_var: float | None = None
) -> BaselineEstimator:
    """Make the MMSE estimator given the true support, for channels CN(0, power).

    With σ² known no estimator has a smaller mean square error. Called like `oracle_ls`.
    """
    mmse = partial(_mmse, power=check_positive("power", power))
    # `power` is that of the channels for these very pilots, so they stay as they are.
    return BaselineEstimator("oracle_mmse", pilots, mmse, noise_var=noise_var, unit_norms=False)


def _least_squares(
    A: NDArray, Y: NDArray, noise_var: NDArray, activity: ArrayLike | None = None
) -> tuple[NDArray, NDArray, int]:
    support = _support(A, Y, activity)
    return least_squares(A, Y, support), support.astype(float), 1


def _mmse(
    A: NDArray, Y: NDArray, noise_var: NDArray, power: float, activity: ArrayLike | None = None
) -> tuple[NDArray, NDArray, int]:
    support = _support(A, Y, activity)
    return least_squares(A, Y, support, noise_var / power), support.astype(float), 1


def _support(A: NDArray, Y: NDArray, activity: ArrayLike | None) -> NDArray:
    shape = (Y.shape[1], A.shape[1])
    truth = np.asarray(activity)
    if truth.shape != shape:
        raise ValueError(f"activity: expected the truth, bool of shape {shape}, got shape {truth.shape}")
    return truth.astype(bool).T
