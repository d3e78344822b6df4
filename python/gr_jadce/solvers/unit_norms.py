# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots of unit norm for the algorithms, which all assume them, from books with pilots of any norm.

A X = (A D⁻¹)(D X) with D = diag ‖a_n‖: an estimator works on the unit book A D⁻¹, estimates D X, and
divides the rows by the norms at the end. So a weak pilot is not mistaken for an idle device, and
pilots of 1e-30 do not underflow when they are squared.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..estimate import Estimate
from ..pilots.book import PilotBook, as_pilot_book

_NORM_TOLERANCE = 1e-5  # relative: pilots in single precision, made with unit norm, differ by 1e-7
_COLUMNS_PER_BLOCK = 1024
_NORM_RANGE = 1e-6, 1e6  # of equal norms with which every algorithm computes safely


class UnitNorms(NamedTuple):
    """A pilot book scaled to unit norms, and the norms that were divided out.

    book : PilotBook, the user's own where its pilots have equal norms: every algorithm is scale-invariant.
    norms : (N,) float, None where the book is the user's own.
    """

    book: PilotBook
    norms: NDArray[np.float64] | None

    @classmethod
    def of(cls, pilots: PilotBook | ArrayLike) -> "UnitNorms":
        """The unit book of a pilot book or an (L, N) array."""
        book = as_pilot_book(pilots)
        if book.pilots is None:  # structured: unit norm by construction
            return cls(book, None)
        norms = _norms(book.matrix)
        least, most = norms.min(), norms.max()
        if most - least <= _NORM_TOLERANCE * most and _NORM_RANGE[0] <= least and most <= _NORM_RANGE[1]:
            return cls(book, None)
        return cls(as_pilot_book(book.matrix / norms), norms)

    def scaled(self, channel: NDArray) -> NDArray:
        """Channels (B, N, M) of the user's book as those of the unit book."""
        return channel if self.norms is None else (channel * self.norms[:, None]).astype(channel.dtype)

    def restored(self, estimate: Estimate) -> Estimate:
        """An estimate for the unit book as one for the user's book; scores stay those of the unit book."""
        if self.norms is None:
            return estimate
        channel = estimate.channel / self.norms[:, None]
        with np.errstate(over="ignore"):  # a channel beyond all floats stays infinite
            return estimate._replace(channel=channel.astype(estimate.channel.dtype))


def _norms(matrix: NDArray) -> NDArray[np.float64]:
    """Norms of the columns, squared in double precision: a block at a time, to copy no large matrix."""
    starts = range(0, matrix.shape[1], _COLUMNS_PER_BLOCK)
    blocks = (matrix[:, start : start + _COLUMNS_PER_BLOCK].astype(np.complex128) for start in starts)
    return np.concatenate([np.linalg.norm(block, axis=0) for block in blocks])
