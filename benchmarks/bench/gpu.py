# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (xiii): the network's layers for large arrays, in torch on a GPU against the kernel, one thread."""

from importlib.util import find_spec
from time import perf_counter

import numpy as np

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.unrolled import unrolled

CELLS = {  # N, L, M, active devices, frames
    "N = 10,000, M = 64": (10_000, 1024, 64, 200, 8),
    "N = 20,000, M = 128": (20_000, 1024, 128, 200, 4),
}
QUICK = {"N = 1000, M = 16": (1000, 128, 16, 20, 4)}
LAYERS = 10


def run(quick=False, say=print):
    """Milliseconds a frame of both, and how far their channels differ; why not, where there is no GPU."""
    missing = _missing()
    if missing:
        say(f"  not measured: {missing}")
        return {"missing": missing}
    return measure(QUICK if quick else CELLS, "cuda", say)


def _missing():
    if find_spec("torch") is None:
        return "no torch"
    import torch

    return None if torch.cuda.is_available() else "no GPU"


def measure(cells, device, say):
    """Cell → figures, of that device of torch."""
    results = {}
    for name, cell in cells.items():
        results[name] = entry = _compare(*cell, device)
        times = f"kernel {entry['kernel_ms']:9.1f} ms a frame, torch on {device} {entry['torch_ms']:8.1f}"
        say(f"  {name:20} {times}, {entry['ratio']:6.1f} ×; channels differ by {entry['error']:.1e}")
    return results


def _compare(N, L, M, n_active, frames, device):
    """Wall-clock times, because a GPU has no other; frames and results are moved within them."""
    book = make_pilots("gaussian", N, L, seed=1)
    received = simulate(Scenario(book, M, n_active=n_active, snr_db=10), frames, seed=2).received
    received = received.astype(np.complex64)
    kernel, on_device = (
        unrolled(book, n_layers=LAYERS, **options)
        for options in ({"backend": "kernel"}, {"backend": "torch", "device": device})
    )
    on_device(received)  # sets the device up
    expected, kernel_s = _timed(kernel, received)
    found, torch_s = min((_timed(on_device, received) for _ in range(3)), key=lambda pair: pair[1])
    error = np.abs(found.channel - expected.channel).max() / np.abs(expected.channel).max()
    times = {"kernel_ms": 1e3 * kernel_s / frames, "torch_ms": 1e3 * torch_s / frames}
    return times | {"ratio": kernel_s / torch_s, "error": float(error)}


def _timed(estimator, received):
    began = perf_counter()
    estimate = estimator(received)
    return estimate, perf_counter() - began
