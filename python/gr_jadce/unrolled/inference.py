# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimator that runs a trained network, in NumPy or in the kernel. No torch."""

from collections.abc import Iterable
from importlib import import_module
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import complex_frames, kernel_for
from ..checks import check_integer, check_positive
from ..estimate import Estimate, check_received, noise_levels, per_frame
from ..pilots.book import PilotBook, as_pilot_book
from ..solvers.group_lasso import Operator
from ..solvers.unit_norms import UnitNorms
from .hard_frames.improvement import HardFrames
from .layer_loop import LayerRun, NumPy
from .rotation import rotate
from .variants import DEFAULT, VARIANTS
from .weight_files import DEFAULT_WEIGHTS, Weights, load_weights


class Unrolled:
    """A trained network set up for a pilot book, then called on frames; see `unrolled`.

    Attributes
    ----------
    name : "unrolled"
    book : PilotBook
        The one that it was set up for.
    rotation : Rotation
        Of its pilots with unit norms.
    settles : bool
        Whether who decides may end frames early (`detection.settling`).
    network : object or None
        The layers in the kernel, None where NumPy runs them.
    """

    name = "unrolled"

    def __init__(
        self,
        pilots: PilotBook | ArrayLike,
        weights: Weights,
        n_layers: int | Literal["auto"],
        *,
        noise_var: float | None = None,
        tol: float = 1e-3,
        backend: str = "auto",
        threads: int = 1,
        sweeps: int = 0,
        settle: bool = True,
        device: str | None = None,
    ) -> None:
        self.book, self.weights, self.noise_var = as_pilot_book(pilots), weights, noise_var
        self.tol, self.sweeps = tol if n_layers == "auto" else 0.0, sweeps
        self._unit = UnitNorms.of(self.book)
        order = _order(weights.n_layers) if n_layers == "auto" else range(n_layers)
        self._layers, self._variant = [weights.of_layer(k) for k in order], VARIANTS[weights.variant]
        self.rotation = rotate(self._unit.book)
        self.threads = check_integer("threads", threads, 1)
        kernel = kernel_for("auto" if backend == "torch" else backend)
        self._hard = HardFrames(
            self._unit.book,
            self._estimate,
            weights.n_layers,
            sweeps=sweeps,
            kernel=kernel,
            threads=self.threads,
        )
        self.network = None if backend == "torch" else self._compile(kernel, backend, order)
        self._torch = self._in_torch(device or "cpu") if backend == "torch" else None
        self.settles = bool(settle) and self.tol > 0 and self._torch is None

    def _compile(self, kernel: Any, backend: str, order: Iterable[int]) -> Any:
        """The network in the kernel, or None for NumPy."""
        if kernel is None or self.weights.variant != DEFAULT or isinstance(self.rotation.book.B, Operator):
            if backend == "kernel":
                raise ValueError(
                    f"backend: the kernel runs {DEFAULT!r} with dense pilots, "
                    f"got {self.weights.variant!r} and {self.book!r}"
                )
            return None
        vectors, book, energy = self.rotation
        s = book.s[:, 0]
        vectors = np.eye(len(s)) if vectors is None else vectors
        return kernel.Network(book.B, vectors, s, energy, self.weights.arrays, list(order))

    def _in_torch(self, device: str) -> Any:
        """The layers in torch; its products are dense."""
        torch_layers = import_module(f"{__package__}.accelerated.torch_layers")
        book = self.rotation.book
        if isinstance(book.B, Operator):
            book = rotate(as_pilot_book(self._unit.book.matrix)).book
        return torch_layers.TorchLayers(self._layers, self._variant.layer, book, device)

    def __call__(self, received: ArrayLike, noise_var: ArrayLike | None = None) -> Estimate:
        received = check_received(received, self.book.pilot_length)
        levels = self.levels(noise_var, len(received))
        return self.finish(received, self._estimate(received, levels), levels)

    def levels(self, noise_var: ArrayLike | None, n_frames: int) -> NDArray | None:
        """σ² (B,) of frames, if it is told here or was at the set-up."""
        noise_var = self.noise_var if noise_var is None else noise_var
        return None if noise_var is None else per_frame("noise_var", noise_var, n_frames)

    def finish(self, received: NDArray, estimate: Estimate, levels: NDArray | None) -> Estimate:
        """What a call gives, from what the layers gave; they may be changed in place."""
        if self.tol > 0:
            self._hard.improve(received, estimate, levels)
        return self._unit.restored(estimate)

    def staged(self, received: NDArray, levels: NDArray | None) -> "StagedRun":
        """The layers on frames (B, L, M), a few at a time. In NumPy."""
        return StagedRun(self, received, levels)

    def _estimate(self, received: NDArray, levels: NDArray | None) -> Estimate:
        """The layers' result for the pilots with unit norms."""
        if self.network is not None:
            known = noise_levels(levels, len(received))
            found = self.network.run(complex_frames(received), known, self.tol, self.threads)
            return self.estimate_of(received, *found)
        if self._torch is not None:
            frames, scale = self.rotation.normalise(received, levels)
            return self.scaled(received, scale, *self._torch.run(frames, self.tol))
        return self.staged(received, levels).estimate()

    def start(self, received: NDArray, levels: NDArray | None) -> tuple[LayerRun, NDArray]:
        """The layers before the first, in NumPy, and the amplitudes (B,) that frames were divided by."""
        frames, scale = self.rotation.normalise(received, levels)
        run = LayerRun(NumPy, self._layers, self._variant.layer, self.rotation.book, frames, self.tol)
        return run, scale

    def scaled(
        self, received: NDArray, scale: NDArray, channel: NDArray, score: NDArray, n_iter: NDArray
    ) -> Estimate:
        """The estimate of channels (N, B, M) and scores (N, B) of frames as `normalise` gives them."""
        channel = np.moveaxis(channel, 0, 1) * (scale / np.sqrt(self.rotation.energy))[:, None, None]
        return self.estimate_of(received, channel, score.T, n_iter)

    def estimate_of(self, received: NDArray, channel: NDArray, score: NDArray, n_iter: NDArray) -> Estimate:
        """An estimate of what the layers gave."""
        channel = channel.astype(np.result_type(received, np.complex64), copy=False)
        return Estimate(channel, score, n_iter, np.full(len(received), np.nan), self._variant.posterior_mean)


class StagedRun:
    """The layers on frames, a few at a time, and on fewer and fewer of them; `Unrolled.staged` makes it."""

    def __init__(self, estimator: Unrolled, received: NDArray, levels: NDArray | None) -> None:
        self._estimator, self._received, self._levels = estimator, received, levels
        self._run, self._scale = estimator.start(received, levels)
        self._kept: NDArray = np.arange(len(received))

    @property
    def scatter(self) -> NDArray:
        """Of the energies of devices (B,), once the first layer has run; see `layer_loop.scatter_of`."""
        return self._run.scatter

    def estimate(self, n_layers: int | None = None, index: NDArray | None = None) -> Estimate:
        """After so many layers, or all, of frames `index` alone, ascending: they are kept for later calls."""
        if index is not None:
            self._run.keep(np.searchsorted(self._kept, index))
            self._kept = index
        self._run.run(n_layers)
        scale, received = self._scale[self._kept], self._received[self._kept]
        return self._estimator.scaled(received, scale, self._run.channel, self._run.score, self._run.n_iter)

    def finish(self, index: NDArray) -> Estimate:
        """What a call gives of frames `index`, of which all layers have run."""
        estimate = self.estimate(None, index)
        levels = None if self._levels is None else self._levels[index]
        return self._estimator.finish(self._received[index], estimate, levels)


def unrolled(
    pilots: PilotBook | ArrayLike,
    weights: str | PathLike | Weights | None = None,
    n_layers: int | Literal["auto"] = "auto",
    *,
    noise_var: float | None = None,
    tol: float = 1e-3,
    backend: str = "auto",
    threads: int = 1,
    sweeps: int = 0,
    settle: bool = True,
    device: str | None = None,
) -> Unrolled:
    """Make an estimator from a trained network.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
        Any: a network is not tied to a pilot book, nor to N, L or M.
    weights : path or Weights, optional
        Default: the weights that come with gr-jadce.
    n_layers : int or "auto"
        Layers to run. "auto" ends a frame when a layer moves its estimate by less than `tol` times
        the error variance that the network predicts; hard frames, which have not come to rest after
        the last layer, go through the later two thirds of the layers once more. Where σ² is known
        and an estimate leaves more than 4 σ² a sample unexplained, the frame is run again with σ²
        estimated, and the new result taken if it leaves less than half: in all three times the layers
        for such frames, some of heavy load at high SNR, and one product with the pilots for the others.
        Of several antennas, hard frames then have a power of each device, and σ² where it is unknown,
        fitted to them from there on (`PowerModel`; at most 4096 devices). Of one antenna, if it gives at
        most 100 samples and σ² is unknown, they are run five times more, told four guesses and then
        the σ² that they make likely (`hard_frames`).
    noise_var : float, optional
        σ² per received sample; also a call argument. Unknown (None), it is estimated in every layer.
    tol : float
        Of "auto".
    backend : {"auto", "numpy", "kernel", "torch"}
        What computes: the compiled kernel where it is installed, NumPy, or the kernel only. The
        kernel runs the variant of the default weights, on pilot books without fast products; "auto"
        leaves others to NumPy. "torch" needs torch, is for large frames (64 antennas, 10⁴ devices) on a
        GPU, and takes the pilots as a dense matrix.
    threads : int
        Threads over the frames of a batch, of the kernel.
    sweeps : int
        With n_layers="auto": for hard frames, sweeps of each of the two chains that sample who is
        active, from the network's result on (`sampling`); 0 for none. 30 lower the error of frames that do
        not tell supports apart, as where active devices are nearly as many as the pilot's symbols, and
        take dozens of times as long as the layers (`make bench` prints it). It needs the pilots as
        a matrix, which very large books do not give.
        Each sweep counts as an iteration.
    settle : bool
        With n_layers="auto": a `FrameReceiver`, and with it the receiver block and the programs, may decide
        frames after a few layers where their decisions are settled by then, as `detection.settling` says. A
        call of the estimator itself always runs all layers.
    device : str, optional
        Of torch, as "cuda"; with backend="torch" only. Default: "cpu".

    Returns
    -------
    estimator : callable
        ``estimator(received, noise_var=None)`` with received (B, L, M) or (L, M) → `Estimate`, its
        score the posterior log-odds of activity, its channel close to the posterior mean, its gap NaN.
        Single precision.
    """
    if not isinstance(weights, Weights):
        weights = load_weights(DEFAULT_WEIGHTS if weights is None else weights)
    if n_layers != "auto":
        n_layers = _check_layers(n_layers, weights.n_layers)
    sweeps = check_integer("sweeps", sweeps, 0)
    if device is not None and backend != "torch":
        raise ValueError(
            f'device: expected none with backend={backend!r}, which is not "torch", got {device!r}'
        )
    if sweeps and n_layers != "auto":
        raise ValueError(
            f'sweeps: expected 0 with n_layers={n_layers}, for "auto" finds hard frames, got {sweeps}'
        )
    return Unrolled(
        pilots,
        weights,
        n_layers,
        noise_var=None if noise_var is None else check_positive("noise_var", noise_var),
        tol=check_positive("tol", tol),
        backend=backend,
        threads=threads,
        sweeps=sweeps,
        settle=settle,
        device=device,
    )


def _check_layers(n_layers: Any, most: int) -> int:
    try:
        return check_integer("n_layers", n_layers, 1, most)
    except ValueError:
        raise ValueError(f'n_layers: expected "auto" or 1 to {most}, got {n_layers!r}') from None


def _order(n_layers: int) -> list[int]:
    """Layers as "auto" runs them: all, and for hard frames from a third of them on again."""
    return [*range(n_layers), *range(n_layers // 3, n_layers)]
