# SPDX-License-Identifier: GPL-3.0-or-later
"""The raster of a monitor: a column of cells for each of the last slots, in bounded memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer

# What a cell of the raster says. Of several devices in one cell the highest shows.
NOTHING, NO_ANSWER, BAD_INPUT, QUIET, WEAKEST, STRONGEST, FALSE_ALARM, MISS = 0, 1, 2, 3, 4, 253, 254, 255
# Ratios of a score to its threshold between one strength and the next.
_STRENGTH_EDGES = np.geomspace(1, 30, STRONGEST - WEAKEST).astype(np.float32)
_MIN_THRESHOLD = 1e-3
_MAX_CELLS = 4096  # of a slot


class Raster:
    """The last slots, a row of cells each; a cell is one device, or a few if there are many.

    Parameters
    ----------
    n_frames : int
        Slots kept.
    n_devices : int
        N.

    Attributes
    ----------
    devices_per_cell : int
    newest : int or None
        Number of the newest slot; None before the first.
    """

    def __init__(self, n_frames: int, n_devices: int) -> None:
        n_frames = check_integer("n_frames", n_frames, 2)
        self.n_devices = n_devices
        self.devices_per_cell = max(1, -(-n_devices // _MAX_CELLS))
        self._cells = np.full((n_frames, -(-n_devices // self.devices_per_cell)), NOTHING, np.uint8)
        self.newest: int | None = None
        self._row = self._cells[0]

    def push(self, frame_id: int, background: int = QUIET) -> None:
        """Begin a frame with nobody in it; slots left out before it become NO_ANSWER.

        A frame that is further back or ahead than the slots kept starts the raster anew.
        """
        self._advance_to(frame_id)
        self._row = self._cells[frame_id % len(self._cells)]
        self._row[:] = background

    def mark(self, device: Sequence[int], code: ArrayLike) -> None:
        """Mark devices, a sequence of indices, in the frame pushed last."""
        if len(device) == 0:
            return
        if self.devices_per_cell == 1:
            self._row[device] = code
        else:
            np.maximum.at(self._row, np.asarray(device) // self.devices_per_cell, code)

    def cells(self) -> NDArray:
        """A copy, (n_frames, cells a frame) uint8, the newest slot last."""
        return np.roll(self._cells, -1 - (self.newest or 0) % len(self._cells), axis=0)

    def _advance_to(self, frame_id):
        n_frames = len(self._cells)
        ahead = 1 if self.newest is None else frame_id - self.newest
        if not -n_frames < ahead < n_frames:
            self._cells[:] = NOTHING
        elif ahead > 1:
            self._cells[(frame_id % n_frames - np.arange(1, ahead)) % n_frames] = NO_ANSWER
        if self.newest is None or ahead > 0 or ahead <= -n_frames:
            self.newest = frame_id


def pooled(cells: NDArray, factor: int, axis: int) -> NDArray:
    """The highest of every `factor` cells along an axis; the last may be of fewer."""
    cells = np.moveaxis(cells, axis, 0)
    highest = cells[::factor].copy()
    for offset in range(1, factor):
        others = cells[offset::factor]
        np.maximum(highest[: len(others)], others, out=highest[: len(others)])
    return np.moveaxis(highest, 0, axis)


def strength_codes(score: ArrayLike, threshold: float) -> NDArray:
    """Codes of detections, by the ratio of their scores to the threshold."""
    ratio = np.asarray(score, np.float32) / max(threshold, _MIN_THRESHOLD)
    return (WEAKEST + np.searchsorted(_STRENGTH_EDGES, ratio)).astype(np.uint8)
