# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimator that runs a trained network, in NumPy or in the kernel. No torch."""

import numpy as np

from ..backend import check_threads, complex_frames, kernel_for
from ..estimate import Estimate, check_received, per_frame
from ..pilots.book import as_pilot_book
from ..solvers.group_lasso import Operator, adjoint, apply
from .layers import Book, Frames, start
from .noise_evidence import likely_noise_var
from .sampling import CHAINS, sample
from .variants import DEFAULT, VARIANTS
from .weight_files import DEFAULT_WEIGHTS, Weights, load_weights

_TINY = np.finfo(np.float32).tiny
_UNEXPLAINED = 4.0  # times σ²: where an estimate leaves more than that, something went wrong
_FEW_SAMPLES, _FEW_DEVICES = 100, 4096  # where an unknown σ² is worth more work, and not too much of it
_TRIED_DB = (-6.0, -3.0, 0.0, 3.0)  # against what an estimate leaves unexplained


class _NumPy:
    """What `layers` needs of NumPy, with a faster clip: np.clip would take a third of the time."""

    exp, log, sqrt, stack, minimum, maximum = np.exp, np.log, np.sqrt, np.stack, np.minimum, np.maximum

    @staticmethod
    def clip(x, low, high):
        x = x if low is None else np.maximum(x, low)
        return x if high is None else np.minimum(x, high)


class Unrolled:
    """A trained network set up for a pilot book, then called on frames; see `unrolled`."""

    name = "unrolled"

    def __init__(self, pilots, weights, n_layers, noise_var, tol, backend="auto", threads=1, sweeps=0):
        self.pilots, self.weights, self.noise_var = as_pilot_book(pilots), weights, noise_var
        self.tol, self.sweeps = tol if n_layers == "auto" else 0.0, sweeps
        if sweeps:
            _ = self.pilots.matrix  # too large: refused here, not at the first frame
        order = _order(weights.n_layers) if n_layers == "auto" else range(n_layers)
        self._layers, self._variant = [weights.of_layer(k) for k in order], VARIANTS[weights.variant]
        self._rotation, self._book, self._pilot_energy = rotate(self.pilots)
        self._threads, self._kernel = check_threads(threads), kernel_for(backend)
        self._compiled = self._compile(backend, order)

    def _compile(self, backend, order):
        """The network in the kernel, or None for NumPy."""
        kernel = self._kernel
        if kernel is None or self.weights.variant != DEFAULT or isinstance(self._book.B, Operator):
            if backend == "kernel":
                raise ValueError(
                    f"backend: the kernel runs {DEFAULT!r} with dense pilots, "
                    f"got {self.weights.variant!r} and {self.pilots!r}"
                )
            return None
        s, energy = self._book.s[:, 0], self._pilot_energy
        rotation = np.eye(len(s)) if self._rotation is None else self._rotation
        return kernel.Network(self._book.B, rotation, s, energy, self.weights.arrays, list(order))

    def __call__(self, received, noise_var=None) -> Estimate:
        received = check_received(received, self.pilots.pilot_length)
        noise_var = self.noise_var if noise_var is None else noise_var
        estimate = self._estimate(received, noise_var)
        if self.tol == 0:
            return estimate
        unsettled = np.flatnonzero(estimate.n_iter > self.weights.n_layers)
        if noise_var is not None:
            noise_var = per_frame("noise_var", noise_var, len(received))
            self._explain(received, estimate, noise_var)
        elif unsettled.size and self._few(received):
            self._tell_noise_var(received[unsettled], estimate, unsettled)
        if self.sweeps and unsettled.size:
            self._sample(received, estimate, unsettled, noise_var)
        return estimate

    def _explain(self, received, estimate, noise_var):
        """Frames left far from explained, once more with σ² estimated; the better explanation counts."""
        left = self._residual(received, estimate.channel)
        hard = np.flatnonzero(left > _UNEXPLAINED * noise_var)
        if not hard.size:
            return
        again = self._estimate(received[hard], None)
        better = self._residual(received[hard], again.channel) < left[hard] / 2
        _replace(estimate, hard[better], (values[better] for values in again[:3]))

    def _few(self, received):
        return received[0].size <= _FEW_SAMPLES and self.pilots.n_devices <= _FEW_DEVICES

    def _tell_noise_var(self, received, estimate, unsettled):
        """Run unsettled frames again, told the σ² that their own evidence makes likely."""
        noise_var = self._left_noise(received, estimate.channel[unsettled], estimate.score[unsettled])
        candidates = [(estimate.score[unsettled] > 0, noise_var)]
        for tried in noise_var * 10 ** (np.array(_TRIED_DB)[:, None] / 10):
            candidates.append((self._estimate(received, tried).score > 0, tried))
        told = likely_noise_var(self.pilots.matrix, received.astype(np.complex128), candidates)
        _replace(estimate, unsettled, self._estimate(received, told)[:3])

    def _sample(self, received, estimate, unsettled, noise_var):
        """Posterior means of unsettled frames, by Gibbs sampling from the network's on."""
        frames, known, score = received[unsettled], noise_var is not None, estimate.score[unsettled]
        start = (
            noise_var[unsettled] if known else self._left_noise(frames, estimate.channel[unsettled], score)
        )
        options = self.sweeps, self._kernel, self._threads
        channel, odds = sample(self.pilots.matrix, frames, score > 0, start, known, *options)
        sweeps = estimate.n_iter[unsettled] + CHAINS * self.sweeps
        _replace(estimate, unsettled, (channel, odds, sweeps))

    def _left_noise(self, received, channel, score):
        """σ² (B,) by what estimates leave of the frames, which have as many unknowns less."""
        L = received.shape[1]
        unknowns = np.clip(np.sum(1 / (1 + np.exp(-np.clip(score, -60, 60))), axis=1), 0, 0.9 * L)
        energy = _power(received)
        return np.maximum(self._residual(received, channel) * L / (L - unknowns), 1e-6 * energy + _TINY)

    def _residual(self, received, channel):
        """Mean energy of a sample of what the estimates leave of the frames (B,)."""
        rows = np.ascontiguousarray(np.moveaxis(channel, 1, 0))
        rest = received - np.moveaxis(self.pilots.forward(rows), 0, 1)
        return _power(rest)

    def _estimate(self, received, noise_var):
        if self._compiled is not None:
            return self._call_compiled(received, noise_var)
        frames, scale = self._normalise(received, noise_var)
        channel, score, n_iter = self._run(frames)
        channel = np.moveaxis(channel, 0, 1) * (scale / np.sqrt(self._pilot_energy))[:, None, None]
        dtype = np.result_type(received, np.complex64)
        nothing = np.full(len(received), np.nan)
        return Estimate(channel.astype(dtype), score.T, n_iter, nothing, self._variant.posterior_mean)

    def _call_compiled(self, received, noise_var):
        noise_var = 0.0 if noise_var is None else per_frame("noise_var", noise_var, len(received))
        noise_var = np.broadcast_to(noise_var, len(received))
        channel, score, n_iter = self._compiled.run(
            complex_frames(received), noise_var, self.tol, self._threads
        )
        channel = channel.astype(np.result_type(received, np.complex64), copy=False)
        nothing = np.full(len(received), np.nan)
        return Estimate(channel, score, n_iter, nothing, self._variant.posterior_mean)

    def _normalise(self, received, noise_var):
        """Rotated frames of unit energy a device, and the amplitude (B,) that was divided out."""
        (L, N), B = self._book.B.shape, len(received)
        power = _power(received)
        scale = np.sqrt(np.where(power > 0, power * L / N, 1))
        known = np.full(B, noise_var is not None, np.float32)
        noise = np.ones(B) if noise_var is None else per_frame("noise_var", noise_var, B)
        noise = np.clip(noise / scale**2, 1e-7, 2 * N / L)  # a frame's energy is N/L a sample
        unit = (received / scale[:, None, None]).astype(np.complex64)
        Y = np.ascontiguousarray(np.moveaxis(unit, 0, 1))
        Y = Y if self._rotation is None else apply(self._rotation.conj().T, Y)
        return Frames(Y, noise.astype(np.float32), known), scale

    def _run(self, frames):
        N, B, M = self._book.B.shape[1], *frames.Y.shape[1:]
        channel, score = np.zeros((N, B, M), np.complex64), np.zeros((N, B), np.float32)
        n_iter, live = np.zeros(B, int), np.arange(B)
        state, before = start(np.zeros_like(channel), np.ones(B, np.float32), N / len(frames.Y)), 0.0
        for k, parameters in enumerate(self._layers, 1):
            state, output = self._variant.layer(_NumPy, parameters, self._book, frames, state)
            step = output.estimate - before
            moved = np.mean(step.real**2 + step.imag**2, axis=(0, 2))
            done = (moved < self.tol * output.error) | (k == len(self._layers))
            n_iter[live[done]], score[:, live[done]] = k, output.score[:, done]
            channel[:, live[done]] = output.estimate[:, done]
            if done.all():
                break
            before = output.estimate
            if done.any():
                live, before = live[~done], before[:, ~done]
                frames, state = (_select(part, ~done) for part in (frames, state))
        return channel, score, n_iter


def unrolled(
    pilots, weights=None, n_layers="auto", noise_var=None, tol=1e-3, backend="auto", threads=1, sweeps=0
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
        Where σ² is unknown and a frame has at most 100 samples, hard frames are run five times more,
        told four guesses and then the σ² that they make likely (`noise_evidence`).
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
        active, from the network's result on (`sampling`); 0 for none. 30 make most frames right whose
        active devices are nearly as many as the pilot's symbols, and take dozens of times as long as
        the layers for such a frame (`make bench` prints it). It needs the pilots as
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
        whole = isinstance(n_layers, (int, np.integer)) and not isinstance(n_layers, bool)
        if not whole or not 1 <= n_layers <= weights.n_layers:
            raise ValueError(f'n_layers: expected "auto" or 1 to {weights.n_layers}, got {n_layers!r}')
    if noise_var is not None:
        per_frame("noise_var", noise_var, 1)
    if not tol > 0:
        raise ValueError(f"tol: expected a positive number, got {tol!r}")
    if not (isinstance(sweeps, (int, np.integer)) and sweeps >= 0) or isinstance(sweeps, bool):
        raise ValueError(f"sweeps: expected an integer of at least 0, got {sweeps!r}")
    if sweeps and n_layers != "auto":
        raise ValueError(
            f'sweeps: expected 0 with n_layers={n_layers}, for "auto" finds hard frames, got {sweeps}'
        )
    return Unrolled(pilots, weights, n_layers, noise_var, tol, backend, threads, int(sweeps))


def rotate(pilots):
    """Eigenvectors Q (L, L) of AAᴴ, the `Book` in these coordinates, and mean ‖a_n‖²: complex64, float32.

    Q is None where it is the identity; the book of fast pilots has an `Operator`.
    """
    s, Q = pilots.gram_eigen
    energy = pilots.energy / pilots.n_devices
    s = np.maximum(s / energy, 0).astype(np.float32)[:, None]
    single = None if Q is None else Q.astype(np.complex64)
    if pilots.is_fast:
        B = _operator(pilots, single)
        return single, Book(B, adjoint(B), s), energy
    B = pilots.matrix if Q is None else Q.conj().T @ pilots.matrix
    B = (B / np.sqrt(energy)).astype(np.complex64)
    return single, Book(B, np.ascontiguousarray(B.conj().T), s), energy


def _operator(pilots, Q):
    """QᴴA of fast pilots, whose norm is 1."""
    shape = (pilots.pilot_length, pilots.n_devices)
    if Q is None:
        return Operator(shape, pilots.forward, pilots.adjoint)
    turn = Q.conj().T.copy()
    return Operator(shape, lambda X: apply(turn, pilots.forward(X)), lambda Y: pilots.adjoint(apply(Q, Y)))


def _power(samples):
    """Mean energy of a frame's samples (B,), in double precision: single would overflow at 1e19."""
    return np.mean(samples.real.astype(float) ** 2 + samples.imag.astype(float) ** 2, axis=(1, 2))


def _order(n_layers):
    """Layers as "auto" runs them: all, and for hard frames from a third of them on again."""
    return [*range(n_layers), *range(n_layers // 3, n_layers)]


def _replace(estimate, frames, values):
    """Put other channels, scores and numbers of iterations in place, for these frames."""
    for field, value in zip(estimate[:3], values, strict=True):
        field[frames] = value


def _select(part, keep):
    """The frames `keep` of `Frames` or of a `State`: frames are the second axis, or the only one."""
    return type(part)(*(value[:, keep] if value.ndim > 1 else value[keep] for value in part))
