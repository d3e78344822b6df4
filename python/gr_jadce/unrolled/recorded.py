# SPDX-License-Identifier: GPL-3.0-or-later
"""Training on recorded frames whose truth is known."""

from os import PathLike
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..pilots.book import PilotBook
from ..recordings.reader import read_recording
from ..reports.json_lines import read_reports
from ..solvers.group_lasso import apply
from ..solvers.unit_norms import UnitNorms
from ..waveform import Waveform
from .layers import Book, Frames, squares
from .recorded_frames.matching import labelled_frames
from .rotation import rotate
from .training import SNR_BINS, Batch, Case, dense

_FRAMES_A_BATCH = 96
_Part = TypeVar("_Part", Book, Frames)


class Recorded:
    """Batches drawn from a recording, for `Trainer`: pass `case` as its cases and `draw` as its draw.

    Parameters
    ----------
    pilots : PilotBook
    recording : path
        SigMF, see `recordings.reader`.
    truth : path
        JSON lines, see `reports.json_lines`: who was active in each frame, over which channels, and the noise
        variance where it is known; or those of a transmitter, to which channels are fitted. Frames that
        were not recorded whole, or hold NaN or Inf, are left out.
    waveform : Waveform, optional
        Shape of the pulses; None for one sample a symbol.

    Raises
    ------
    ValueError
        If a file is malformed, the sizes differ, or fewer than 8 frames are left.
    """

    def __init__(
        self,
        pilots: PilotBook,
        recording: str | PathLike,
        truth: str | PathLike,
        waveform: Waveform | None = None,
    ) -> None:
        self.pilots = dense(pilots)
        frames = labelled_frames(
            pilots, read_recording(recording), read_reports(truth), waveform, at_least=SNR_BINS
        )
        self.n_frames, self.n_antennas = len(frames.received), frames.received.shape[2]
        self._set_frames(*frames)

    def _set_frames(self, received: NDArray, channel: NDArray, noise_var: NDArray) -> None:
        unit, known = UnitNorms.of(self.pilots), np.isfinite(noise_var)
        rotation = rotate(unit.book)
        frames, scale = rotation.normalise(received, np.where(known, noise_var, 1.0))
        self._frames = frames._replace(known=known.astype(np.float32))
        self._book, energy, channel = rotation.book, rotation.energy, unit.scaled(channel)
        self._channel = np.moveaxis(channel * np.sqrt(energy) / scale[:, None, None], 1, 0)
        power = np.sum(channel.real**2 + channel.imag**2, axis=(1, 2))
        self._scale = (scale**2 / (energy * power.mean())).astype(np.float32)
        self.activity_rate = float(np.mean(np.any(channel, axis=2)))
        rest = squares(frames.Y - apply(self._book.B, self._channel)).mean(0)
        self._by_snr = np.argsort(squares(self._channel).sum(0) / np.maximum(rest, 1e-9), kind="stable")

    def case(self, rng: np.random.Generator) -> Case:
        """The only case there is."""
        return Case(self.pilots, self.n_antennas, self.activity_rate, 0.0, _FRAMES_A_BATCH)

    def draw(self, case: Case, seed: int, device: str = "cpu") -> Batch:
        """Frames at random, the noisiest first; σ² told for every other one where it is known."""
        rank = np.random.default_rng(seed).integers(self.n_frames, size=case.n_frames)
        pick = self._by_snr[np.sort(rank)]
        Y, noise_var, known = self._frames.Y[:, pick], self._frames.noise_var[pick], self._frames.known[pick]
        known = known * (np.arange(case.n_frames) % 2).astype(np.float32)
        frames = Frames(Y, np.where(known > 0, noise_var, np.float32(1)), known)
        return Batch(
            _tensors(self._book, device),
            _tensors(frames, device),
            torch.tensor(self._channel[:, pick].astype(np.complex64), device=device),
            torch.tensor(self._scale[pick], device=device),
        )


def _tensors(part: _Part, device: str) -> _Part:
    return type(part)(*(torch.tensor(np.asarray(value), device=device) for value in part))
