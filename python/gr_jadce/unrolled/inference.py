# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimator that runs a trained network, in NumPy or in the kernel. No torch."""

from collections.abc import Iterable
from functools import cached_property
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import complex_frames, kernel_for
from ..checks import check_integer, check_positive
from ..estimate import Estimate, check_received, noise_levels, per_frame
from ..numeric import sum_squares
from ..pilots.book import PilotBook, as_pilot_book
from ..solvers.group_lasso import Operator
from ..solvers.power_fit import PowerModel
from ..solvers.unit_norms import UnitNorms
from .hard_frames.noise_evidence import likely_noise_var
from .hard_frames.power_odds import power_odds
from .hard_frames.sampling import CHAINS, sample
from .layer_loop import run_layers
from .rotation import mean_power, rotate
from .variants import DEFAULT, VARIANTS
from .weight_files import DEFAULT_WEIGHTS, Weights, load_weights

_TINY = np.finfo(np.float32).tiny
_MAX_UNEXPLAINED = 4.0  # times σ²: where an estimate leaves more than that, something went wrong
_MAX_HARD_DEVICES = 4096  # where what hard frames take more takes little time
_MAX_GUESSED_SAMPLES = 100  # where guesses of σ² help
_GUESSES_DB = (-6.0, -3.0, 0.0, 3.0)  # against what an estimate leaves unexplained


class Unrolled:
    """A trained network set up for a pilot book, then called on frames; see `unrolled`.

    Attributes
    ----------
    name : "unrolled"
    book : PilotBook
        The one that it was set up for.
    rotation : Rotation
        Of its pilots with unit norms.
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
    ) -> None:
        self.book, self.weights, self.noise_var = as_pilot_book(pilots), weights, noise_var
        self.tol, self.sweeps = tol if n_layers == "auto" else 0.0, sweeps
        self._unit = UnitNorms.of(self.book)
        self._pilots = self._unit.book
        if sweeps:
            _ = self._pilots.matrix  # too large: refused here, not at the first frame
        order = _order(weights.n_layers) if n_layers == "auto" else range(n_layers)
        self._layers, self._variant = [weights.of_layer(k) for k in order], VARIANTS[weights.variant]
        self.rotation = rotate(self._pilots)
        self._threads, self._kernel = check_integer("threads", threads, 1), kernel_for(backend)
        self._compiled = self._compile(backend, order)

    def _compile(self, backend: str, order: Iterable[int]) -> Any:
        """The network in the kernel, or None for NumPy."""
        kernel = self._kernel
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

    def __call__(self, received: ArrayLike, noise_var: ArrayLike | None = None) -> Estimate:
        received = check_received(received, self.book.pilot_length)
        noise_var = self.noise_var if noise_var is None else noise_var
        levels = None if noise_var is None else per_frame("noise_var", noise_var, len(received))
        estimate = self._estimate(received, levels)
        if self.tol > 0:
            self._improve(received, estimate, levels)
        return self._unit.restored(estimate)

    def _improve(self, received: NDArray, estimate: Estimate, noise_var: NDArray | None) -> None:
        """Replace the results of hard frames by better ones, in place."""
        unsettled = np.flatnonzero(estimate.n_iter > self.weights.n_layers)
        if noise_var is not None:
            self._explain(received, estimate, noise_var)
        if not unsettled.size:
            return
        if received.shape[2] > 1 and self.book.n_devices <= _MAX_HARD_DEVICES:
            noise_var = self._fit_powers(received, estimate, unsettled, noise_var)
        elif noise_var is None and self._is_small(received):
            self._guess_noise_var(received[unsettled], estimate, unsettled)
        if self.sweeps:
            self._sample(received, estimate, unsettled, noise_var)

    def _explain(self, received: NDArray, estimate: Estimate, noise_var: NDArray) -> None:
        """Frames left far from explained, once more with σ² estimated; the better explanation counts."""
        left = self._residual(received, estimate.channel)
        hard = np.flatnonzero(left > _MAX_UNEXPLAINED * noise_var)
        if not hard.size:
            return
        again = self._estimate(received[hard], None)
        better = self._residual(received[hard], again.channel) < left[hard] / 2
        _replace(estimate, hard[better], (values[better] for values in again[:3]))

    def _fit_powers(
        self, received: NDArray, estimate: Estimate, unsettled: NDArray, noise_var: NDArray | None
    ) -> NDArray:
        """Fit a power of each device to unsettled frames, from the network's result on; σ² of all frames."""
        channel, score = estimate.channel[unsettled], estimate.score[unsettled]
        start = np.where(score > 0, sum_squares(channel.astype(np.complex128)) / channel.shape[2], 0)
        known = None if noise_var is None else noise_var[unsettled]
        fit = self._powers.fit(received[unsettled], known, start=start, sparse=True)
        n_iter = estimate.n_iter[unsettled] + fit.n_iter
        _replace(estimate, unsettled, (fit.channel, power_odds(fit, score), n_iter))
        levels = np.ones(len(received)) if noise_var is None else noise_var.copy()
        levels[unsettled] = fit.noise_var
        return levels

    @cached_property
    def _powers(self) -> PowerModel:
        backend = "numpy" if self._kernel is None else "kernel"
        return PowerModel(self._pilots, backend=backend, threads=self._threads)

    def _is_small(self, received: NDArray) -> bool:
        return received[0].size <= _MAX_GUESSED_SAMPLES and self.book.n_devices <= _MAX_HARD_DEVICES

    def _guess_noise_var(self, received: NDArray, estimate: Estimate, unsettled: NDArray) -> None:
        """Run unsettled frames again, with the σ² that their own evidence makes likely."""
        noise_var = self._left_noise(received, estimate.channel[unsettled], estimate.score[unsettled])
        candidates = [(estimate.score[unsettled] > 0, noise_var)]
        for guess in noise_var * 10 ** (np.array(_GUESSES_DB)[:, None] / 10):
            candidates.append((self._estimate(received, guess).score > 0, guess))
        likely = likely_noise_var(self._pilots.matrix, received.astype(np.complex128), candidates)
        _replace(estimate, unsettled, self._estimate(received, likely)[:3])

    def _sample(
        self, received: NDArray, estimate: Estimate, unsettled: NDArray, noise_var: NDArray | None
    ) -> None:
        """Posterior means of unsettled frames, by Gibbs sampling from the network's on."""
        frames, score = received[unsettled], estimate.score[unsettled]
        if noise_var is None:
            start = self._left_noise(frames, estimate.channel[unsettled], score)
        else:
            start = noise_var[unsettled]
        channel, odds = sample(
            self._pilots.matrix,
            frames,
            score > 0,
            start,
            known=noise_var is not None,
            sweeps=self.sweeps,
            kernel=self._kernel,
            threads=self._threads,
        )
        _replace(estimate, unsettled, (channel, odds, estimate.n_iter[unsettled] + CHAINS * self.sweeps))

    def _left_noise(self, received: NDArray, channel: NDArray, score: NDArray) -> NDArray:
        """σ² (B,) by what estimates leave of the frames, which have as many unknowns less."""
        L = received.shape[1]
        unknowns = np.clip(np.sum(1 / (1 + np.exp(-np.clip(score, -60, 60))), axis=1), 0, 0.9 * L)
        energy = mean_power(received)
        return np.maximum(self._residual(received, channel) * L / (L - unknowns), 1e-6 * energy + _TINY)

    def _residual(self, received: NDArray, channel: NDArray) -> NDArray:
        """Mean energy of a sample of what the estimates leave of the frames (B,)."""
        rows = np.ascontiguousarray(np.moveaxis(channel, 1, 0))
        rest = received - np.moveaxis(self._pilots.forward(rows), 0, 1)
        return mean_power(rest)

    def _estimate(self, received: NDArray, noise_var: NDArray | None) -> Estimate:
        """The network's result for the pilots with unit norms."""
        run = self._run_numpy if self._compiled is None else self._run_compiled
        channel, score, n_iter = run(received, noise_var)
        channel = channel.astype(np.result_type(received, np.complex64), copy=False)
        gap = np.full(len(received), np.nan)
        return Estimate(channel, score, n_iter, gap, self._variant.posterior_mean)

    def _run_numpy(self, received: NDArray, noise_var: NDArray | None) -> tuple[NDArray, NDArray, NDArray]:
        frames, scale = self.rotation.normalise(received, noise_var)
        channel, score, n_iter = run_layers(
            self._layers, self._variant.layer, self.rotation.book, frames, self.tol
        )
        channel = np.moveaxis(channel, 0, 1) * (scale / np.sqrt(self.rotation.energy))[:, None, None]
        return channel, score.T, n_iter

    def _run_compiled(self, received: NDArray, noise_var: NDArray | None) -> tuple[NDArray, NDArray, NDArray]:
        levels = noise_levels(noise_var, len(received))
        return self._compiled.run(complex_frames(received), levels, self.tol, self._threads)


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
    backend : {"auto", "numpy", "kernel"}
        What computes: the compiled kernel where it is installed, NumPy, or the kernel only. The
        kernel runs the variant of the default weights, on pilot books without fast products; "auto"
        leaves others to NumPy.
    threads : int
        Threads over the frames of a batch, of the kernel.
    sweeps : int
        With n_layers="auto": for hard frames, sweeps of each of the two chains that sample who is
        active, from the network's result on (`sampling`); 0 for none. 30 lower the error of frames that do
        not tell supports apart, as where active devices are nearly as many as the pilot's symbols, and
        take dozens of times as long as the layers (`make bench` prints it). It needs the pilots as
        a matrix, which very large books do not give.
        Each sweep counts as an iteration.

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
    )


def _check_layers(n_layers: Any, most: int) -> int:
    try:
        return check_integer("n_layers", n_layers, 1, most)
    except ValueError:
        raise ValueError(f'n_layers: expected "auto" or 1 to {most}, got {n_layers!r}') from None


def _order(n_layers: int) -> list[int]:
    """Layers as "auto" runs them: all, and for hard frames from a third of them on again."""
    return [*range(n_layers), *range(n_layers // 3, n_layers)]


def _replace(estimate: Estimate, frames: NDArray, values: Iterable[NDArray]) -> None:
    """Put other channels, scores and numbers of iterations in place, for these frames."""
    for field, value in zip(estimate[:3], values, strict=True):
        field[frames] = value
