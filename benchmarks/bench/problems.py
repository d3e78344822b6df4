# SPDX-License-Identifier: GPL-3.0-or-later
"""The problems of the benchmark and the judge: everything recomputed here, in double precision."""

from typing import NamedTuple

import numpy as np

from gr_jadce import PilotBook, Scenario, make_pilots, pc_admm, simulate
from gr_jadce.solvers.group_lasso import duality_gap, lam_max, objective

SIZES = {"A8": (200, 64, 8), "S": (100, 40, 1)}  # N, L, M
LAM_RATIO = 0.1


class Problem(NamedTuple):
    """½‖Y − A X‖² + λ Σ‖X_n‖ for every frame, λ = 0.1 λ_max, and its least values."""

    name: str
    book: PilotBook
    A: np.ndarray  # (L, N) complex128
    received: np.ndarray  # (B, L, M) complex64
    lam: np.ndarray  # (B,)
    least: np.ndarray  # (B,) objective, to a gap of 1e-9

    @property
    def Y(self):
        return np.moveaxis(self.received, 0, 1).astype(np.complex128)

    def errors(self, channel, frames=slice(None)):
        """Relative objective error and duality gap of every frame, for channels (B, N, M)."""
        Y, lam, least = self.Y[:, frames], self.lam[frames], self.least[frames]
        X = np.moveaxis(np.asarray(channel, np.complex128), 0, 1)
        residual = Y - np.einsum("ln,nbm->lbm", self.A, X)
        return objective(residual, X, lam) / least - 1, duality_gap(self.A, Y, X, lam)


def make(name, n_frames):
    """The problem of that name, at 15 dB with a tenth of the devices active."""
    N, L, M = SIZES[name]
    book = make_pilots("gaussian", N, L, seed=1)
    scenario = Scenario(book, n_antennas=M, activity_rate=0.1, snr_db=15)
    received = simulate(scenario, n_frames, seed=2).received.astype(np.complex64)
    A, Y = book.matrix.astype(np.complex128), np.moveaxis(received, 0, 1).astype(np.complex128)
    lam = LAM_RATIO * lam_max(A, Y)
    best = pc_admm(book, lam_ratio=LAM_RATIO, tol=1e-9, max_iter=5000)(received.astype(np.complex128))
    X = np.moveaxis(best.channel, 0, 1)
    least = objective(Y - np.einsum("ln,nbm->lbm", A, X), X, lam)
    return Problem(name, book, A, received, lam, least)
