# SPDX-License-Identifier: GPL-3.0-or-later
"""Classical iterations for the group LASSO: ISTA, FISTA, block coordinate descent.

All take the options of `pc_admm` (lam_ratio, lam_factor, noise_var, tol, max_iter, check_every)
and stop on the same certificate. Plain ADMM is in `pc_admm`.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..numeric import sum_squares
from ..pilots.book import PilotBook
from .certified import CertifiedSolver, Rotated
from .group_lasso import adjoint, apply, row_shrink


class Ista:
    """X ← shrink_{λ/ℓ}( X + Aᴴ(Y − A X)/ℓ ), ℓ the largest eigenvalue of AᴴA."""

    def __init__(self, rotated: Rotated) -> None:
        self.B, self.adjoint, self.lipschitz = rotated.B, adjoint(rotated.B), rotated.s[-1]

    def start(self, Y: NDArray, lam: NDArray, lam_peak: NDArray) -> tuple[NDArray, ...]:
        """The state from which all rows are zero."""
        return (np.zeros((self.B.shape[1], *Y.shape[1:]), Y.dtype),)

    def step(self, Y: NDArray, lam: NDArray, state: tuple[NDArray, ...]) -> tuple[NDArray, ...]:
        """The state after an iteration."""
        return (self.descend(Y, lam, state[0]),)

    def descend(self, Y: NDArray, lam: NDArray, V: NDArray) -> NDArray:
        """One proximal gradient step from V."""
        gradient = apply(self.adjoint, apply(self.B, V) - Y)
        return row_shrink(V - gradient / self.lipschitz, lam / self.lipschitz)


class Fista:
    """ISTA from an extrapolated point V, restarted per frame when the momentum points uphill."""

    def __init__(self, rotated: Rotated, restart: bool) -> None:
        self.ista, self.restart = Ista(rotated), restart

    def start(self, Y: NDArray, lam: NDArray, lam_peak: NDArray) -> tuple[NDArray, ...]:
        """The state from which all rows are zero."""
        (zero,) = self.ista.start(Y, lam, lam_peak)
        return zero, zero, np.ones(Y.shape[1])

    def step(self, Y: NDArray, lam: NDArray, state: tuple[NDArray, ...]) -> tuple[NDArray, ...]:
        """The state after an iteration."""
        X_old, V, t_old = state
        X = self.ista.descend(Y, lam, V)
        t = (1 + np.sqrt(1 + 4 * t_old**2)) / 2
        if self.restart:
            uphill = np.sum(((V - X).conj() * (X - X_old)).real, axis=(0, -1)) > 0
            t, t_old = np.where(uphill, 1.0, t), np.where(uphill, 1.0, t_old)
        return X, X + ((t_old - 1) / t)[:, None] * (X - X_old), t


class Bcd:
    """One sweep: each row in turn is set to its minimiser, the others held; state (X, R = Y − A X)."""

    def __init__(self, rotated: Rotated) -> None:
        self.columns = rotated.matrix.T.copy()  # (N, L), a device's pilot in one piece
        self.energy = sum_squares(self.columns, axis=1)

    def start(self, Y: NDArray, lam: NDArray, lam_peak: NDArray) -> tuple[NDArray, ...]:
        """The state from which all rows are zero."""
        return np.zeros((len(self.columns), *Y.shape[1:]), Y.dtype), Y.copy()

    def step(self, Y: NDArray, lam: NDArray, state: tuple[NDArray, ...]) -> tuple[NDArray, ...]:
        """The state after an iteration."""
        X, R = state[0].copy(), state[1].copy()
        for n, (column, energy) in enumerate(zip(self.columns, self.energy, strict=True)):
            old = X[n].copy()
            X[n] = row_shrink(old + np.tensordot(column.conj(), R, 1) / energy, lam / energy)
            R -= column[:, None, None] * (X[n] - old)
        return X, R


def ista(
    pilots: PilotBook | ArrayLike, *, max_iter: int = 5000, check_every: int = 20, **options: Any
) -> CertifiedSolver:
    """Make an ISTA estimator (Daubechies, Defrise, De Mol, Comm. Pure Appl. Math. 57(11), 2004)."""
    return CertifiedSolver("ista", pilots, Ista, max_iter=max_iter, check_every=check_every, **options)


def fista(
    pilots: PilotBook | ArrayLike,
    *,
    restart: bool = True,
    max_iter: int = 2000,
    check_every: int = 10,
    **options: Any,
) -> CertifiedSolver:
    """Make a FISTA estimator (Beck and Teboulle, SIAM J. Imaging Sci. 2(1), 2009).

    With `restart`, the gradient scheme of O'Donoghue and Candès, Found. Comput. Math. 15, 2015.
    """
    iteration = partial(Fista, restart=restart)
    return CertifiedSolver("fista", pilots, iteration, max_iter=max_iter, check_every=check_every, **options)


def bcd(
    pilots: PilotBook | ArrayLike, *, max_iter: int = 200, check_every: int = 2, **options: Any
) -> CertifiedSolver:
    """Make a block coordinate descent estimator (Qin, Scheinberg, Goldfarb, Math. Prog. Comp. 5, 2013).

    An iteration is a sweep over all devices; for a pilot's own row the minimiser is a row shrink. It
    takes the pilots as a matrix, whatever their kind; ValueError where that is too large.
    """
    return CertifiedSolver("bcd", pilots, Bcd, max_iter=max_iter, check_every=check_every, **options)
