# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of any network for one pilot book, by the loop that trains the network of gr-jadce."""

from functools import partial

import numpy as np
import torch
from networks import LAYER_WISE, NETWORKS, Layered

from gr_jadce.estimate import Estimate
from gr_jadce.solvers.group_lasso import apply
from gr_jadce.unrolled.layers import Book, Frames
from gr_jadce.unrolled.rotation import rotate
from gr_jadce.unrolled.training import SNR_BINS, Batch, Trainer

RATES = (6e-5, 2e-4, 6e-4, 2e-3, 6e-3, 2e-2, 6e-2, 2e-1, 6e-1, 2.0, 6.0)  # learning rates to choose from
TRIED = (2e-3, 6e-3, 2e-2)  # always; others while the best so far is the least or the largest tried
TRIAL = 0.1  # share of the steps that each is tried for
FAILED = 1e3  # dB: score of a rate at which training broke down


def draw(case, seed, device="cpu", snr_range_db=(0.0, 30.0), dtype=torch.complex64, per_frame=False):
    """Fresh frames of a case, their noise variance known, SNR in bins along the batch.

    dtype : of pilots, channels and noise; float32 for real ones.
    per_frame : errors are relative to each frame's own channel, not to the mean.
    """
    generator = torch.Generator().manual_seed(seed)
    (L, N), B, M = case.pilots.matrix.shape, case.n_frames, case.n_antennas
    active = torch.rand((N, B, 1), generator=generator) < case.activity_rate
    X = active * torch.randn((N, B, M), dtype=dtype, generator=generator)
    bins = torch.arange(SNR_BINS).repeat_interleave(B // SNR_BINS) + torch.rand(B, generator=generator)
    snr_db = snr_range_db[0] + (snr_range_db[1] - snr_range_db[0]) * bins / SNR_BINS
    noise_var = case.activity_rate * N / L / 10 ** (snr_db / 10)
    _, book, _ = rotate(case.pilots)
    book = Book(*(torch.tensor(part) for part in book))
    W = torch.randn((L, B, M), dtype=dtype, generator=generator)  # as white after rotation as before
    Y = (apply(book.B, X.to(book.B.dtype)) + noise_var.sqrt()[:, None] * W).to(book.B.dtype)
    power = (Y.real**2 + Y.imag**2).mean((0, 2)) * L / N
    frames = Frames(Y / power.sqrt()[:, None], noise_var / power, torch.ones(B))
    truth = (X / power.sqrt()[:, None]).to(book.B.dtype)
    mean = (X.real**2).sum((0, 2)).clamp(min=1e-3) if per_frame else case.activity_rate * N * M
    return Batch(book, frames, truth, power / mean)


def fit(make_network, cases, n_steps, draw=draw, layer_wise=False, rates=RATES, seed=1, progress=None):
    """Train; of the learning rates, the one that is best after a short run is taken.

    Parameters
    ----------
    make_network : callable
        Gives a network to start from.
    cases, draw
        See `Trainer`.
    layer_wise : bool
        See `_run`.
    rates : tuple of float
        Learning rates to choose from, ascending, `TRIED` among them.
    progress : callable, optional
        Called as ``progress(step, loss)``.

    Returns
    -------
    network, record : the trained network, and a dict of what was done
    """

    def run(steps, rate):
        return _run(make_network(), cases, steps, rate, draw, layer_wise, seed, progress)

    trials = search(lambda rate: run(int(TRIAL * n_steps), rate).validate(), rates)
    rate = min(trials, key=trials.get)
    trainer = run(n_steps, rate)
    record = {
        "steps": n_steps,
        "frames_a_step": cases(np.random.default_rng(0)).n_frames,
        "learning_rate": rate,
        "trials": trials,
    }
    return trainer.network, record | {"layer_wise": layer_wise, "validation_db": trainer.validate()}


def search(score, rates):
    """{rate: score} of `TRIED`, and of ever more of `rates` until the best has a worse one on either side.

    A rate at which training broke down scores `FAILED`.
    """
    trials = {}
    todo = list(TRIED)
    while todo:
        trials |= {rate: float(np.nan_to_num(score(rate), nan=FAILED)) for rate in todo}
        best = rates.index(min(trials, key=trials.get))
        todo = [rate for rate in rates[max(best - 1, 0) : best + 2] if rate not in trials]
    return trials


def _run(network, cases, n_steps, rate, draw, layer_wise, seed, progress):
    """Layer-wise: a layer more at a time in the first 0.6 of the steps, each from the layer before it."""
    trainer = Trainer(network, n_steps, seed, learning_rate=rate, cases=cases, draw=draw)
    if layer_wise:
        network.depth = 1
    for step, loss in trainer.run():
        depth = min(1 + int(step / (0.6 * n_steps) * network.n_layers), network.n_layers)
        if layer_wise and depth > network.depth:
            network.layers[depth - 1].load_state_dict(network.layers[network.depth - 1].state_dict())
            network.depth = depth
        if progress:
            progress(step, loss)
    return trainer


def comparator(name, case, n_layers, n_steps, draw=draw, progress=None):
    """Train the network `name` of `NETWORKS`: it, and a record."""
    layer, options = NETWORKS[name]
    make = partial(untrained, layer, case.pilots, n_layers, **options)
    return fit(make, lambda rng: case, n_steps, draw, name in LAYER_WISE, progress=progress)


def untrained(layer, pilots, n_layers, **options):
    """A network with the classical iteration's matrices."""
    _, book, _ = rotate(pilots)
    return Layered(layer, Book(*(torch.tensor(part) for part in book)), n_layers, **options)


class Estimator:
    """A trained comparator as an estimator, called like all others."""

    def __init__(self, pilots, network):
        self.network, self._rotation = network, rotate(pilots)

    @torch.no_grad()
    def __call__(self, received, noise_var):
        frames, scale = self._rotation.normalise(received, noise_var)
        book, frames = (type(p)(*(torch.tensor(v) for v in p)) for p in (self._rotation.book, frames))
        *_, output = self.network(book, frames)
        n_iter = np.full(len(received), self.network.n_layers)
        channel = np.moveaxis(output.estimate.numpy(), 0, 1) * scale[:, None, None]
        channel = (channel / np.sqrt(self._rotation.energy)).astype(np.complex64)
        score = output.score.numpy().T
        if getattr(self.network, "scores_are_lengths", False):
            score = score * scale[:, None]  # lengths of the channels, not of frames brought to one energy
        return Estimate(channel, score, n_iter, np.full(len(received), np.nan))
