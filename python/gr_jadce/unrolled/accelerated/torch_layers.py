# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers in torch, for frames that are large enough to be worth a GPU."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..layer_loop import LayerRun
from ..layers import Book, Frames


class Torch:
    """What `layer_loop` needs of torch: its functions, and ranges on the device of the frames."""

    exp, log, sqrt, stack, minimum, maximum = (
        torch.exp, torch.log, torch.sqrt, torch.stack, torch.minimum, torch.maximum,
    )  # fmt: skip
    clip = torch.clip

    def __init__(self, device: str) -> None:
        self._device = device

    def arange(self, count: int) -> torch.Tensor:
        """0 … count − 1."""
        return torch.arange(count, device=self._device)


class TorchLayers:
    """A network's layers with a pilot book, on a device of torch.

    Parameters
    ----------
    layers : list of dict
        Parameters of each, NumPy arrays.
    layer : callable
        As `layers.layer`.
    book : Book
        Dense.
    device : str

    Raises
    ------
    ValueError
        If torch cannot use the device.
    """

    def __init__(self, layers: list[dict], layer: Any, book: Book, device: str) -> None:
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"device: expected one that torch can use, got {device!r}: {error}") from error
        self._xp, self._layer, self._device = Torch(device), layer, device
        self._layers = [{name: self._tensor(value) for name, value in each.items()} for each in layers]
        self._book = Book(*map(self._tensor, book))

    @torch.inference_mode()
    def run(self, frames: Frames, tol: float) -> tuple[NDArray, NDArray, NDArray]:
        """Channels (N, B, M), scores (N, B) and numbers of layers (B,)."""
        run = LayerRun(
            self._xp, self._layers, self._layer, self._book, Frames(*map(self._tensor, frames)), tol
        )
        run.run()
        channel, score, n_iter = (part.cpu().numpy() for part in (run.channel, run.score, run.n_iter))
        return channel, score, n_iter

    def _tensor(self, value: NDArray) -> torch.Tensor:
        return torch.tensor(np.asarray(value), device=self._device)
