# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pilot arrives: late by a delay, and off the carrier.

Behind the matched filter, a pilot that comes τ symbols late with a carrier ν cycles a symbol off is

    a(τ, ν)_l = e^{2πiνl} Σ_k g(l − k − τ) a_k,   g the raised-cosine pulse,

k from the first symbol of its cyclic prefix on. A table has the pilots at every eighth of a symbol;
between these, four of them are interpolated, which is right to −73 dB of a pilot's energy.
"""

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares
from ...pilots.book import PilotBook
from ...waveform import late, turn
from ..p_values import TINY
from .asynchrony import Asynchrony

STEPS = 8  # of the table in a symbol
STRIDE = 2  # steps of the table between delays that are searched
MARGIN = 1  # steps of the table beyond the range, for the interpolation
_OFFSET_STEP = 0.45  # cycles a pilot between offsets that are searched


class PilotTable:
    """The pilots of a book (L, N) as they may arrive.

    Attributes
    ----------
    table : (N, J, L) complex64
        The pilots at the delays `first` + j / STEPS.
    searched : (N, G, L) complex64
        Those that are searched for, `delays` (G,).
    offsets : (F,) float
        Carrier offsets that are searched for, cycles a symbol.
    extent : (float, float)
        How many times its own width of correlation the range is that is searched: of delays, and of offsets.
    """

    def __init__(self, book: PilotBook, asynchrony: Asynchrony) -> None:
        self.asynchrony, self.length, self.n_devices = asynchrony, book.pilot_length, book.n_devices
        steps = np.arange(-STEPS // 2 - MARGIN, STEPS * asynchrony.max_delay + STEPS // 2 + MARGIN + 1)
        self.first = float(steps[0]) / STEPS
        self.table = np.empty((self.n_devices, len(steps), self.length), np.complex64)
        for j, delay in enumerate(steps / STEPS):  # one at a time: operators are L × L
            operator = late(delay, self.length, asynchrony.roll_off, prefix=asynchrony.prefix)[0]
            self.table[:, j] = (operator @ book.matrix).T
        inside = slice(MARGIN, len(steps) - MARGIN, STRIDE)
        self.delays = steps[inside] / STEPS
        self.searched = np.ascontiguousarray(self.table[:, inside])
        self.offsets = _offsets(asynchrony.max_offset, self.length)
        self.extent = self._extent()

    def at(self, device: int | NDArray, delay: NDArray, offset: float | NDArray) -> NDArray:
        """Pilots (L, K) at delays (K,), those out of range at its edge.

        Of one device and offset, or of as many as delays.
        """
        place = (np.asarray(delay, float) - self.first) * STEPS
        place = np.clip(place, 0, self.table.shape[1] - 1)
        before = np.clip(place.astype(int), 1, self.table.shape[1] - 3)
        nodes = self.table[np.reshape(device, (-1, 1)), before[:, None] + np.arange(-1, 3)]  # (K, 4, L)
        columns = np.einsum("kj,kjl->lk", _cubic(place - before), nodes)
        return columns * turn(np.ravel(offset), self.length).T if np.any(offset) else columns

    @property
    def half_symbols(self) -> NDArray:
        """Of the delays that are searched, those at every half symbol (H,)."""
        return np.asarray(self.delays[:: STEPS // (2 * STRIDE)])

    def _extent(self) -> tuple[float, float]:
        """Ranges over the widths of correlation: how fast a pilot changes with delay and with offset."""
        middle = self.table.shape[1] // 2
        pilots = self.table[:, middle]
        slope = (self.table[:, middle + 1] - self.table[:, middle - 1]) * (STEPS / 2)
        turning = 2 * np.pi * np.arange(self.length) * pilots
        span = np.ptp(self.asynchrony.bounds)
        return span * _rate(pilots, slope), 2 * self.asynchrony.max_offset * _rate(pilots, turning)


def _offsets(max_offset: float, length: int) -> NDArray:
    """Offsets that are searched: every one in the range is near to one of them."""
    count = max(1, int(np.ceil(2 * max_offset * length / _OFFSET_STEP)))
    return max_offset * (2 * np.arange(count) + 1 - count) / count


def _rate(pilots: NDArray, slope: NDArray) -> float:
    """How fast pilots (N, L) of unit energy change, root mean square over devices, but for their phase."""
    energy = np.maximum(sum_squares(pilots), TINY)
    along = np.abs(np.sum(pilots.conj() * slope, axis=1)) ** 2 / energy
    return float(np.sqrt(np.mean((sum_squares(slope) - along) / energy)))


def _cubic(share: NDArray) -> NDArray:
    """Lagrange's weights (K, 4) of nodes at −1, 0, 1 and 2, at places (K,) between 0 and 1."""
    x = share[:, None]
    before, at, after, beyond = x + 1, x, x - 1, x - 2
    return np.concatenate(
        [
            -at * after * beyond / 6,
            before * after * beyond / 2,
            -before * at * beyond / 2,
            before * at * after / 6,
        ],
        axis=1,
    )
