# SPDX-License-Identifier: GPL-3.0-or-later
"""Better estimates of the frames that the layers leave unsettled or far from explained."""

from collections.abc import Callable, Iterable
from functools import cached_property
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ...estimate import Estimate
from ...numeric import sum_squares
from ...pilots.book import PilotBook
from ...solvers.power_fit import PowerModel
from ..rotation import mean_power
from .noise_evidence import likely_noise_var
from .power_odds import power_odds
from .sampling import CHAINS, sample

_TINY = np.finfo(np.float32).tiny
_MAX_UNEXPLAINED = 4.0  # times σ²: where an estimate leaves more than that, something went wrong
_MAX_HARD_DEVICES = 4096  # where what hard frames take more takes little time
_MAX_GUESSED_SAMPLES = 100  # where guesses of σ² help
_GUESSES_DB = (-6.0, -3.0, 0.0, 3.0)  # against what an estimate leaves unexplained


class HardFrames:
    """What is done for hard frames of pilots with unit norms; see `inference.unrolled`.

    Parameters
    ----------
    pilots : PilotBook
    estimate : callable
        ``estimate(received, noise_var)``, by the layers alone.
    n_layers : int
        Layers after which a frame counts as hard.
    sweeps, kernel, threads
        As of `inference.unrolled`; the kernel None for NumPy.
    """

    def __init__(
        self,
        pilots: PilotBook,
        estimate: Callable[[NDArray, NDArray | None], Estimate],
        n_layers: int,
        *,
        sweeps: int,
        kernel: ModuleType | None,
        threads: int,
    ) -> None:
        self._pilots, self._estimate, self._n_layers = pilots, estimate, n_layers
        self._sweeps, self._kernel, self._threads = sweeps, kernel, threads
        if sweeps:
            _ = pilots.matrix  # too large: refused here, not at the first frame

    def improve(self, received: NDArray, estimate: Estimate, noise_var: NDArray | None) -> None:
        """Replace the results of hard frames by better ones, in place."""
        unsettled = np.flatnonzero(estimate.n_iter > self._n_layers)
        if noise_var is not None:
            self._explain(received, estimate, noise_var)
        if not unsettled.size:
            return
        if received.shape[2] > 1 and self._pilots.n_devices <= _MAX_HARD_DEVICES:
            noise_var = self._fit_powers(received, estimate, unsettled, noise_var)
        elif noise_var is None and self._is_small(received):
            self._guess_noise_var(received[unsettled], estimate, unsettled)
        if self._sweeps:
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
        return received[0].size <= _MAX_GUESSED_SAMPLES and self._pilots.n_devices <= _MAX_HARD_DEVICES

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
            sweeps=self._sweeps,
            kernel=self._kernel,
            threads=self._threads,
        )
        _replace(estimate, unsettled, (channel, odds, estimate.n_iter[unsettled] + CHAINS * self._sweeps))

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


def _replace(estimate: Estimate, frames: NDArray, values: Iterable[NDArray]) -> None:
    """Put other channels, scores and numbers of iterations in place, for these frames."""
    for field, value in zip(estimate[:3], values, strict=True):
        field[frames] = value
