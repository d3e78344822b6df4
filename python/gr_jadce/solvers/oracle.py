# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds: estimators that are told which devices are active."""

from functools import partial

import numpy as np

from .baseline import FrameSolver, least_squares


def oracle_ls(pilots, noise_var=None) -> FrameSolver:
    """Make the least-squares estimator on the true support.

    Called as ``estimator(received, noise_var=None, activity=activity)`` with activity (B, N) bool.
    """
    return FrameSolver("oracle_ls", pilots, _least_squares, noise_var)


def oracle_mmse(pilots, power=1.0, noise_var=None) -> FrameSolver:
    """Make the MMSE estimator given the true support, for channels CN(0, power).

    With σ² known no estimator has a smaller mean square error. Called like `oracle_ls`.
    """
    if not power > 0:
        raise ValueError(f"power: expected a positive number, got {power!r}")
    return FrameSolver("oracle_mmse", pilots, partial(_mmse, power=power), noise_var)


def _least_squares(A, Y, noise_var, activity=None):
    support = _support(A, Y, activity)
    return least_squares(A, Y, support), support.astype(float), 1


def _mmse(A, Y, noise_var, power, activity=None):
    support = _support(A, Y, activity)
    return least_squares(A, Y, support, noise_var / power), support.astype(float), 1


def _support(A, Y, activity):
    shape = (Y.shape[1], A.shape[1])
    if np.shape(activity) != shape:
        raise ValueError(
            f"activity: expected the truth, bool of shape {shape}, got shape {np.shape(activity)}"
        )
    return np.asarray(activity, dtype=bool).T
