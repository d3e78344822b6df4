# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the pilots sit off the slot grid by a constant? The correlations with them tell by how much.

A block between a radio and the framer may shift samples against their tags: every pilot then lies some
samples beside the place at which it is cut, and nothing is detected. Each frame is correlated with all
pilots at several shifts; the share of its energy that the best device explains is at chance level at all
shifts but the right one.
"""

from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer
from ..numeric import sum_squares
from ..pilots.book import PilotBook

_MAX_SHIFT = 16  # symbols, and no more than a quarter of a pilot
_MIN_MAX_SHIFT = 4  # fewer shifts do not tell what is chance
_MAX_FRAMES = 16
_MAX_PRODUCTS = 5e7  # complex products of a check: a tenth of a second
_QUIET_PRODUCTS = 2**15  # complex ones, for which OpenBLAS wakes no threads
_CLEAR_DEVIATIONS = 8  # by which the share at one shift exceeds those at others where pilots are there
_CHANCE_DEVIATIONS = 4  # below which there are none
_FIRST_INTERVAL_S, _LAST_INTERVAL_S = 1.0, 64.0  # from check to check; doubled after each


def pilot_shift(frames: NDArray, pilots: PilotBook) -> int | None:
    """Symbols by which pilots come later than the frames (B, L, M) are cut; earlier, if negative.

    0 where they are in place; None where no shift stands out: nobody transmits, the noise is too strong,
    devices are out of step, or pilots are shifts of each other.
    """
    frames = frames[np.isfinite(frames).all(axis=(1, 2)) & frames.any(axis=(1, 2))]
    reach = min(_MAX_SHIFT, pilots.pilot_length // 4)
    if not len(frames) or reach < _MIN_MAX_SHIFT:
        return None
    shifts = range(-reach, reach + 1)
    shares = np.array([np.mean(_best_shares(frames, pilots, shift)) for shift in shifts])
    best = int(shares.argmax())
    if not _stands_out(shares, best, _CLEAR_DEVIATIONS):
        return None
    in_place = shifts[best] == 0 or _stands_out(shares, reach, _CHANCE_DEVIATIONS, but=best)
    return 0 if in_place else shifts[best]


def _best_shares(frames, pilots, shift):
    """For each frame the largest share of its energy that one device explains, its pilot shifted."""
    n_frames, length, n_antennas = frames.shape
    moved = np.zeros_like(frames)
    moved[:, max(-shift, 0) : length - max(shift, 0)] = frames[:, max(shift, 0) : length + min(shift, 0)]
    columns = moved.transpose(1, 0, 2).reshape(length, -1)
    correlations = _correlations(columns, pilots).reshape(-1, n_frames, n_antennas)
    energy = np.maximum(sum_squares(moved, axis=(1, 2)), np.finfo(np.float32).tiny)
    return sum_squares(correlations).max(axis=0) / energy


def _correlations(columns, pilots):
    """AᴴY, by products so small that BLAS wakes no threads for them, which spin for long afterwards."""
    step = _QUIET_PRODUCTS // columns.size
    if pilots.is_fast or not step:
        return pilots.adjoint(columns)
    blocks = (pilots.matrix[:, first : first + step] for first in range(0, pilots.n_devices, step))
    return np.concatenate([block.T @ columns.conj() for block in blocks]).conj()


def _stands_out(shares, index, deviations, but=None):
    """Is a share higher than those at other shifts by so many of their standard deviations?"""
    others = np.delete(shares, [index] if but is None else [index, but])
    return shares[index] > others.mean() + deviations * others.std()


class ShiftCheck:
    """Looks now and then, in frames that pass, for pilots off the grid; two halves of them have to agree.

    Parameters
    ----------
    pilots : PilotBook
    n_antennas : int
    in_step : bool
        Are devices in step? Nothing is looked for where each is late by another delay.

    Attributes
    ----------
    shift : int
        Symbols by which pilots came later than frames were cut, when last seen; earlier, if negative.
    """

    def __init__(self, pilots: PilotBook, n_antennas: int, *, in_step: bool = True) -> None:
        self.shift = 0
        self._pilots = pilots
        products = pilots.n_devices * pilots.pilot_length * check_integer("n_antennas", n_antennas, 1)
        products *= 2 * min(_MAX_SHIFT, pilots.pilot_length // 4) + 1
        # 0 frames are kept of too large a book
        self._size = int(min(_MAX_PRODUCTS // max(products, 1), _MAX_FRAMES)) if in_step else 0
        self._frames: list[NDArray] = []
        self._lock = Lock()
        self._due, self._interval = monotonic() + _FIRST_INTERVAL_S, _FIRST_INTERVAL_S

    def push(self, frames: NDArray) -> None:
        """Keep the first of the frames (B, L, M) if a check lacks some."""
        if len(self._frames) < self._size:
            with self._lock:
                self._frames += [frame.copy() for frame in frames[: self._size - len(self._frames)]]

    def warning(self, *, at_once: bool = False) -> str:
        """What to say of the pilots in the frames kept, if a check is due, or `at_once`; mostly nothing."""
        shift = self._check(at_once)
        self.shift = self.shift if shift is None else shift
        if not shift:
            return ""
        side = "after" if shift > 0 else "before"
        return (
            f"pilots come {abs(shift)} symbols {side} the place where frames are cut: "
            f"add {shift} (times the samples per symbol) to the framer's offset and delay"
        )

    def _check(self, at_once):
        """The shift of the pilots in the frames kept; None where it is not known."""
        if not at_once and monotonic() < self._due:
            return None
        with self._lock:
            frames, self._frames = self._frames, []
        self._interval = min(2 * self._interval, _LAST_INTERVAL_S)
        self._due = monotonic() + self._interval
        if len(frames) < 2:
            return None
        shift, again = (pilot_shift(np.stack(half), self._pilots) for half in (frames[::2], frames[1::2]))
        return shift if shift == again else None
