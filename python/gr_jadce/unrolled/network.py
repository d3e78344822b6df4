# SPDX-License-Identifier: GPL-3.0-or-later
"""The network in torch: the layers of `layers.py` with parameters that can be trained."""

from collections.abc import Iterator

import numpy as np
import torch

from .layers import Book, Frames, Output, start
from .variants import DEFAULT, VARIANTS
from .weight_files import FORMAT_VERSION, Weights


def initial_arrays(n_layers: int, seed: int = 0, variant: str = DEFAULT) -> dict[str, np.ndarray]:
    """Parameters before training: float32 arrays by name, layers first."""
    rng = np.random.default_rng(seed)
    scalars, shapes = VARIANTS[variant].scalars, VARIANTS[variant].shapes
    arrays = {name: np.full(n_layers, value, np.float32) for name, value in scalars.items()}
    arrays |= {
        name: np.zeros((n_layers, *shapes[name]), np.float32) for name in shapes.keys() - scalars.keys()
    }
    # Before the first layer nothing is known but the residual.
    for name, value in (("error_mix", -6.0), ("noise_floor", -1.7)):
        if name in arrays:
            arrays[name][0] = value
    for name, deviation in (("squeeze_weight", 0.3), ("excite_weight", 0.02)):
        if name in arrays:
            arrays[name] += (deviation * rng.standard_normal(arrays[name].shape)).astype(np.float32)
    return arrays


class Network(torch.nn.Module):
    """K layers of a variant, K taken from the parameters' first axis."""

    def __init__(self, arrays: dict[str, np.ndarray], variant: str = DEFAULT) -> None:
        super().__init__()
        self.variant = variant
        self.parameters_by_name = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(torch.tensor(arrays[name])) for name in sorted(arrays)}
        )
        self.n_layers = len(arrays["beta"])

    def forward(self, book: Book, frames: Frames) -> Iterator[Output]:
        """Yield the `Output` of every layer."""
        N, (_, B, M) = book.B.shape[1], frames.Y.shape
        zeros = torch.zeros((N, B, M), dtype=frames.Y.dtype, device=frames.Y.device)
        layer = VARIANTS[self.variant].layer
        state = start(zeros, torch.ones_like(frames.noise_var), N / len(frames.Y))
        for k in range(self.n_layers):
            parameters = {name: value[k] for name, value in self.parameters_by_name.items()}
            state, output = layer(torch, parameters, book, frames, state)
            yield output

    def weights(self, scenario: dict, provenance: dict) -> Weights:
        """What `weight_files.save_weights` writes."""
        arrays = {
            name: value.detach().cpu().numpy().astype(np.float32)
            for name, value in self.parameters_by_name.items()
        }
        meta = {"format_version": FORMAT_VERSION, "n_layers": self.n_layers, "variant": self.variant}
        return Weights(arrays, meta | {"scenario": scenario, "provenance": provenance})
