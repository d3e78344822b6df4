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

import numpy as np

from ..pilots import as_pilot_book
from .estimate import Estimate, check_received, per_frame
from .group_lasso import apply, duality_gap, lam_max, row_norms, row_shrink, sum_squares


def step(Z, U, predict, prox, r, C):
    """One prediction and correction; `predict` and `prox` are callables of one argument.

    Uses + − * only, so that NumPy arrays and torch tensors both pass.

    Returns
    -------
    Z, U, Z~ : the corrected variables and the predicted (sparse) one, the estimate.
    """
    X_pred = predict(Z + U)
    U_pred = U - (X_pred - Z)
    Z_pred = prox(X_pred - (1 - r) * U - r * U_pred)
    dZ, dU = Z - Z_pred, U - U_pred
    return Z - (C[0][0] * dZ + C[0][1] * dU), U - (C[1][0] * dZ + C[1][1] * dU), Z_pred


def strictly_contractive(r):
    """The corrector C = [[1, 0], [r, 2r]] of the strictly contractive Peaceman-Rachford splitting."""
    return ((1.0, 0.0), (r, 2.0 * r))


def check_admissible(r, C):
    """Raise ValueError unless (r, C) is in the family that is known to converge.

    With Q = [[1, r], [1, 1]] and D = Qᵀ C, the framework asks for D symmetric and
    0 < D < Q + Qᵀ, which needs −3 < r < 1.
    """
    C = np.asarray(C, dtype=float)
    if C.shape != (2, 2) or not np.all(np.isfinite(C)) or not -3 < r < 1:
        raise ValueError(f"r, C: expected −3 < r < 1 and a 2×2 real corrector, got r = {r!r}, C = {C.tolist()}")
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
    """PC-ADMM set up once for a pilot book, then called on frames; see `pc_admm`."""

    name = "pc_admm"

    def __init__(self, pilots, lam_ratio, noise_var, tol, max_iter, check_every, r, C):
        self.pilots = as_pilot_book(pilots)
        self.lam_ratio, self.noise_var = lam_ratio, noise_var
        self.tol, self.max_iter, self.check_every = tol, max_iter, check_every
        self.r, self.C = r, strictly_contractive(r) if C is None else C
        check_admissible(self.r, self.C)
        # A = Q diag(√s) …: with B = QᴴA and Ỹ = QᴴY the problem is the same and B Bᴴ is diagonal.
        self._s, self._Q = self.pilots.gram_eigen
        self._B = self._Q.conj().T @ self.pilots.matrix
        self._pilot_energy = float(self._s.sum() / self.pilots.n_devices)  # mean ‖a_n‖²

    def __call__(self, received, noise_var=None) -> Estimate:
        received = check_received(received, self.pilots.pilot_length)
        reduced, back = _reduce_antennas(received.astype(np.complex128))
        Y = apply(self._Q.conj().T, np.moveaxis(reduced, 0, 1))
        lam = self._lam(Y, self.noise_var if noise_var is None else noise_var, received.shape[2])
        X, n_iter, gap = self.solve(Y, lam, self.tol)
        channel = np.moveaxis(X, 0, 1)
        channel = channel if back is None else channel @ back
        channel = channel.astype(np.result_type(received, np.complex64), copy=False)
        return Estimate(channel, row_norms(X).T, n_iter, gap)

    def solve(self, Y, lam, tol):
        """Solve B problems in rotated coordinates (Ỹ = QᴴY) at penalties lam (B,): X, n_iter, gap."""
        N, B, M = self.pilots.n_devices, *Y.shape[1:]
        X, n_iter, gap = np.zeros((N, B, M), np.complex128), np.zeros(B, int), np.zeros(B)
        lam_peak = lam_max(self._B, Y)
        live = np.flatnonzero(lam < lam_peak)  # for the others X = 0 is optimal
        Y, lam = Y[:, live], lam[live]
        beta = 3.2 * self._pilot_energy * np.sqrt(lam / lam_peak[live])
        Z = U = np.zeros((N, live.size, M), np.complex128)
        for k in range(1, self.max_iter + 1):
            if not live.size:
                break
            Z, U, X_live = step(Z, U, self._predict(Y, beta), _shrink(lam / beta), self.r, self.C)
            if k % self.check_every and k < self.max_iter:
                continue
            gap_live = duality_gap(self._B, Y, X_live, lam)
            done = (gap_live <= tol) | (k == self.max_iter)
            X[:, live[done]], gap[live[done]], n_iter[live[done]] = X_live[:, done], gap_live[done], k
            keep = ~done
            live, Y, lam, beta, Z, U = live[keep], Y[:, keep], lam[keep], beta[keep], Z[:, keep], U[:, keep]
        return X, n_iter, gap

    def _predict(self, Y, beta):
        """V ↦ (AᴴA + βI)⁻¹ (AᴴY + βV) = V + Aᴴ (AAᴴ + βI)⁻¹ (Y − A V), by Woodbury."""
        weight = 1 / (self._s[:, None] + beta)
        return lambda V: V + apply(self._B.conj().T, weight[..., None] * (Y - apply(self._B, V)))

    def _lam(self, Y, noise_var, n_antennas):
        B = Y.shape[1]
        if self.lam_ratio is not None:
            return self.lam_ratio * lam_max(self._B, Y)
        if noise_var is not None:
            return self._lam_for(per_frame("noise_var", noise_var, B), n_antennas)
        return self._lam_blind(Y, n_antennas)

    def _lam_for(self, noise_var, n_antennas):
        """λ = 0.7 σ √M ‖a‖: within 0.5 dB of the best λ over SNR and sizes."""
        return 0.7 * np.sqrt(noise_var * n_antennas * self._pilot_energy)

    def _lam_blind(self, Y, n_antennas):
        """Scaled LASSO (Sun and Zhang, Biometrika 99(4), 2012): alternate σ from the residual and λ."""
        lam, total = 0.1 * lam_max(self._B, Y), n_antennas * Y.shape[0]
        for _ in range(3):
            X, _, _ = self.solve(Y, lam, tol=1e-2)  # loose: only σ is wanted
            residual = sum_squares(Y - apply(self._B, X), axis=(0, -1))
            support = np.minimum(np.count_nonzero(row_norms(X), axis=0), Y.shape[0] // 2)
            lam = self._lam_for(residual / (total - n_antennas * support), n_antennas)
        return lam


def pc_admm(
    pilots, lam_ratio=None, noise_var=None, tol=1e-4, max_iter=300, check_every=5, r=0.9, C=None
) -> PcAdmm:
    """Make a PC-ADMM estimator: group LASSO for several antennas, complex LASSO for one.

    Minimises ½‖Y − A X‖²_F + λ Σ_n ‖X_n‖₂ for every frame, in double precision, until a
    certificate holds: a relative duality gap of at most `tol`.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    lam_ratio : float, optional
        λ as a share of λ_max = max_n ‖a_nᴴ Y‖ of the frame. Without it, λ = 0.7 σ √M · rms‖a_n‖.
    noise_var : float, optional
        σ², noise variance per received sample; also a call argument. Unknown (None), it is
        estimated from the frame by the scaled LASSO, in three rounds.
    tol : float
        Relative duality gap at which a frame is done.
    max_iter, check_every : int
        Iterations at most, and between two evaluations of the gap (each costs an iteration's time).
    r, C : float, 2×2
        Prediction's relaxation and corrector; default r = 0.9, C = [[1, 0], [r, 2r]]. Refused
        with ValueError unless they are known to converge (`check_admissible`).

    Returns
    -------
    estimator : callable
        ``estimator(received, noise_var=None)`` with received (B, L, M) or (L, M) → `Estimate`.
    """
    if lam_ratio is not None and not 0 < lam_ratio <= 1:
        raise ValueError(f"lam_ratio: expected a number in (0, 1], got {lam_ratio!r}")
    if noise_var is not None:
        per_frame("noise_var", noise_var, 1)
    if not tol > 0 or int(max_iter) < 1 or int(check_every) < 1:
        raise ValueError(
            f"tol, max_iter, check_every: expected positive numbers, got {tol!r}, {max_iter!r}, {check_every!r}"
        )
    return PcAdmm(pilots, lam_ratio, noise_var, tol, int(max_iter), int(check_every), r, C)


def _shrink(threshold):
    return lambda V: row_shrink(V, threshold)


def _reduce_antennas(received):
    """Fewer antennas for M > L: the objective is invariant to a unitary rotation of the antennas.

    With the thin QR decomposition Yᴴ = Q R, solve for Y Q (L columns) and rotate back by Qᴴ.
    """
    if received.shape[2] <= received.shape[1]:
        return received, None
    basis = np.linalg.qr(received.conj().swapaxes(1, 2))[0]
    return received @ basis, basis.conj().swapaxes(1, 2)
