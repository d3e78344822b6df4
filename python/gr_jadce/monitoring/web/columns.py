# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of the activity raster that have changed, as few numbers as will tell them exactly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..raster import NOTHING


def changed_ages(before: NDArray, now: NDArray, shift: int) -> NDArray:
    """Ages of the rows of a raster (0 is the newest) that differ from what was there.

    Parameters
    ----------
    before, now : (n_frames, n_cells) uint8
        Rows of cells, the newest slot last.
    shift : int
        Slots by which the raster has scrolled in between, 0 to n_frames.
    """
    kept = len(now) - shift
    differs = np.ones(len(now), bool)
    differs[:kept] = np.any(now[:kept] != before[shift:], axis=1)
    return len(now) - 1 - np.flatnonzero(differs)


def columns_of(cells: NDArray, age: NDArray) -> dict[str, list[int]]:
    """Rows of a raster as lists: age and background of each, how many cells are otherwise, which, and what.

    The lowest code of a row counts as its background: marks are higher than what nobody is marked on.
    """
    rows = cells[len(cells) - 1 - age]
    background = rows.min(axis=1, initial=255)
    row, cell = np.nonzero(rows != background[:, None])
    return {
        "age": age.tolist(),
        "background": background.tolist(),
        "count": np.bincount(row, minlength=len(rows)).tolist(),
        "cell": cell.tolist(),
        "code": rows[row, cell].tolist(),
    }


def all_columns(cells: NDArray) -> dict[str, list[int]]:
    """All rows of a raster but those in which nothing has been yet."""
    age = len(cells) - 1 - np.flatnonzero(np.any(cells != NOTHING, axis=1))
    return columns_of(cells, age)


def plain(value: Any) -> Any:
    """A value as JSON knows it: arrays as lists, what is not finite as None, numbers to four digits."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
