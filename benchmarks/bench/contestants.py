# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared on the group LASSO: ours, and the libraries in the best form each has for it.

A contestant is a set-up: `make(problem)` gives `solve(frames, knob)` → channel (B, N, M) for a slice
of the problem's frames; larger knobs are more accurate, and every solver stops by its own test, or after
the iterations that the knob says where it has none.
"""

from typing import NamedTuple

import numpy as np
from problems import LAM_RATIO

from gr_jadce import pc_admm
from gr_jadce.pilots import as_pilot_book
from gr_jadce.solvers.group_lasso import apply, duality_gap, objective, row_norms, row_shrink
from gr_jadce.solvers.pc_admm import step, strictly_contractive


class Contestant(NamedTuple):
    name: str
    make: object
    knobs: tuple
    frames: int  # frames of the problem it is judged on
    batch: int  # frames at a time
    note: str = ""


GAPS = tuple(10 ** (-k / 4) for k in range(6, 25))  # 3e-2 … 1e-6


def ours(backend):
    def make(problem):
        # A book of its own, whose decomposition is part of the set-up.
        book = as_pilot_book(problem.book.matrix)
        solvers = {1e-4: pc_admm(book, lam_ratio=LAM_RATIO, tol=1e-4, backend=backend)}

        def solve(frames, gap):
            if gap not in solvers:
                solvers[gap] = pc_admm(book, lam_ratio=LAM_RATIO, tol=gap, backend=backend)
            return solvers[gap](problem.received[frames]).channel

        return solve

    return make


def numpy_single_precision(problem):
    """PC-ADMM in complex64, a batch at once, its gap looked at every fifth iteration."""
    s, Q = problem.book.gram_eigen
    B = (problem.book.matrix if Q is None else Q.conj().T @ problem.book.matrix).astype(np.complex64)
    adjoint, C = np.ascontiguousarray(B.conj().T), strictly_contractive(0.9)
    energy, s = np.float32(s.sum() / B.shape[1]), s.astype(np.float32)[:, None, None]
    turn = None if Q is None else Q.conj().T.astype(np.complex64)

    def solve(frames, gap):
        Y = np.ascontiguousarray(np.moveaxis(problem.received[frames], 0, 1))
        Y = Y if turn is None else apply(turn, Y)
        lam = problem.lam[frames].astype(np.float32)
        beta = np.float32(3.2 * np.sqrt(LAM_RATIO)) * energy
        weight, Z = 1 / (s + beta), np.zeros((B.shape[1], *Y.shape[1:]), np.complex64)
        U = Z
        for k in range(1, 301):
            Z, U, estimate = step(
                Z, U, lambda V: V + apply(adjoint, weight * (Y - apply(B, V))),
                lambda T: row_shrink(T, lam / beta), np.float32(0.9), C,
            )  # fmt: skip
            if k % 5 == 0 and np.all(duality_gap(B, Y, estimate, lam) <= gap):
                break
        return np.moveaxis(estimate, 0, 1)

    return solve


def torch_single_precision(problem):
    """The same in torch, eager."""
    import torch

    torch.set_num_threads(1)
    s, Q = problem.book.gram_eigen
    matrix = problem.book.matrix if Q is None else Q.conj().T @ problem.book.matrix
    B = torch.from_numpy(matrix.astype(np.complex64))
    adjoint, C = B.mH.contiguous(), strictly_contractive(0.9)
    energy, s = float(s.sum() / B.shape[1]), torch.from_numpy(s.astype(np.float32))[:, None]
    turn = None if Q is None else torch.from_numpy(Q.conj().T.astype(np.complex64))
    L, N = B.shape

    def norms(rows, M):
        return torch.linalg.vector_norm(torch.view_as_real(rows).reshape(len(rows), -1, 2 * M), dim=2)

    def solve(frames, gap):
        M = problem.received.shape[2]
        Y = torch.from_numpy(np.moveaxis(problem.received[frames], 0, 1).reshape(L, -1).copy())
        Y = Y if turn is None else turn @ Y
        lam = torch.from_numpy(problem.lam[frames].astype(np.float32))
        beta = 3.2 * LAM_RATIO**0.5 * energy
        weight, Z = 1 / (s + beta), torch.zeros((N, Y.shape[1]), dtype=torch.complex64)

        def prox(T):
            scale = torch.clamp(1 - lam / beta / norms(T, M).clamp(min=1e-30), min=0)
            return T * scale.repeat_interleave(M, dim=1)

        def worst_gap(X):
            R = Y - B @ X
            square = (torch.view_as_real(R) ** 2).reshape(L, -1, 2 * M).sum((0, 2))
            inner = (torch.view_as_real(R) * torch.view_as_real(Y)).reshape(L, -1, 2 * M).sum((0, 2))
            scale = torch.clamp(lam / norms(adjoint @ R, M).amax(0), max=1)
            primal = square / 2 + lam * norms(X, M).sum(0)
            return ((primal - scale * inner + scale**2 * square / 2) / primal).max()

        U = Z
        for k in range(1, 301):
            Z, U, estimate = step(Z, U, lambda V: V + adjoint @ (weight * (Y - B @ V)), prox, 0.9, C)
            if k % 5 == 0 and worst_gap(estimate) <= gap:
                break
        return estimate.reshape(N, -1, M).movedim(1, 0).numpy()

    return solve


def sigpy_accelerated(problem):
    import sigpy

    class Rows(sigpy.prox.Prox):
        def __init__(self, lam, shape):
            self.lam = lam
            super().__init__(shape)

        def _prox(self, alpha, rows):
            return row_shrink(rows, alpha * self.lam)

    A, adjoint = problem.A.astype(np.complex64), problem.A.conj().T.astype(np.complex64).copy()
    lipschitz = float(problem.book.gram_eigen[0][-1])

    def solve(frames, iterations):
        y, lam = problem.received[frames][0], float(problem.lam[frames][0])
        x = np.zeros((A.shape[1], y.shape[1]), np.complex64)
        algorithm = sigpy.alg.GradientMethod(
            lambda x: adjoint @ (A @ x - y), x, 1 / lipschitz,
            proxg=Rows(lam, x.shape), accelerate=True, max_iter=iterations,
        )  # fmt: skip
        while not algorithm.done():
            algorithm.update()
        return x[None]

    return solve


def pyproximal_accelerated(problem):
    import pylops
    import pyproximal

    A, adjoint = problem.A.astype(np.complex64), problem.A.conj().T.astype(np.complex64).copy()
    lipschitz = float(problem.book.gram_eigen[0][-1])
    (L, N), M = A.shape, problem.received.shape[2]

    class Product(pylops.LinearOperator):  # on (2 M, N) real rows, which L21 takes the columns of
        def __init__(self):
            super().__init__(dtype=np.float32, shape=(2 * M * L, 2 * M * N))

        def _matvec(self, x):
            return _parts(A @ _whole(x.reshape(2 * M, N)))

        def _rmatvec(self, y):
            return _parts(adjoint @ _whole(y.reshape(2 * M, L)))

    def _whole(rows):
        return (rows[:M] + 1j * rows[M:]).T

    def _parts(columns):
        return np.concatenate([columns.real.T, columns.imag.T]).astype(np.float32).ravel()

    product = Product()

    def solve(frames, iterations):
        y, lam = problem.received[frames][0], float(problem.lam[frames][0])
        fit = pyproximal.L2(Op=product, b=_parts(y))
        penalty = pyproximal.L21(ndim=2 * M, sigma=lam)
        x = pyproximal.optimization.primal.ProximalGradient(
            fit, penalty, x0=np.zeros(2 * M * N, np.float32), tau=1 / lipschitz, niter=iterations,
            acceleration="fista", show=False,
        )  # fmt: skip
        x = x[0] if isinstance(x, tuple) else x
        return _whole(x.reshape(2 * M, N))[None]

    return solve


def _real_design(problem):
    """The complex problem as a real one with groups: design (2 L M, 2 M N), column order by device."""
    A, M = problem.A, problem.received.shape[2]
    L, N = A.shape
    design = np.zeros((M, 2, L, N, M, 2), np.float64)
    for m in range(M):
        design[m, 0, :, :, m, 0], design[m, 0, :, :, m, 1] = A.real, -A.imag
        design[m, 1, :, :, m, 0], design[m, 1, :, :, m, 1] = A.imag, A.real
    return np.asfortranarray(design.reshape(2 * L * M, 2 * M * N))


def _real_target(y):
    return np.stack([y.real.T, y.imag.T], axis=1).ravel().astype(np.float64)


def _channel(weights, N, M):
    parts = weights.reshape(N, M, 2)
    return (parts[..., 0] + 1j * parts[..., 1])[None]


def celer_groups(problem):
    import celer

    X, (N, M) = _real_design(problem), (problem.A.shape[1], problem.received.shape[2])

    def solve(frames, tol):
        target = _real_target(problem.received[frames][0])
        model = celer.GroupLasso(
            groups=2 * M, alpha=float(problem.lam[frames][0]) / len(target), tol=tol, fit_intercept=False,
            max_iter=500,
        )  # fmt: skip
        return _channel(model.fit(X, target).coef_, N, M)

    return solve


def skglm_groups(problem):
    from skglm import GroupLasso

    X, (N, M) = _real_design(problem), (problem.A.shape[1], problem.received.shape[2])

    def solve(frames, tol):
        target = _real_target(problem.received[frames][0])
        alpha = float(problem.lam[frames][0]) / len(target)
        model = GroupLasso(groups=2 * M, alpha=alpha, tol=tol * alpha, fit_intercept=False, max_iter=500)
        return _channel(model.fit(X, target).coef_, N, M)

    return solve


def sklearn_apart(problem):
    """MultiTaskLasso on real and imaginary parts apart: another problem, twice the rows to choose from."""
    from sklearn.linear_model import MultiTaskLasso

    A, N = problem.A, problem.A.shape[1]
    X = np.asfortranarray(np.block([[A.real, -A.imag], [A.imag, A.real]]))

    def solve(frames, tol):
        y = problem.received[frames][0]
        alpha = float(problem.lam[frames][0]) / len(X)
        model = MultiTaskLasso(alpha=alpha, tol=tol, fit_intercept=False, max_iter=5000)
        rows = model.fit(X, np.asfortranarray(np.concatenate([y.real, y.imag]), np.float64)).coef_.T
        return (rows[:N] + 1j * rows[N:])[None]

    return solve


def apart_objective(problem, channel, frames):
    """What `sklearn_apart` minimises."""
    X, lam = np.moveaxis(np.asarray(channel, np.complex128), 0, 1), problem.lam[frames]
    residual = problem.Y[:, frames] - np.einsum("ln,nbm->lbm", problem.A, X)
    return objective(residual, X.real, lam) + lam * row_norms(X.imag).sum(axis=0)


TOLERANCES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)
ITERATIONS = (10, 15, 20, 25, 30, 40, 50, 70, 100, 140, 200, 300, 500)
CONTESTANTS = (
    Contestant("kernel, batch", ours("kernel"), GAPS, 64, 64),
    Contestant("kernel, single frame", ours("kernel"), GAPS, 64, 1),
    Contestant("numpy complex64, batch", numpy_single_precision, GAPS, 64, 16, "16 frames at once"),
    Contestant("numpy complex64, single frame", numpy_single_precision, GAPS, 16, 1),
    Contestant("numpy backend, batch", ours("numpy"), GAPS, 64, 64, "double precision"),
    Contestant("numpy backend, single frame", ours("numpy"), GAPS, 16, 1, "double precision"),
    Contestant("torch complex64, batch", torch_single_precision, GAPS, 64, 16, "16 frames at once"),
    Contestant("sigpy, accelerated", sigpy_accelerated, ITERATIONS, 8, 1, "no stopping test of its own"),
    Contestant(
        "pyproximal, accelerated", pyproximal_accelerated, ITERATIONS, 8, 1, "no stopping test of its own"
    ),
    Contestant("sklearn, parts apart", sklearn_apart, TOLERANCES, 4, 1, "another problem: its own objective"),
    Contestant("skglm, groups", skglm_groups, TOLERANCES, 4, 1, "real problem of the same groups"),
    Contestant("celer, groups", celer_groups, TOLERANCES, 4, 1, "real problem of the same groups"),
)
