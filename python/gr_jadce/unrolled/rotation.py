# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots and frames in the coordinates and at the scale that the network's layers take."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..estimate import per_frame
from ..numeric import sum_squares
from ..pilots.book import PilotBook
from ..solvers.group_lasso import Operator, adjoint, apply
from .layers import Book, Frames


class Rotation(NamedTuple):
    """A pilot book along the eigenvectors of A Aᴴ, at a mean ‖a_n‖² of 1, in single precision."""

    vectors: NDArray | None  # (L, L), None for the identity
    book: Book
    energy: float  # mean ‖a_n‖² that was divided out

    def normalise(self, received: NDArray, noise_var: ArrayLike | None) -> tuple[Frames, NDArray]:
        """Rotated frames of unit energy a device, and the amplitude (B,) that was divided out."""
        (L, N), B = self.book.B.shape, len(received)
        power = mean_power(received)
        scale = np.sqrt(np.where(power > 0, power * L / N, 1))
        known = np.full(B, noise_var is not None, np.float32)
        noise = np.ones(B) if noise_var is None else per_frame("noise_var", noise_var, B)
        noise = np.clip(noise / scale**2, 1e-7, 2 * N / L)  # a frame's energy is N/L a sample
        unit = (received / scale[:, None, None]).astype(np.complex64)
        Y = np.ascontiguousarray(np.moveaxis(unit, 0, 1))
        Y = Y if self.vectors is None else apply(self.vectors.conj().T, Y)
        return Frames(Y, noise.astype(np.float32), known), scale


def rotate(pilots: PilotBook) -> Rotation:
    """A pilot book as the network takes it; that of fast pilots has an `Operator`."""
    s, Q = pilots.gram_eigen
    energy = pilots.energy / pilots.n_devices
    s = np.maximum(s / energy, 0).astype(np.float32)[:, None]
    single = None if Q is None else Q.astype(np.complex64)
    if pilots.is_fast:
        B = _operator(pilots, single)
        return Rotation(single, Book(B, adjoint(B), s), energy)
    B = pilots.matrix if Q is None else Q.conj().T @ pilots.matrix
    B = (B / np.sqrt(energy)).astype(np.complex64)
    return Rotation(single, Book(B, np.ascontiguousarray(B.conj().T), s), energy)


def mean_power(samples: NDArray) -> NDArray:
    """Mean energy of a frame's samples (B,), in double precision: single would overflow at 1e19."""
    double = samples.astype(np.result_type(samples, np.float64), copy=False)
    return sum_squares(double, axis=(1, 2)) / np.prod(samples.shape[1:])


def _operator(pilots: PilotBook, Q: NDArray | None) -> Operator:
    """QᴴA of fast pilots, whose norm is 1."""
    shape = (pilots.pilot_length, pilots.n_devices)
    if Q is None:
        return Operator(shape, pilots.forward, pilots.adjoint)
    turn = Q.conj().T.copy()
    return Operator(shape, lambda X: apply(turn, pilots.forward(X)), lambda Y: pilots.adjoint(apply(Q, Y)))
