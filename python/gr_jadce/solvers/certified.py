# SPDX-License-Identifier: GPL-3.0-or-later
"""Any iteration for the group LASSO, run on a batch until every frame's certificate holds."""

from typing import NamedTuple

import numpy as np

from ..backend import check_threads, complex_frames
from ..estimate import Estimate, check_received, per_frame
from ..pilots.book import PilotBook, as_pilot_book
from .group_lasso import Operator, apply, duality_gap, lam_max, row_norms, sum_squares

_MOST_ITERATIONS = 2**29


class Rotated(NamedTuple):
    """The pilots in coordinates in which A Aᴴ is diagonal.

    With A Aᴴ = Q diag(s) Qᴴ, B = QᴴA and Ỹ = QᴴY the problem is the same and B Bᴴ = diag(s).

    A fast pilot book is not turned (Q is None) and B an `Operator`. Where its A Aᴴ is not diagonal,
    `whole` has further pilots that make it so: devices that are never active. `places` says where the
    real ones are in it.
    """

    book: PilotBook
    B: np.ndarray | Operator  # (L, N)
    Q: np.ndarray | None  # (L, L)
    s: np.ndarray  # (L,) of `whole`, ascending; its largest bounds that of B
    pilot_energy: float  # mean ‖a_n‖²
    whole: np.ndarray | Operator  # (L, N′)
    places: np.ndarray | None  # (N,), None where whole is B

    @classmethod
    def of(cls, book):
        """The rotation of a pilot book; the eigen-decomposition is the book's, computed once."""
        if book.is_fast:
            return cls._fast(book)
        s, Q = book.gram_eigen
        B = book.matrix.astype(np.complex128) if Q is None else Q.conj().T @ book.matrix
        return cls(book, B, Q, s, float(s.sum() / book.n_devices), B, None)

    @classmethod
    def _fast(cls, book):
        L, N = book.pilot_length, book.n_devices
        B = whole = Operator((L, N), book.forward, book.adjoint)
        bound, places = book.tight_bound, None
        if bound is None:
            more, places = book.tight_extension()
            whole, bound = Operator((L, more.n_devices), more.forward, more.adjoint), more.tight_bound
        return cls(book, B, None, np.full(L, bound), book.energy / N, whole, places)

    @property
    def matrix(self):
        """B as a matrix; ValueError where that is too large."""
        return self.book.matrix.astype(np.complex128) if isinstance(self.B, Operator) else self.B

    def turn(self, received):
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
    pilots : PilotBook or (L, N) array
    iteration : callable
        ``iteration(rotated)`` gives an object with ``start(Y, lam, lam_peak)`` → state, a tuple
        of arrays with frames on axis 1, or on axis 0 of vectors, and ``step(Y, lam, state)`` →
        state. Its first element is the estimate X.
    lam_ratio, lam_factor, noise_var, tol, max_iter, check_every, threads
        See `pc_admm`.
    compiled : callable, optional
        ``compiled(rotated, options)`` gives the same in the compiled kernel, which then does the work.
    """

    def __init__(
        self,
        name,
        pilots,
        iteration,
        lam_ratio=None,
        lam_factor=0.7,
        noise_var=None,
        tol=1e-4,
        max_iter=300,
        check_every=5,
        threads=1,
        compiled=None,
    ):
        _check_options(lam_ratio, lam_factor, noise_var, tol, max_iter, check_every)
        self.name, self.pilots = name, as_pilot_book(pilots)
        self.lam_ratio, self.lam_factor, self.noise_var = lam_ratio, lam_factor, noise_var
        self.tol, self.max_iter, self.check_every = tol, int(max_iter), int(check_every)
        self._rotated = Rotated.of(self.pilots)
        self._iteration = iteration(self._rotated)
        self._threads = check_threads(threads)
        self._compiled = None if compiled is None else compiled(self._rotated, self._options())

    def _options(self):
        names = ("lam_factor", "tol", "max_iter")
        options = {name: getattr(self, name) for name in names}
        return options | {
            "lam_ratio": self.lam_ratio or 0.0,
            "check_every": min(self.check_every, self.max_iter),
        }

    def __call__(self, received, noise_var=None) -> Estimate:
        received = check_received(received, self.pilots.pilot_length)
        if self._compiled is not None:
            return self._call_compiled(received, self.noise_var if noise_var is None else noise_var)
        reduced, back = _reduce_antennas(received.astype(np.complex128))
        Y = self._rotated.turn(reduced)
        lam = self._lam(Y, self.noise_var if noise_var is None else noise_var, received.shape[2])
        X, n_iter, gap = self.solve(Y, lam, self.tol)
        channel = np.moveaxis(X, 0, 1)
        channel = channel if back is None else channel @ back
        channel = channel.astype(np.result_type(received, np.complex64), copy=False)
        return Estimate(channel, row_norms(X).T, n_iter, gap)

    def _call_compiled(self, received, noise_var):
        reduced, back = _reduce_antennas(received)
        noise_var = 0.0 if noise_var is None else per_frame("noise_var", noise_var, len(received))
        noise_var = np.broadcast_to(noise_var, len(received))
        frames = complex_frames(reduced)
        estimate = Estimate(*self._compiled.solve(frames, noise_var, received.shape[2], self._threads))
        channel = estimate.channel if back is None else estimate.channel @ back
        dtype = np.result_type(received, np.complex64)
        return estimate._replace(channel=channel.astype(dtype, copy=False))

    def estimate_noise_var(self, received):
        """σ² of every frame (B,), from the residual of the scaled LASSO."""
        if self._compiled is not None:
            frames = complex_frames(_reduce_antennas(received)[0])
            return self._compiled.estimate_noise_var(frames, received.shape[2], self._threads)
        reduced, _ = _reduce_antennas(received.astype(np.complex128))
        Y = self._rotated.turn(reduced)
        return self._blind_noise_var(Y, received.shape[2])

    def solve(self, Y, lam, tol):
        """Solve B problems in rotated coordinates (Ỹ = QᴴY) at penalties lam (B,): X, n_iter, gap."""
        N, B, M = self.pilots.n_devices, *Y.shape[1:]
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

    def _lam(self, Y, noise_var, n_antennas):
        if self.lam_ratio is not None:
            return self.lam_ratio * lam_max(self._rotated.B, Y)
        if noise_var is not None:
            return self._lam_for(per_frame("noise_var", noise_var, Y.shape[1]), n_antennas)
        return self._lam_for(self._blind_noise_var(Y, n_antennas), n_antennas)

    def _lam_for(self, noise_var, n_antennas):
        """λ = lam_factor σ √M rms‖a_n‖; with 0.7, within 0.5 dB of the best λ over SNR and sizes."""
        return self.lam_factor * np.sqrt(noise_var * n_antennas * self._rotated.pilot_energy)

    def _blind_noise_var(self, Y, n_antennas):
        """Scaled LASSO (Sun and Zhang, Biometrika 99(4), 2012): alternate σ from the residual and λ."""
        lam, total = 0.1 * lam_max(self._rotated.B, Y), n_antennas * Y.shape[0]
        for _ in range(3):
            X, _, _ = self.solve(Y, lam, tol=1e-2)  # loose: only σ is wanted
            residual = sum_squares(Y - apply(self._rotated.B, X), axis=(0, -1))
            support = np.minimum(np.count_nonzero(row_norms(X), axis=0), Y.shape[0] // 2)
            noise_var = residual / (total - n_antennas * support)
            lam = self._lam_for(noise_var, n_antennas)
        return noise_var


def _frames(array, keep):
    """The frames kept of an array with frames on axis 1, or on axis 0 of a vector."""
    return array[keep] if array.ndim == 1 else array[:, keep]


def _check_options(lam_ratio, lam_factor, noise_var, tol, max_iter, check_every):
    if lam_ratio is not None and not 0 < lam_ratio <= 1:
        raise ValueError(f"lam_ratio: expected a number in (0, 1], got {lam_ratio!r}")
    if not lam_factor > 0:
        raise ValueError(f"lam_factor: expected a positive number, got {lam_factor!r}")
    if noise_var is not None:
        per_frame("noise_var", noise_var, 1)
    if not tol > 0 or not 1 <= max_iter <= _MOST_ITERATIONS or check_every < 1:
        raise ValueError(
            f"tol, max_iter, check_every: expected positive numbers, max_iter of at most {_MOST_ITERATIONS}, "
            f"got {tol!r}, {max_iter!r}, {check_every!r}"
        )


def _reduce_antennas(received):
    """Fewer antennas for M > L: the objective is invariant to a unitary rotation of the antennas.

    With the thin QR decomposition Yᴴ = Q R, solve for Y Q (L columns) and rotate back by Qᴴ.
    """
    if received.shape[2] <= received.shape[1]:
        return received, None
    received = received.astype(np.complex128)
    basis = np.linalg.qr(received.conj().swapaxes(1, 2))[0]
    return received @ basis, basis.conj().swapaxes(1, 2)
