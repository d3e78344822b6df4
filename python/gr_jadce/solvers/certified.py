# SPDX-License-Identifier: GPL-3.0-or-later
"""Any iteration for the group LASSO, run on a batch until every frame's certificate holds."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import complex_frames
from ..checks import check_integer, check_positive
from ..estimate import Estimate, check_received, noise_levels, per_frame
from ..numeric import orthonormal_columns, sum_squares
from ..pilots.book import PilotBook, as_pilot_book
from .group_lasso import Matrix, Operator, apply, duality_gap, lam_max, row_norms
from .unit_norms import UnitNorms

_MAX_ITERATIONS = 2**29
_BLIND_ROUNDS = 3  # of the scaled LASSO, in which σ² then moves by a few percent
_BLIND_TOL = 1e-2  # relative gap: loose, for only σ² is wanted


class Rotated(NamedTuple):
    """The pilots in coordinates in which A Aᴴ is diagonal.

    With A Aᴴ = Q diag(s) Qᴴ, B = QᴴA and Ỹ = QᴴY the problem is the same and B Bᴴ = diag(s).

    A fast pilot book is not turned (Q is None) and B an `Operator`. Where its A Aᴴ is not diagonal,
    `whole` has further pilots that make it so: devices that are never active. `places` says where the
    real ones are in it.
    """

    book: PilotBook
    B: Matrix  # (L, N)
    Q: NDArray | None  # (L, L)
    s: NDArray  # (L,) of `whole`, ascending; its largest bounds that of B
    pilot_energy: float  # mean ‖a_n‖²
    whole: Matrix  # (L, N′)
    places: NDArray | None  # (N,), None where whole is B

    @classmethod
    def of(cls, book: PilotBook) -> "Rotated":
        """The rotation of a pilot book; the eigen-decomposition is the book's, computed once."""
        if book.is_fast:
            return cls._fast(book)
        s, Q = book.gram_eigen
        B = book.matrix.astype(np.complex128) if Q is None else Q.conj().T @ book.matrix
        return cls(book, B, Q, s, float(s.sum() / book.n_devices), B, None)

    @classmethod
    def _fast(cls, book: PilotBook) -> "Rotated":
        L, N = book.pilot_length, book.n_devices
        B = whole = Operator((L, N), book.forward, book.adjoint)
        bound, places = book.tight_bound, None
        if bound is None:
            more, places = book.tight_extension()
            whole, bound = Operator((L, more.n_devices), more.forward, more.adjoint), more.tight_bound
        return cls(book, B, None, np.full(L, bound), book.energy / N, whole, places)

    @property
    def matrix(self) -> NDArray:
        """B as a matrix; ValueError where that is too large."""
        return self.book.matrix.astype(np.complex128) if isinstance(self.B, Operator) else self.B

    def turn(self, received: NDArray) -> NDArray:
        """Ỹ (L, B, M) of frames (B, L, M)."""
        Y = np.moveaxis(received, 0, 1)
        return np.ascontiguousarray(Y) if self.Q is None else apply(self.Q.conj().T, Y)


class CertifiedSolver:
    """A group-LASSO iteration set up for a pilot book, then called on frames.

    Every frame leaves the batch when its relative duality gap is at most `tol`, or after `max_iter`
    iterations. In double precision, unless `compiled` takes complex64 frames in single.

    Parameters
    ----------
    name : str
        Its factory's.
    pilots : PilotBook or (L, N) array
        The iteration has them with unit norms (`unit_norms`).
    iteration : callable
        ``iteration(rotated)`` gives an object with ``start(Y, lam, lam_peak)`` → state, a tuple
        of arrays with frames on axis 1, or on axis 0 of vectors, and ``step(Y, lam, state)`` →
        state. Its first element is the estimate X.
    lam_ratio, lam_factor, noise_var, tol, max_iter, check_every, threads
        See `pc_admm`.
    compiled : callable, optional
        ``compiled(rotated, options)`` gives the same in the compiled kernel, which then does the work.

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
        iteration: Callable[[Rotated], Any],
        *,
        lam_ratio: float | None = None,
        lam_factor: float = 0.7,
        noise_var: float | None = None,
        tol: float = 1e-4,
        max_iter: int = 300,
        check_every: int = 5,
        threads: int = 1,
        compiled: Callable[[Rotated, dict], Any] | None = None,
    ) -> None:
        self.lam_ratio = None if lam_ratio is None else check_positive("lam_ratio", lam_ratio, 1)
        self.lam_factor, self.tol = check_positive("lam_factor", lam_factor), check_positive("tol", tol)
        self.noise_var = None if noise_var is None else check_positive("noise_var", noise_var)
        self.max_iter = check_integer("max_iter", max_iter, 1, _MAX_ITERATIONS)
        self.check_every = check_integer("check_every", check_every, 1)
        self._threads = check_integer("threads", threads, 1)
        self.name, self.book = name, as_pilot_book(pilots)
        self._unit = UnitNorms.of(self.book)
        self._rotated = Rotated.of(self._unit.book)
        self._iteration = iteration(self._rotated)
        self._compiled: Any = None if compiled is None else compiled(self._rotated, self._options())

    def _options(self) -> dict:
        names = ("lam_factor", "tol", "max_iter")
        options = {name: getattr(self, name) for name in names}
        return options | {
            "lam_ratio": self.lam_ratio or 0.0,
            "check_every": min(self.check_every, self.max_iter),
        }

    def __call__(self, received: ArrayLike, noise_var: ArrayLike | None = None) -> Estimate:
        received = check_received(received, self.book.pilot_length)
        noise_var = self.noise_var if noise_var is None else noise_var
        run = self._run_numpy if self._compiled is None else self._run_compiled
        estimate = run(received, noise_var)
        dtype = np.result_type(received, np.complex64)
        estimate = estimate._replace(channel=estimate.channel.astype(dtype, copy=False))
        return self._unit.restored(estimate)

    def _run_numpy(self, received: NDArray, noise_var: ArrayLike | None) -> Estimate:
        reduced, back = _reduce_antennas(received.astype(np.complex128))
        Y = self._rotated.turn(reduced)
        X, n_iter, gap = self.solve(Y, self._lam(Y, noise_var, received.shape[2]), self.tol)
        channel = np.moveaxis(X, 0, 1)
        return Estimate(channel if back is None else channel @ back, row_norms(X).T, n_iter, gap)

    def _run_compiled(self, received: NDArray, noise_var: ArrayLike | None) -> Estimate:
        reduced, back = _reduce_antennas(received)
        levels = noise_levels(noise_var, len(received))
        frames = complex_frames(reduced)
        estimate = Estimate(*self._compiled.solve(frames, levels, received.shape[2], self._threads))
        return estimate if back is None else estimate._replace(channel=estimate.channel @ back)

    def estimate_noise_var(self, received: NDArray) -> NDArray:
        """σ² of every frame (B,), from the residual of the scaled LASSO."""
        if self._compiled is not None:
            frames = complex_frames(_reduce_antennas(received)[0])
            return self._compiled.estimate_noise_var(frames, received.shape[2], self._threads)
        reduced, _ = _reduce_antennas(received.astype(np.complex128))
        Y = self._rotated.turn(reduced)
        return self._blind_noise_var(Y, received.shape[2])

    def solve(self, Y: NDArray, lam: NDArray, tol: float) -> tuple[NDArray, NDArray, NDArray]:
        """Solve B problems in rotated coordinates (Ỹ = QᴴY) at penalties lam (B,): X, n_iter, gap."""
        N, B, M = self.book.n_devices, *Y.shape[1:]
        X, n_iter, gap = np.zeros((N, B, M), np.complex128), np.zeros(B, int), np.zeros(B)
        lam_peak = lam_max(self._rotated.B, Y)
        live = np.flatnonzero(lam < lam_peak)  # for the others X = 0 is optimal
        Y, lam = Y[:, live], lam[live]
        state = self._iteration.start(Y, lam, lam_peak[live])
        for k in range(1, self.max_iter + 1):
            if not live.size:
                break
            state = self._iteration.step(Y, lam, state)
            if k % self.check_every and k < self.max_iter:
                continue
            gap_live = duality_gap(self._rotated.B, Y, state[0], lam)
            done = (gap_live <= tol) | (k == self.max_iter)
            X[:, live[done]], gap[live[done]], n_iter[live[done]] = state[0][:, done], gap_live[done], k
            live, Y, lam, *state = (_frames(array, ~done) for array in (live, Y, lam, *state))
        return X, n_iter, gap

    def _lam(self, Y: NDArray, noise_var: ArrayLike | None, n_antennas: int) -> NDArray:
        if self.lam_ratio is not None:
            return self.lam_ratio * lam_max(self._rotated.B, Y)
        if noise_var is not None:
            return self._lam_for(per_frame("noise_var", noise_var, Y.shape[1]), n_antennas)
        return self._lam_for(self._blind_noise_var(Y, n_antennas), n_antennas)

    def _lam_for(self, noise_var: NDArray, n_antennas: int) -> NDArray:
        """λ = lam_factor σ √M rms‖a_n‖; with 0.7, within 0.5 dB of the best λ over SNR and sizes."""
        return self.lam_factor * np.sqrt(noise_var * n_antennas * self._rotated.pilot_energy)

    def _blind_noise_var(self, Y: NDArray, n_antennas: int) -> NDArray:
        """Scaled LASSO (Sun and Zhang, Biometrika 99(4), 2012): alternate σ from the residual and λ."""
        lam, total = 0.1 * lam_max(self._rotated.B, Y), n_antennas * Y.shape[0]
        for _ in range(_BLIND_ROUNDS):
            X, _, _ = self.solve(Y, lam, _BLIND_TOL)
            residual = sum_squares(Y - apply(self._rotated.B, X), axis=(0, -1))
            support = np.minimum(np.count_nonzero(row_norms(X), axis=0), Y.shape[0] // 2)
            noise_var = residual / (total - n_antennas * support)
            lam = self._lam_for(noise_var, n_antennas)
        return noise_var


def _frames(array: NDArray, keep: NDArray) -> NDArray:
    """The frames kept of an array with frames on axis 1, or on axis 0 of a vector."""
    return array[keep] if array.ndim == 1 else array[:, keep]


def _reduce_antennas(received: NDArray) -> tuple[NDArray, NDArray | None]:
    """Fewer antennas for M > L: the objective is invariant to a unitary rotation of the antennas.

    With the thin QR decomposition Yᴴ = Q R, solve for Y Q (L columns) and rotate back by Qᴴ.
    """
    if received.shape[2] <= received.shape[1]:
        return received, None
    received = received.astype(np.complex128)
    basis = orthonormal_columns(received.conj().swapaxes(1, 2))
    return received @ basis, basis.conj().swapaxes(1, 2)
