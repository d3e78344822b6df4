# SPDX-License-Identifier: GPL-3.0-or-later
"""The group LASSO that underlies everything here, and its optimality certificate.

    minimise over X   ½‖Y − A X‖²_F + λ Σ_n ‖X_n‖₂

X_n is row n, device n's channel to all antennas; for one antenna this is the complex LASSO.
Shapes: A (L, N), Y (L, B, M), X (N, B, M), lam (B,); B independent problems at once.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..numeric import sum_squares


class Operator:
    """A product in place of a matrix (L, N): `forward` and `backward` are callables on rows (n, ...)."""

    def __init__(
        self,
        shape: tuple[int, int],
        forward: Callable[[NDArray], NDArray],
        backward: Callable[[NDArray], NDArray],
    ) -> None:
        self.shape, self.forward, self.backward = shape, forward, backward

    @property
    def adjoint(self) -> "Operator":
        """Its conjugate transpose."""
        return Operator((self.shape[1], self.shape[0]), self.backward, self.forward)


Matrix: TypeAlias = NDArray | Operator


def adjoint(matrix: Matrix) -> Matrix:
    """The conjugate transpose of a matrix, or the adjoint of an `Operator`."""
    return matrix.adjoint if isinstance(matrix, Operator) else matrix.conj().T


def apply(matrix: Any, rows: Any) -> Any:
    """matrix @ rows for rows of shape (n, ...): one product for all frames and antennas.

    The matrix may be an `Operator`; matrix and rows may be torch's.
    """
    if isinstance(matrix, Operator):
        return matrix.forward(rows)
    return (matrix @ rows.reshape(len(rows), -1)).reshape(len(matrix), *rows.shape[1:])


def row_norms(rows: NDArray) -> NDArray:
    """‖X_n‖₂ of every row of every frame: (N, B)."""
    return np.sqrt(sum_squares(rows))


def row_shrink(rows: NDArray, threshold: ArrayLike) -> NDArray:
    """Proximal operator of threshold·Σ‖·‖₂: shortens every row by `threshold` (B,), keeps its phase."""
    norms = row_norms(rows)
    scale = np.maximum(norms - threshold, 0) / np.maximum(norms, np.finfo(norms.dtype).tiny)
    return rows * scale[..., None]


def objective(residual: NDArray, rows: NDArray, lam: NDArray) -> NDArray:
    """½‖R‖²_F + λ Σ_n ‖X_n‖₂ of every frame (B,), given the residual R = Y − A X."""
    return 0.5 * sum_squares(residual, axis=(0, -1)) + lam * row_norms(rows).sum(axis=0)


def lam_max(matrix: Matrix, received: NDArray) -> NDArray:
    """The smallest λ at which the solution is X = 0: max_n ‖a_nᴴ Y‖₂, for every frame (B,)."""
    return row_norms(apply(adjoint(matrix), received)).max(axis=0)


def duality_gap(matrix: Matrix, received: NDArray, rows: NDArray, lam: NDArray) -> NDArray:
    """Relative duality gap (P(X) − D(θ)) / P(X) of every frame (B,): X is optimal iff it is 0.

    The dual point is the residual scaled to be feasible, θ = R·min(1, λ / max_n ‖a_nᴴ R‖), with
    D(θ) = ½‖Y‖² − ½‖Y − θ‖². The gap bounds the relative error of the objective.
    """
    residual = received - apply(matrix, rows)
    primal = objective(residual, rows, lam)
    correlation = lam_max(matrix, residual)
    scale = np.minimum(1, lam / np.maximum(correlation, np.finfo(float).tiny))
    theta = residual * scale[:, None]
    dual = 0.5 * (sum_squares(received, axis=(0, -1)) - sum_squares(received - theta, axis=(0, -1)))
    return np.divide(primal - dual, primal, out=np.zeros_like(primal), where=primal > 0)
