# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels of one path that fade from frame to frame: Rayleigh or Rice, of antennas alike or independent."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


def complex_normal(rng: Generator, shape: tuple[int, ...]) -> NDArray:
    """i.i.d. CN(0, 1) samples, complex64."""
    parts = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def draw_channel(rng: Generator, scenario: Any, n_active: int) -> NDArray:
    """Channels (K, M) of as many devices of a `Scenario`."""
    power = scenario.draw_power(rng, n_active)
    fading = complex_normal(rng, (n_active, scenario.n_antennas))
    if scenario.antenna_correlation:
        fading = fading @ _correlating(scenario.antenna_correlation, scenario.n_antennas)
    if scenario.rician_k_db is not None:
        fading = _with_line_of_sight(rng, fading, 10 ** (scenario.rician_k_db / 10))
    return fading * np.sqrt(power, dtype=np.float32)[:, None]


def _correlating(correlation, n_antennas):
    """The matrix that gives independent unit powers the correlation ρ^|i−j|."""
    distance = np.abs(np.subtract.outer(np.arange(n_antennas), np.arange(n_antennas)))
    return np.linalg.cholesky(float(correlation) ** distance).T.astype(np.float32)


def _with_line_of_sight(rng, fading, factor):
    sine, phase = np.sin(rng.uniform(-np.pi, np.pi, len(fading))), rng.uniform(-np.pi, np.pi, len(fading))
    wave = np.exp(1j * (np.pi * np.outer(sine, np.arange(fading.shape[1])) + phase[:, None]))
    share = factor / (1 + factor)
    return (np.sqrt(share) * wave + np.sqrt(1 - share) * fading).astype(np.complex64)


def mean_power(spread_db: float) -> float:
    """Mean of 10**(u/10) for u uniform within ± spread_db."""
    nepers = spread_db * np.log(10) / 10
    return np.sinh(nepers) / nepers if nepers else 1.0
