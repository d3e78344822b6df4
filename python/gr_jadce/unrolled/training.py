# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the unrolled network on fresh frames from a mixture of scenarios.

Step k's batch depends on the seed and k only, so a run that is interrupted and resumed ends with
the weights of one that was not.
"""

from collections.abc import Callable, Iterator
from math import cos, pi
from os import PathLike
from typing import NamedTuple

import numpy as np
import torch

from ..pilots.book import PilotBook, as_pilot_book
from ..pilots.kinds import make_pilots
from ..solvers.group_lasso import apply
from ..solvers.unit_norms import UnitNorms
from .accelerated.processes import SharedErrors
from .layers import Book, Frames
from .network import Network
from .rotation import rotate

SNR_BINS = 8
SNR_RANGE_DB = (0.0, 30.0)
# Antennas → share of batches, and the largest load K/L: beyond, nothing can be estimated.
ANTENNAS = {1: (0.3, 0.5), 2: (0.15, 0.6), 4: (0.25, 0.9), 8: (0.2, 1.0), 16: (0.1, 1.0)}
KINDS = {"gaussian": 0.5, "qpsk": 0.2, "dft": 0.15, "zadoff_chu": 0.15}
MAX_DEVICES = 320
VALIDATION_CASES = 16
_RATIO_EDGES, _LOAD_EDGES = (4.0, 8.0), (0.2, 0.45)
_MEAN_MEMORY = 0.9  # of the running mean of errors, a batch
MIXTURE = {  # what a weight file says it was trained on
    "n_devices": [32, MAX_DEVICES],
    "devices_per_symbol": [2, 15],
    "active_per_symbol": [0.08, 1.0],
    "n_antennas": sorted(ANTENNAS),
    "pilot_kinds": sorted(KINDS),
    "snr_db": list(SNR_RANGE_DB),
    "power_spread_db": [0, 10],
    "noise_var_known": 0.5,
}


class Case(NamedTuple):
    """What all frames of a batch share."""

    pilots: PilotBook  # see `dense`
    n_antennas: int
    activity_rate: float
    power_spread_db: float
    n_frames: int

    @property
    def group(self) -> tuple[int, ...]:
        """Batches of a group have comparable errors: antennas, N/L band, K/L band."""
        ratio = self.pilots.n_devices / self.pilots.pilot_length
        bands = np.searchsorted(_RATIO_EDGES, ratio), np.searchsorted(_LOAD_EDGES, ratio * self.activity_rate)
        return (self.n_antennas, *map(int, bands))


class Batch(NamedTuple):
    """A batch ready for the network: book and frames, channel (N, B, M) and power scale (B,) to undo."""

    book: Book
    frames: Frames
    channel: torch.Tensor
    scale: torch.Tensor


def draw_case(
    rng: np.random.Generator,
    pilots: PilotBook | None = None,
    n_antennas: int | None = None,
    *,
    focus: float = 0.0,
) -> Case:
    """Draw a case of the mixture; `pilots` and `n_antennas` may be fixed, for fine-tuning.

    A share `focus` of the cases has one antenna and a light load, where frames differ most.
    """
    focused = focus > 0 and rng.random() < focus
    light = rng.random() < 0.5 or focused
    if n_antennas is None and focused:
        n_antennas = 1
    if n_antennas is None:
        shares = [share for share, _ in ANTENNAS.values()]
        n_antennas = int(rng.choice(list(ANTENNAS), p=shares))
    if pilots is None:
        pilots = _draw_pilots(rng, light)
    ratio = pilots.n_devices / pilots.pilot_length
    most = min(0.5 if light else 1.0, ANTENNAS.get(n_antennas, (0, 1.0))[1], 0.3 * ratio)
    load = np.exp(rng.uniform(np.log(min(0.08, most / 2)), np.log(most)))
    spread = rng.uniform(0, 10) if rng.random() < (0.3 if light else 0.6) else 0.0
    n_frames = SNR_BINS * int(np.clip(2200 / (pilots.n_devices * n_antennas**0.6), 4, 18))
    return Case(pilots, n_antennas, load / ratio, spread, n_frames)


def dense(pilots: PilotBook) -> PilotBook:
    """The book itself, or that of its matrix where its products are fast: torch has no such products.

    ValueError where the matrix is too large.
    """
    return as_pilot_book(pilots.matrix) if pilots.is_fast else pilots


def draw_batch(
    case: Case, seed: int, device: str = "cpu", *, snr_range_db: tuple[float, float] = SNR_RANGE_DB
) -> Batch:
    """Fresh frames of a case: SNR in bins along the batch, noise variance known in every other frame."""
    generator = torch.Generator().manual_seed(seed)
    (L, N), B, M = case.pilots.matrix.shape, case.n_frames, case.n_antennas
    active = torch.rand((N, B), generator=generator) < case.activity_rate
    level = 10 ** (case.power_spread_db / 10 * (2 * torch.rand((N, B), generator=generator) - 1))
    unit = UnitNorms.of(case.pilots)
    if unit.norms is not None:  # the network estimates channels times norms
        level = level * torch.tensor(unit.norms, dtype=torch.float32)[:, None] ** 2
    channel = (active * level.sqrt())[..., None] * _normal((N, B, M), generator)
    snr_db = snr_range_db[0] + (snr_range_db[1] - snr_range_db[0]) * _stratified(B, generator)
    mean_power = level.mean()
    noise_var = case.activity_rate * mean_power * N / L / 10 ** (snr_db / 10)
    book = Book(*(torch.tensor(part) for part in rotate(unit.book).book))
    # Noise is as white in the rotated coordinates as before; pilots have unit mean energy there.
    Y = apply(book.B, channel) + noise_var.sqrt()[:, None] * _normal((L, B, M), generator)
    power = (Y.real**2 + Y.imag**2).mean((0, 2)) * L / N
    known = (torch.arange(B) % 2).float()
    frames = Frames(Y / power.sqrt()[:, None], torch.where(known > 0, noise_var / power, 1.0), known)
    scale = power / (case.activity_rate * mean_power * N * M)
    return Batch(
        Book(*(value.to(device) for value in book)),
        Frames(*(value.to(device) for value in frames)),
        (channel / power.sqrt()[:, None]).to(device),
        scale.to(device),
    )


def layer_errors(network: Network, batch: Batch) -> torch.Tensor:
    """NMSE of every layer in every SNR bin (K, SNR_BINS), against the case's mean channel power."""
    errors = []
    for output in network(batch.book, batch.frames):
        difference = output.estimate - batch.channel
        error = (difference.real**2 + difference.imag**2).sum((0, 2)) * batch.scale
        errors.append(error.reshape(SNR_BINS, -1).mean(1))
    return torch.stack(errors)


class Trainer:
    """One plain loop: `run()` trains to the last step and yields (step, loss) after each.

    In processes that have joined (`accelerated.processes`), each works on a part of every batch.

    Parameters
    ----------
    network : Network
    n_steps, seed, learning_rate : the schedule is a warm-up of 50 steps and a cosine
    cases : callable, optional
        rng → `Case`; default `draw_case`.
    device : str
        Of torch.
    draw : callable, optional
        Case, seed, device → `Batch`; default `draw_batch`.

    Attributes
    ----------
    step : int
        Steps done.
    """

    def __init__(
        self,
        network: Network,
        n_steps: int,
        seed: int = 0,
        *,
        learning_rate: float = 6e-3,
        cases: Callable[[np.random.Generator], Case] = draw_case,
        device: str = "cpu",
        draw: Callable[[Case, int, str], Batch] = draw_batch,
    ) -> None:
        self.network, self.n_steps, self.seed = network.to(device), n_steps, seed
        self.cases, self.draw, self.device, self.step = cases, draw, device, 0
        self.means: dict[str, torch.Tensor] = {}
        self.learning_rate, self.optimizer = learning_rate, torch.optim.Adam(network.parameters())
        self._errors = SharedErrors(self.network, layer_errors, SNR_BINS)

    def run(self) -> Iterator[tuple[int, float]]:
        """Train to the last step; yields (step, loss) after each, with steps from 1."""
        while self.step < self.n_steps:
            rng = np.random.default_rng([self.seed, self.step])
            case = self.cases(rng)
            batch = self.draw(case, int(rng.integers(2**62)), self.device)
            own, joint = self._errors(batch)
            weight = _layer_weight(len(own), self.device) / self._mean(case.group, joint) / SNR_BINS
            loss = (weight * own).sum()
            self.optimizer.param_groups[0]["lr"] = self.learning_rate * self._rate()
            self.optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            if torch.isfinite(norm):
                self.optimizer.step()
            self.step += 1
            yield self.step, float((weight * joint).sum())

    def _mean(self, group: tuple[int, ...], errors: torch.Tensor) -> torch.Tensor:
        """Running mean of the errors of this group: every SNR and scenario counts alike, in dB."""
        key, now = str((*group, len(errors))), errors
        before = self.means.get(key, now)
        mean = _MEAN_MEMORY * before + (1 - _MEAN_MEMORY) * now
        self.means[key] = torch.where(torch.isfinite(now), mean, before)
        return self.means[key]

    def _rate(self) -> float:
        return min((self.step + 1) / 50, 0.5 * (1 + cos(pi * self.step / self.n_steps))) + 1e-3

    @torch.no_grad()
    def validate(self) -> float:
        """Mean NMSE of the last layer in dB over cases and SNR bins that are the same for every seed."""
        figures = []
        for k in range(VALIDATION_CASES):
            rng = np.random.default_rng([k, 2**32 - 1])
            batch = self.draw(self.cases(rng), int(rng.integers(2**62)), self.device)
            figures.append(10 * torch.log10(layer_errors(self.network, batch)[-1]).mean())
        return float(torch.stack(figures).mean())

    def save(self, path: str | PathLike) -> None:
        """Write a checkpoint that `load` continues from."""
        torch.save(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "means": self.means,
                "step": self.step,
                "seed": self.seed,
                "n_steps": self.n_steps,
            },
            path,
        )

    def load(self, path: str | PathLike) -> None:
        """Continue from a checkpoint; ValueError if it is of another seed or number of steps."""
        saved = torch.load(path, map_location=self.device, weights_only=True)
        for name in ("seed", "n_steps"):
            if saved[name] != getattr(self, name):
                raise ValueError(f"{path}: {name}: expected {getattr(self, name)}, got {saved[name]}")
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.means, self.step = saved["means"], saved["step"]


def _layer_weight(n_layers: int, device: str) -> torch.Tensor:
    """The last layer's output counts most; the others', a little, so that they can be the last."""
    depth = torch.arange(1, n_layers + 1, device=device) / n_layers
    return torch.where(depth < 1, 0.1 * depth, 1.0)[:, None]


def _draw_pilots(rng: np.random.Generator, light: bool) -> PilotBook:
    ratio = np.exp(rng.uniform(np.log(2), np.log(4 if light else 15)))
    length = int(rng.integers(24, 65) if light else rng.integers(16, 49))
    length = int(min(length, MAX_DEVICES / ratio))
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    length = _prime_at_least(length) if kind == "zadoff_chu" else length
    return make_pilots(kind, round(ratio * length), length, int(rng.integers(2**31)))


def _prime_at_least(length: int) -> int:
    while any(length % factor == 0 for factor in range(2, int(length**0.5) + 1)):
        length += 1
    return length


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex64, generator=generator)


def _stratified(n_frames: int, generator: torch.Generator) -> torch.Tensor:
    """Uniform in [0, 1), ascending bin by bin."""
    bins = torch.arange(SNR_BINS).repeat_interleave(n_frames // SNR_BINS)
    return (bins + torch.rand(n_frames, generator=generator)) / SNR_BINS
