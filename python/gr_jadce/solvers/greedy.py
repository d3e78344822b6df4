# SPDX-License-Identifier: GPL-3.0-or-later
"""Simultaneous orthogonal matching pursuit.

J. A. Tropp, A. C. Gilbert and M. J. Strauss, "Algorithms for simultaneous sparse approximation.
Part I: Greedy pursuit", Signal Processing 86(3), 2006 (with the 2-norm over antennas).
"""

from functools import partial

import numpy as np
import scipy  # which loads its parts where they are first used
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_probability
from ..numeric import sum_squares
from ..pilots.book import PilotBook, as_pilot_book
from .baseline import BaselineEstimator, least_squares
from .group_lasso import apply, row_norms


def somp(
    pilots: PilotBook | ArrayLike,
    *,
    n_active: int | None = None,
    noise_pick: float = 0.3,
    noise_var: float | None = None,
) -> BaselineEstimator:
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
    book = as_pilot_book(pilots)
    if n_active is not None:
        n_active = check_integer("n_active", n_active, 1, book.pilot_length)
    noise_pick = check_probability("noise_pick", noise_pick)
    algorithm = partial(_somp, n_active=n_active, noise_pick=noise_pick)
    return BaselineEstimator("somp", book, algorithm, noise_var=noise_var)


def _somp(
    A: NDArray, Y: NDArray, noise_var: NDArray, n_active: int | None, noise_pick: float
) -> tuple[NDArray, NDArray, NDArray]:
    (L, N), (_, B, M) = A.shape, Y.shape
    unit = A / np.linalg.norm(A, axis=0)  # of any equal norms before
    floor = np.sqrt(noise_var * scipy.special.gammainccinv(M, noise_pick / N))  # union bound over devices
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


def _project_off(pilot: NDArray, R: NDArray, basis: NDArray) -> tuple[NDArray, NDArray]:
    """R without its part along each frame's new pilot (L, B), and the orthonormal basis with it."""
    direction = pilot - np.einsum("lbk,bk->lb", basis, np.einsum("lbk,lb->bk", basis.conj(), pilot))
    direction /= np.maximum(np.sqrt(sum_squares(direction, axis=0)), 1e-12)
    along = np.einsum("lb,lbm->bm", direction.conj(), R)
    return R - direction[..., None] * along, np.concatenate([basis, direction[..., None]], axis=2)
