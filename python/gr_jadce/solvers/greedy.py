# SPDX-License-Identifier: GPL-3.0-or-later
"""Simultaneous orthogonal matching pursuit.

J. A. Tropp, A. C. Gilbert and M. J. Strauss, "Algorithms for simultaneous sparse approximation.
Part I: Greedy pursuit", Signal Processing 86(3), 2006 (with the 2-norm over antennas).
"""

from functools import partial

import numpy as np
from scipy.special import gammainccinv

from ..pilots.book import as_pilot_book
from .baseline import FrameSolver, least_squares
from .group_lasso import apply, row_norms, sum_squares


def somp(pilots, n_active=None, noise_pick=0.3, noise_var=None) -> FrameSolver:
    """Make a SOMP estimator.

    Parameters
    ----------
    n_active : int, optional
        Number of devices to pick, if known.
    noise_pick : float
        Otherwise a frame is done when even its best device, by ‖a_nᴴR‖ / ‖a_n‖, could be noise:
        noise alone would let a device be picked with at most this probability.
    noise_var : float, optional
        σ² where known.
    """
    pilots = as_pilot_book(pilots)
    if n_active is not None and not 0 < n_active <= pilots.pilot_length:
        raise ValueError(f"n_active: expected 1 to {pilots.pilot_length} devices, got {n_active!r}")
    if not 0 < noise_pick < 1:
        raise ValueError(f"noise_pick: expected a probability between 0 and 1, got {noise_pick!r}")
    algorithm = partial(_somp, n_active=n_active, noise_pick=noise_pick)
    return FrameSolver("somp", pilots, algorithm, noise_var)


def _somp(A, Y, noise_var, n_active, noise_pick):
    (L, N), (_, B, M) = A.shape, Y.shape
    unit = A / np.linalg.norm(A, axis=0)
    floor = np.sqrt(noise_var * gammainccinv(M, noise_pick / N))  # union bound over devices
    support, score, n_iter = np.zeros((N, B), bool), np.zeros((N, B)), np.zeros(B, int)
    live, R, basis = np.arange(B), Y.copy(), np.zeros((L, B, 0), Y.dtype)
    for k in range(L if n_active is None else min(n_active, N)):
        strength = np.where(support[:, live], 0, row_norms(apply(unit.conj().T, R)))
        best = strength.argmax(axis=0)
        if n_active is None:
            go = strength[best, np.arange(live.size)] > floor[live]
            live, R, basis, best, strength = live[go], R[:, go], basis[:, go], best[go], strength[:, go]
        if not live.size:
            break
        support[best, live], score[best, live], n_iter[live] = True, strength.max(axis=0), k + 1
        R, basis = _project_off(unit[:, best], R, basis)
    return least_squares(A, Y, support), score, n_iter


def _project_off(pilot, R, basis):
    """R without its part along each frame's new pilot (L, B), and the orthonormal basis with it."""
    direction = pilot - np.einsum("lbk,bk->lb", basis, np.einsum("lbk,lb->bk", basis.conj(), pilot))
    direction /= np.maximum(np.sqrt(sum_squares(direction, axis=0)), 1e-12)
    along = np.einsum("lb,lbm->bm", direction.conj(), R)
    return R - direction[..., None] * along, np.concatenate([basis, direction[..., None]], axis=2)
