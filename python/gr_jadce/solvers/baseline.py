# SPDX-License-Identifier: GPL-3.0-or-later
"""What the baselines that have no certificate share: from frames to rows and back."""

import numpy as np

from ..estimate import Estimate, check_received, per_frame
from ..pilots.book import as_pilot_book
from .group_lasso import sum_squares
from .pc_admm import pc_admm


class FrameSolver:
    """An algorithm set up for a pilot book, then called on frames.

    Parameters
    ----------
    name : str
    pilots : PilotBook or (L, N) array
        Used as a matrix, whatever its kind; ValueError where that is too large.
    algorithm : callable
        ``algorithm(A, Y, noise_var, **truth)`` with A (L, N), Y (L, B, M) and noise_var (B,) gives
        X (N, B, M), score (N, B) and n_iter (B,). All in double precision; real when both the
        pilots and the frames are.
    noise_var : float, optional
        σ², where known; also a call argument. Otherwise it is estimated from each frame by the
        scaled LASSO of `pc_admm`.
    """

    def __init__(self, name, pilots, algorithm, noise_var=None):
        if noise_var is not None:
            per_frame("noise_var", noise_var, 1)
        self.name, self.pilots, self.noise_var = name, as_pilot_book(pilots), noise_var
        self._algorithm, self._blind = algorithm, pc_admm(self.pilots)
        _ = self.pilots.matrix  # too large: refused here, not at the first frame

    def __call__(self, received, noise_var=None, **truth) -> Estimate:
        received = check_received(received, self.pilots.pilot_length)
        noise_var = self._noise_var(received, self.noise_var if noise_var is None else noise_var)
        A, Y = self._matrix(received), np.moveaxis(received, 0, 1)
        X, score, n_iter = self._algorithm(A, Y.astype(A.dtype), noise_var, **truth)
        channel = np.moveaxis(X, 0, 1).astype(np.result_type(received, np.complex64), copy=False)
        gap = np.full(len(received), np.nan)
        return Estimate(channel, score.T, np.broadcast_to(n_iter, gap.shape), gap)

    def _noise_var(self, received, noise_var):
        if noise_var is not None:
            return per_frame("noise_var", noise_var, len(received))
        power = sum_squares(received, axis=(1, 2)).astype(float) / np.prod(received.shape[1:])
        estimated = self._blind.estimate_noise_var(received)
        return np.where(power > 0, np.maximum(estimated, 1e-10 * power), 1.0)  # 1: a silent frame

    def _matrix(self, received):
        matrix = self.pilots.matrix
        if received.dtype.kind == "f" and not matrix.imag.any():
            return matrix.real.astype(np.float64)
        return matrix.astype(np.complex128)


def supports_as_indices(support):
    """The members of every frame's support (N, B), padded to the largest: index, member (B, K)."""
    count = max(support.sum(axis=0).max(initial=0), 1)
    index = np.argsort(~support.T, axis=1, kind="stable")[:, :count]
    return index, np.take_along_axis(support.T, index, axis=1)


def least_squares(A, Y, support, ridge=0.0):
    """Rows X (N, B, M) that minimise ‖Y − A X‖² + ridge ‖X‖² on each frame's support (N, B)."""
    index, member = supports_as_indices(support)
    columns = np.moveaxis(A[:, index], 0, 1) * member[:, None, :]  # (B, L, K)
    adjoint = columns.conj().swapaxes(1, 2)
    regular = np.where(member, np.reshape(ridge, (-1, 1)), 1.0)
    gram = adjoint @ columns + regular[:, :, None] * np.eye(index.shape[1])
    rows = np.linalg.pinv(gram, hermitian=True) @ (adjoint @ np.moveaxis(Y, 1, 0))
    X = np.zeros((A.shape[1], *Y.shape[1:]), Y.dtype)
    X[index.T, np.arange(len(index))] = np.moveaxis(rows, 1, 0)
    return X
