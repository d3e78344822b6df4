# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of NMSE over iterations or layers, by the definitions of the literature, for `tables`."""

import numpy as np

from gr_jadce import as_pilot_book
from gr_jadce.metrics import nmse_db
from gr_jadce.solvers import amp
from gr_jadce.solvers.certified import Rotated
from gr_jadce.solvers.first_order import Ista
from gr_jadce.solvers.group_lasso import apply
from gr_jadce.solvers.pc_admm import PcAdmm, strictly_contractive
from gr_jadce.unrolled import unrolled

LAYERS = 6  # of tables (a) and (b)


def trace(iteration, rotated, Y, lam, truth, n_iter):
    """NMSE in dB, mean of per-frame ratios, after each of `n_iter` iterations."""
    Y = Y if rotated.Q is None else apply(rotated.Q.conj().T, Y.astype(complex))
    peak = np.sqrt(np.sum(np.abs(apply(rotated.B.conj().T, Y)) ** 2, axis=2)).max(axis=0)
    state, curve = iteration.start(Y, lam, peak), []
    for _ in range(n_iter):
        state = iteration.step(Y, lam, state)
        curve.append(mean_ratio_db(state[0], truth))
    return curve


def pc_admm_iteration(rotated, beta_factor=3.2):
    return PcAdmm(rotated, 0.9, strictly_contractive(0.9), beta_factor)


def tuned_pc_admm(rotated, Y, X):
    """The best curve of a grid over λ and β."""
    n_frames = Y.shape[1]
    curves = [
        trace(pc_admm_iteration(rotated, factor), rotated, Y, np.full(n_frames, lam), X, 6)
        for lam in (0.05, 0.1, 0.2, 0.3, 0.5)
        for factor in (0.5, 1.0, 2.0, 3.2, 5.0)
    ]
    return min(curves, key=lambda curve: curve[-1])


def amp_curve(book, Y, X, n_iter, **options):
    """NMSE curve of undamped AMP, and λ (B,) of the LASSO that its last iterate solves."""
    received, A, curve = np.moveaxis(Y, 1, 0), book.matrix.real.astype(float), []
    for k in range(1, n_iter + 1):
        estimate = amp(book, max_iter=k, damping=1.0, **options)(received, 1.0)
        rows = np.moveaxis(estimate.channel.real, 0, 1).astype(float)
        curve.append(mean_ratio_db(rows, X))
    correlation = np.abs(apply(A.T, Y - apply(A, rows)))
    lam = np.nanmedian(np.where(rows != 0, correlation, np.nan), axis=(0, 2))  # λ on the support
    return curve, lam


def layer_curve(A, Y, X, noise_var, weights=None):
    """NMSE in dB of the network's first layers, real frames."""
    book, received = as_pilot_book(A), np.moveaxis(Y, 1, 0)
    channels = (
        unrolled(book, weights, n_layers=k + 1)(received, noise_var).channel.real for k in range(LAYERS)
    )
    return [mean_ratio_db(np.moveaxis(channel, 0, 1), X) for channel in channels]


def ista_at(book, uplink, threshold, n_iter):
    """NMSE in dB of ISTA with this threshold at a step of 1/‖A‖²."""
    rotated = Rotated.of(book)
    Y = apply(rotated.Q.conj().T, np.moveaxis(uplink.received, 0, 1).astype(complex))
    iteration, lam = Ista(rotated), np.full(Y.shape[1], threshold * rotated.s[-1])
    state = iteration.start(Y, lam, None)
    for _ in range(n_iter):
        state = iteration.step(Y, lam, state)
    return nmse_db(np.moveaxis(state[0], 0, 1), uplink.channel)


def nmse_of(estimator, uplink, **truth):
    """NMSE in dB of an estimator that knows the noise variance."""
    return nmse_db(estimator(uplink.received, uplink.noise_var, **truth).channel, uplink.channel)


def mean_ratio_db(rows, truth):
    power = np.sum(truth**2, axis=(0, 2))
    error = np.sum(np.abs(rows - truth) ** 2, axis=(0, 2))
    return float(10 * np.log10(np.mean(error[power > 0] / power[power > 0])))


def first_below(curve, level):
    """The first iteration that reaches the level, or infinity."""
    below = np.flatnonzero(np.array(curve) <= level)
    return below[0] + 1 if below.size else np.inf


def unit_columns(matrix):
    return matrix / np.linalg.norm(matrix, axis=0)


def sparse_rows(rng, n_devices, n_frames, n_antennas):
    active = rng.random((n_devices, n_frames, 1)) < 0.1
    return active * rng.standard_normal((n_devices, n_frames, n_antennas))
