# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained weights: what they hold, and the files they are kept in."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import replaced_file
from ..pilots.archive import read_npz
from .variants import DEFAULT, VARIANTS

FORMAT_VERSION = 1
DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "default.npz"
_META = {"format_version": int, "n_layers": int, "scenario": dict, "provenance": dict}


@dataclass(frozen=True)
class Weights:
    """A trained network: for every parameter of its variant an array with the layers first, and its origin.

    Raises
    ------
    ValueError
        If an array is missing, unknown, misshaped or not finite, or `meta` lacks a key.
    """

    arrays: dict[str, NDArray]
    meta: dict[str, Any]

    def __post_init__(self):
        for key, kind in _META.items():
            value = self.meta.get(key)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"meta: expected {key!r} of type {kind.__name__}, got {value!r}")
        if self.meta["format_version"] != FORMAT_VERSION:
            found = self.meta["format_version"]
            raise ValueError(f"format_version: expected {FORMAT_VERSION}, got {found}")
        if self.n_layers < 1:
            raise ValueError(f"n_layers: expected at least 1, got {self.n_layers}")
        if self.variant not in list(VARIANTS):
            raise ValueError(f"variant: expected one of {', '.join(VARIANTS)}, got {self.variant!r}")
        shapes = VARIANTS[self.variant].shapes
        if self.arrays.keys() != shapes.keys():
            wrong = sorted(self.arrays.keys() ^ shapes.keys())
            raise ValueError(f"arrays: missing or unknown: {', '.join(wrong)}")
        for name, shape in shapes.items():
            _check_array(name, self.arrays[name], (self.n_layers, *shape))

    @property
    def n_layers(self) -> int:
        """Layers that were trained."""
        return self.meta["n_layers"]

    @property
    def variant(self) -> str:
        """Name of the kind of network, in `variants.VARIANTS`."""
        return self.meta.get("variant", DEFAULT)

    @property
    def n_parameters(self) -> int:
        """Numbers that were trained."""
        return sum(array.size for array in self.arrays.values())

    def of_layer(self, k: int) -> dict[str, NDArray]:
        """The parameters of layer k, as `layers.layer` takes them."""
        return {name: array[k] for name, array in self.arrays.items()}


def save_weights(path: str | PathLike, weights: Weights) -> None:
    """Write an ``.npz`` file, whole or not at all: the arrays, and `meta` as a JSON string."""
    with replaced_file(path) as file:
        arrays: dict[str, Any] = {"meta": json.dumps(weights.meta, sort_keys=True), **weights.arrays}
        np.savez(file, **arrays)


def load_weights(path: str | PathLike) -> Weights:
    """Read a weight file; nothing in it is ever executed.

    Raises
    ------
    ValueError
        If it is not a weight file of this version; the message says what is wrong.
    OSError
        If it cannot be opened.
    """
    arrays = read_npz(path, "weight file")
    try:
        meta = json.loads(str(arrays.pop("meta", "")))
        if not isinstance(meta, dict):
            raise ValueError(f"meta: expected a JSON object, got {type(meta).__name__}")
        return Weights(arrays, meta)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a weight file of gr-jadce: {error}") from error


def _check_array(name: str, array: NDArray, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32 or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name}: expected finite float32 of shape {shape}, got {array.shape} of {array.dtype}"
        )
