# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a trained network one after another, until every frame has come to rest.

In NumPy or in torch, whose functions and arrays it is given.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..solvers.group_lasso import apply
from .layers import Book, Frames, squares, start


class NumPy:
    """What `layers` needs of NumPy, with a faster clip: np.clip would take a third of the time."""

    exp, log, sqrt, stack, minimum, maximum = np.exp, np.log, np.sqrt, np.stack, np.minimum, np.maximum
    arange = np.arange

    @staticmethod
    def clip(x: NDArray, low: float | None, high: float | None) -> NDArray:
        """`x` within limits, None for none."""
        x = x if low is None else np.maximum(x, low)
        return x if high is None else np.minimum(x, high)


class LayerRun:
    """Frames on their way through layers.

    A frame is done when a layer moves its estimate by less than `tol` times the predicted error.

    Parameters
    ----------
    xp : NumPy, or torch with an `arange` on the device of the frames
    layers : sequence of dict
        Parameters of each layer.
    layer : callable
        As `layers.layer`.
    book : Book
    frames : Frames
    tol : float

    Attributes
    ----------
    channel : (N, B, M), score : (N, B), n_iter : (B,)
        Estimates and numbers of layers, of all frames when `run` has returned.
    scatter : (B,)
        Of the energies after the first layer, of all frames that there were; see `scatter_of`.
    """

    def __init__(
        self, xp: Any, layers: Sequence[dict], layer: Callable, book: Book, frames: Frames, tol: float
    ) -> None:
        self._xp, self._layers, self._layer, self._book, self._tol = xp, layers, layer, book, tol
        L, B, _ = frames.Y.shape
        self.channel = 0 * apply(book.adjoint, frames.Y)
        self.score, self.n_iter, self._live = squares(self.channel), xp.arange(B), xp.arange(B)
        self._frames, self._before, self._n_run = frames, self.channel, 0
        self._state = start(self.channel, 1 + 0 * frames.known, book.B.shape[1] / L)

    def run(self, until: int | None = None) -> None:
        """Go on until so many layers are done, all for None, or every frame."""
        until = len(self._layers) if until is None else until
        while self._n_run < until and len(self._live):
            self._run_layer(until)

    def keep(self, index: NDArray) -> None:
        """Go on with the frames `index`, ascending, alone."""
        self.channel, self.score, self.n_iter = (
            self.channel[:, index],
            self.score[:, index],
            self.n_iter[index],
        )
        goes_on = np.isin(self._live, index)
        self._select(goes_on)
        self._live = np.searchsorted(index, self._live)

    def _run_layer(self, until: int) -> None:
        self._state, output = self._layer(
            self._xp, self._layers[self._n_run], self._book, self._frames, self._state
        )
        self._n_run += 1
        N, _, M = output.estimate.shape
        if self._n_run == 1:
            self.scatter = scatter_of(self._xp, output.energy, M)
        moved = squares(output.estimate - self._before).sum(0) / (N * M)
        rests = moved < self._tol * output.error
        stops = rests | (self._n_run == until)
        done = self._live[stops]
        self.n_iter[done], self.score[:, done] = self._n_run, output.score[:, stops]
        self.channel[:, done] = output.estimate[:, stops]
        self._before = output.estimate
        if rests.any():
            self._select(~rests)

    def _select(self, goes_on: Any) -> None:
        """Take other live frames than these (B,) off."""
        self._live, self._before = self._live[goes_on], self._before[:, goes_on]
        self._frames, self._state = (_select(part, goes_on) for part in (self._frames, self._state))


def scatter_of(xp: Any, energy: Any, n_antennas: int) -> Any:
    """Variance of the energies (N, B) of devices over their mean's square, times M: 1 for those of noise."""
    mean, square = energy.mean(0), (energy**2).mean(0)
    nothing = 1e30 * (mean <= 0)  # of a frame without any energy: no noise either
    return n_antennas * (square / xp.clip(mean**2, 1e-30, None) - 1) + nothing


def _select(part: Any, keep: Any) -> Any:
    """The frames `keep` of `Frames` or of a `State`: frames are the second axis, or the only one."""
    return type(part)(*(value[:, keep] if value.ndim > 1 else value[keep] for value in part))
