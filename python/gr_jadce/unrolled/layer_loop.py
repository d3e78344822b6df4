# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a trained network one after another, in NumPy, until every frame has come to rest."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric import sum_squares
from .layers import Book, Frames, start


class _NumPy:
    """What `layers` needs of NumPy, with a faster clip: np.clip would take a third of the time."""

    exp, log, sqrt, stack, minimum, maximum = np.exp, np.log, np.sqrt, np.stack, np.minimum, np.maximum

    @staticmethod
    def clip(x: NDArray, low: float | None, high: float | None) -> NDArray:
        x = x if low is None else np.maximum(x, low)
        return x if high is None else np.minimum(x, high)


def run_layers(
    layers: Sequence[dict], layer: Callable, book: Book, frames: Frames, tol: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Channels (N, B, M), scores (N, B) and numbers of layers (B,).

    A frame is done when a layer moves its estimate by less than `tol` times the predicted error.
    """
    N, (_, B, M) = book.B.shape[1], frames.Y.shape
    channel, score = np.zeros((N, B, M), np.complex64), np.zeros((N, B), np.float32)
    n_iter, live = np.zeros(B, int), np.arange(B)
    state, before = start(np.zeros_like(channel), np.ones(B, np.float32), N / len(frames.Y)), 0.0
    for k, parameters in enumerate(layers, 1):
        state, output = layer(_NumPy, parameters, book, frames, state)
        moved = sum_squares(output.estimate - before, axis=(0, 2)) / (N * M)
        done = (moved < tol * output.error) | (k == len(layers))
        n_iter[live[done]], score[:, live[done]] = k, output.score[:, done]
        channel[:, live[done]] = output.estimate[:, done]
        if done.all():
            break
        before = output.estimate
        if done.any():
            live, before = live[~done], before[:, ~done]
            frames, state = (_select(part, ~done) for part in (frames, state))
    return channel, score, n_iter


def _select(part: Any, keep: NDArray) -> Any:
    """The frames `keep` of `Frames` or of a `State`: frames are the second axis, or the only one."""
    return type(part)(*(value[:, keep] if value.ndim > 1 else value[keep] for value in part))
