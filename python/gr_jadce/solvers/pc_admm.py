# SPDX-License-Identifier: GPL-3.0-or-later
"""Prediction-correction ADMM for the group LASSO, after Dang et al., IEEE Trans. Commun. 73(11), 2025.

Only the abstract of that paper is public; the iteration here is a member of He and Yuan's
prediction-correction framework (B. He and X. Yuan, "On the O(1/n) convergence rate of the
Douglas-Rachford alternating direction method", SIAM J. Numer. Anal. 50(2), 2012, and their later
work on ADMM as prediction and correction), applied to X = Z with scaled dual U and penalty β:

    predict   X~ = (AᴴA + βI)⁻¹ (AᴴY + β(Z + U))
              U~ = U − (X~ − Z)
              Z~ = shrink_{λ/β}( X~ − (1−r) U − r U~ )
    correct   [Z; U] ← [Z; U] − C [Z − Z~; U − U~]
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import kernel_for
from ..checks import check_number, check_positive
from ..pilots.book import PilotBook, as_pilot_book
from .certified import CertifiedSolver, Rotated
from .group_lasso import Operator, adjoint, apply, row_shrink

Corrector: TypeAlias = Sequence[Sequence[Any]]  # 2×2, of numbers; the network's of arrays

_SCREEN_SHARE = 0.95  # of λ: the kernel leaves out devices of less correlation between two checks; measured


def step(
    Z: Any, U: Any, predict: Callable, prox: Callable, r: Any, C: Corrector | Callable[[], Corrector]
) -> tuple[Any, Any, Any]:
    """One prediction and correction; `predict` and `prox` are callables of one argument.

    Uses + − * only, so that NumPy arrays and torch tensors both pass. C may be a callable of no
    argument, called after `prox`: the unrolled network's corrector follows from what its prox saw.

    Returns
    -------
    Z, U, Z~ : the corrected variables and the predicted (sparse) one, the estimate.
    """
    X_pred = predict(Z + U)
    U_pred = U - (X_pred - Z)
    Z_pred = prox(X_pred - (1 - r) * U - r * U_pred)
    C = C() if callable(C) else C
    dZ, dU = Z - Z_pred, U - U_pred
    return Z - (C[0][0] * dZ + C[0][1] * dU), U - (C[1][0] * dZ + C[1][1] * dU), Z_pred


def strictly_contractive(r: float) -> Corrector:
    """The corrector C = [[1, 0], [r, 2r]] of the strictly contractive Peaceman-Rachford splitting."""
    return ((1.0, 0.0), (r, 2.0 * r))


def check_admissible(r: float, C: Corrector) -> None:
    """Raise ValueError unless (r, C) is in the family that is known to converge.

    With Q = [[1, r], [1, 1]] and D = Qᵀ C, the framework asks for D symmetric and
    0 < D < Q + Qᵀ, which needs −3 < r < 1.
    """
    C = np.asarray(C, dtype=float)
    if C.shape != (2, 2) or not np.all(np.isfinite(C)) or not -3 < r < 1:
        raise ValueError(
            f"r, C: expected −3 < r < 1 and a 2×2 real corrector, got r = {r!r}, C = {C.tolist()}"
        )
    Q = np.array([[1.0, r], [1.0, 1.0]])
    D = Q.T @ C
    if abs(D[0, 1] - D[1, 0]) > 1e-12 * np.abs(D).max():
        raise ValueError(f"C: expected Qᵀ C symmetric, got {D.tolist()} for r = {r!r}")
    smallest = min(np.linalg.eigvalsh(D)[0], np.linalg.eigvalsh(Q + Q.T - D)[0])
    if smallest <= 0:
        raise ValueError(
            f"C: expected 0 < Qᵀ C < Q + Qᵀ (convergence), got C = {C.tolist()} with r = {r!r}, "
            f"which breaks it by {-smallest:.3g}"
        )


class PcAdmm:
    """The iteration for the group LASSO; state (Z~, Z, U, β), β constant by a fixed rule."""

    def __init__(self, rotated: Rotated, r: float, C: Corrector, beta_factor: float) -> None:
        self.B, self.s, self.places, self.r, self.C = rotated.whole, rotated.s, rotated.places, r, C
        self.adjoint, self.n_devices = adjoint(self.B), rotated.B.shape[1]
        self.beta_factor = beta_factor * rotated.pilot_energy

    def start(self, Y: NDArray, lam: NDArray, lam_peak: NDArray) -> tuple[NDArray, ...]:
        """The state from which all rows are zero."""
        zero = np.zeros((self.B.shape[1], *Y.shape[1:]), np.complex128)
        return zero[: self.n_devices], zero, zero, self.beta_factor * np.sqrt(lam / lam_peak)

    def step(self, Y: NDArray, lam: NDArray, state: tuple[NDArray, ...]) -> tuple[NDArray, ...]:
        """The state after a prediction and a correction."""
        _, Z, U, beta = state
        prox = partial(self._prox, threshold=lam / beta)
        Z, U, Z_pred = step(Z, U, self._predict(Y, beta), prox, self.r, self.C)
        return Z_pred if self.places is None else Z_pred[self.places], Z, U, beta

    def _prox(self, V: NDArray, threshold: NDArray) -> NDArray:
        """Shrinks the rows of real devices; those that complete the pilots are zero."""
        if self.places is None:
            return row_shrink(V, threshold)
        Z_pred = np.zeros_like(V)
        Z_pred[self.places] = row_shrink(V[self.places], threshold)
        return Z_pred

    def _predict(self, Y: NDArray, beta: NDArray) -> Callable[[NDArray], NDArray]:
        """V ↦ (AᴴA + βI)⁻¹ (AᴴY + βV) = V + Aᴴ (AAᴴ + βI)⁻¹ (Y − A V), by Woodbury."""
        weight = 1 / (self.s[:, None] + beta)
        return lambda V: V + apply(self.adjoint, weight[..., None] * (Y - apply(self.B, V)))


def pc_admm(
    pilots: PilotBook | ArrayLike,
    *,
    r: float = 0.9,
    C: Corrector | None = None,
    beta_factor: float | None = None,
    backend: str = "auto",
    descend: bool = True,
    **options: Any,
) -> CertifiedSolver:
    """Make a PC-ADMM estimator: group LASSO for several antennas, complex LASSO for one.

    Minimises ½‖Y − A X‖²_F + λ Σ_n w_n ‖X_n‖₂ for every frame until a certificate holds: a relative
    duality gap of at most `tol`. The weights w_n are 1 where all pilots have the same norm, and
    otherwise ‖a_n‖, so that no device is held back for its weak pilot (`unit_norms`).

    NumPy computes in double precision. So does the compiled kernel, but for complex64 frames, in which
    it computes in single precision where that can certify the gap: never for a `tol` below 1e-5. There
    it screens out, from one check to the next, devices that seem inactive; the gap is over all devices.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    r, C : float, 2×2
        Prediction's relaxation and corrector; default r = 0.9, C = [[1, 0], [r, 2r]]. Refused
        with ValueError unless they are known to converge (`check_admissible`).
    beta_factor : float
        β = beta_factor · mean‖a_n‖² · √(λ/λ_max); default max(3.2, N/L).
    backend : {"auto", "numpy", "kernel"}
        What computes: the compiled kernel where it is installed, NumPy, or the kernel only. The
        kernel knows correctors with C[0] = [1, 0]; "auto" leaves others to NumPy.
    descend : bool
        Start from block coordinate descent on the likeliest devices, not from zero, where the kernel
        can look up inner products of pilots: for books with fast products.
    lam_ratio : float, optional
        λ as a share of the frame's λ_max = max_n ‖a_nᴴ Y‖/w_n. Without it,
        λ = lam_factor · σ √M · rms(‖a_n‖/w_n).
    lam_factor : float
        Default 0.7.
    noise_var : float, optional
        σ², noise variance per received sample; also a call argument. Unknown (None), it is
        estimated from the frame by the scaled LASSO, in three rounds.
    tol : float
        Relative duality gap at which a frame is done, default 1e-4.
    max_iter, check_every : int
        Iterations at most (300), and between two evaluations of the gap (5; each costs an
        iteration's time). Where the kernel screens, it evaluates the gap when that should be small
        enough, at most twice as many iterations apart.
    threads : int
        Threads over the frames of a batch, of the kernel, default 1.

    Returns
    -------
    estimator : callable
        ``estimator(received, noise_var=None)`` with received (B, L, M) or (L, M) → `Estimate`.
    """
    r = check_number("r", r)
    C = strictly_contractive(r) if C is None else C
    check_admissible(r, C)
    return _solver("pc_admm", pilots, r, C, beta_factor, backend, options, descend)


def admm(
    pilots: PilotBook | ArrayLike, *, beta_factor: float | None = None, backend: str = "auto", **options: Any
) -> CertifiedSolver:
    """Make a plain ADMM estimator (Boyd et al., Found. Trends Mach. Learn. 3(1), 2011, section 6.4).

    It is the same step with r = 0 and C = [[1, 0], [1, 1]], on the boundary of the family.
    Parameters as for `pc_admm`.
    """
    return _solver("admm", pilots, 0.0, ((1.0, 0.0), (1.0, 1.0)), beta_factor, backend, options)


def _solver(
    name: str,
    pilots: PilotBook | ArrayLike,
    r: float,
    C: Corrector,
    beta_factor: float | None,
    backend: str,
    options: dict[str, Any],
    descend: bool = False,
) -> CertifiedSolver:
    book = as_pilot_book(pilots)
    if beta_factor is None:
        beta_factor = max(3.2, book.n_devices / book.pilot_length)
    beta_factor = check_positive("beta_factor", beta_factor)
    iteration = partial(PcAdmm, r=r, C=C, beta_factor=beta_factor)
    kernel = kernel_for(backend)
    if kernel is not None and (C[0][0], C[0][1]) == (1, 0):
        step_options = {
            "r": r,
            "c": C[1][0],
            "e": C[1][1],
            "beta_factor": beta_factor,
            "screen": _SCREEN_SHARE,
        }
        step_options["descend"] = bool(descend)
        options["compiled"] = partial(_compiled, kernel, step_options)
    elif backend == "kernel":
        raise ValueError(f"C: expected [[1, 0], …] with backend 'kernel', got {np.asarray(C).tolist()}")
    return CertifiedSolver(name, book, iteration, **options)


def _compiled(kernel: ModuleType, step_options: dict, rotated: Rotated, options: dict) -> Any:
    """The solver in the kernel, or None where it has none for such pilots."""
    if isinstance(rotated.B, Operator):
        return _compiled_fast(kernel, rotated, step_options | options)
    Q = np.eye(len(rotated.s)) if rotated.Q is None else rotated.Q
    return kernel.PcAdmm(rotated.B, Q, rotated.s, rotated.pilot_energy, step_options | options)


def _compiled_fast(kernel: ModuleType, rotated: Rotated, options: dict) -> Any:
    """The solver with fast transforms, or None where the kernel has none, or not for these shifts."""
    book = rotated.book
    if not hasattr(kernel, "fast_pc_admm"):
        return None
    index = book.rows if book.shifts is None else book.roots
    if book.shifts is not None and list(book.shifts) != list(range(book.pilot_length)):
        return None
    return kernel.fast_pc_admm(
        book.kind, book.pilot_length, book.n_devices, index, float(rotated.s[0]), options
    )
