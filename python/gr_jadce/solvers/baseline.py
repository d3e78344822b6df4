# SPDX-License-Identifier: GPL-3.0-or-later
"""What the baselines that have no certificate share: from frames to rows and back."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_positive
from ..estimate import Estimate, check_received, per_frame
from ..numeric import sum_squares
from ..pilots.book import PilotBook, as_pilot_book
from .pc_admm import pc_admm
from .unit_norms import UnitNorms

Algorithm: TypeAlias = Callable[..., tuple[NDArray, NDArray, Any]]

_MIN_NOISE_SHARE = 1e-10  # of a frame's energy: the least that σ² is estimated as


class BaselineEstimator:
    """An algorithm set up for a pilot book, then called on frames.

    Parameters
    ----------
    name : str
        Its factory's.
    pilots : PilotBook or (L, N) array
        Used as a matrix, whatever its kind; ValueError where that is too large.
    algorithm : callable
        ``algorithm(A, Y, noise_var, **truth)`` with A (L, N), Y (L, B, M) and noise_var (B,) gives
        X (N, B, M), score (N, B) and n_iter (B,). All in double precision; real when both the
        pilots and the frames are.
    noise_var : float, optional
        σ², where known; also a call argument. Otherwise it is estimated from each frame by the
        scaled LASSO of `pc_admm`.
    unit_norms : bool
        The algorithm has the pilots with unit norms (`unit_norms`), as all need that do not know the truth.

    Attributes
    ----------
    name : str
    book : PilotBook
        The one that it was set up for.
    """

    def __init__(
        self,
        name: str,
        pilots: PilotBook | ArrayLike,
        algorithm: Algorithm,
        *,
        noise_var: float | None = None,
        unit_norms: bool = True,
    ) -> None:
        self.noise_var = None if noise_var is None else check_positive("noise_var", noise_var)
        self.name, self.book = name, as_pilot_book(pilots)
        self._unit = UnitNorms.of(self.book) if unit_norms else UnitNorms(self.book, None)
        self._algorithm, self._blind = algorithm, pc_admm(self._unit.book)
        _ = self._unit.book.matrix  # too large: refused here, not at the first frame

    def __call__(self, received: ArrayLike, noise_var: ArrayLike | None = None, **truth: Any) -> Estimate:
        received = check_received(received, self.book.pilot_length)
        noise_var = self._noise_var(received, self.noise_var if noise_var is None else noise_var)
        A, Y = self._matrix(received), np.moveaxis(received, 0, 1)
        X, score, n_iter = self._algorithm(A, Y.astype(A.dtype), noise_var, **truth)
        channel = np.moveaxis(X, 0, 1).astype(np.result_type(received, np.complex64), copy=False)
        gap = np.full(len(received), np.nan)
        estimate = Estimate(channel, score.T, np.broadcast_to(n_iter, gap.shape), gap)
        return self._unit.restored(estimate)

    def _noise_var(self, received: NDArray, noise_var: ArrayLike | None) -> NDArray:
        if noise_var is not None:
            return per_frame("noise_var", noise_var, len(received))
        double = np.result_type(received, np.float64)  # in single precision samples of 1e19 overflow
        power = sum_squares(received.astype(double), axis=(1, 2)) / np.prod(received.shape[1:])
        estimated = self._blind.estimate_noise_var(received)
        return np.where(power > 0, np.maximum(estimated, _MIN_NOISE_SHARE * power), 1.0)  # 1: a silent frame

    def _matrix(self, received: NDArray) -> NDArray:
        matrix = self._unit.book.matrix
        if received.dtype.kind == "f" and not matrix.imag.any():
            return matrix.real.astype(np.float64)
        return matrix.astype(np.complex128)


def supports_as_indices(support: NDArray) -> tuple[NDArray, NDArray]:
    """The members of every frame's support (N, B), padded to the largest: index, member (B, K)."""
    count = max(support.sum(axis=0).max(initial=0), 1)
    index = np.argsort(~support.T, axis=1, kind="stable")[:, :count]
    return index, np.take_along_axis(support.T, index, axis=1)


def least_squares(A: NDArray, Y: NDArray, support: NDArray, ridge: ArrayLike = 0.0) -> NDArray:
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
