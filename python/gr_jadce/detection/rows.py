# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions in short: a row for each active device, in place of one for every device of every frame."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .doubt import Doubt

_NOT_MEASURED = np.empty(0)


class Rows(NamedTuple):
    """What is decided about a batch of B frames with K_b active devices each.

    start : (B + 1,) int, the rows of frame b are start[b] to start[b + 1] − 1.
    device : (ΣK,) uint32, the active devices, ascending within a frame.
    channel : (ΣK, M) complex.
    score : (ΣK,) float, −log10 of the device's p-value.
    threshold : float, the score from which on a device is active.
    noise_var, snr_db : (B,) float, as of `Decision`.
    noise_cov : (B, M, M) complex, covariance of the antennas in what the active devices leave of the frame,
        per sample. Empty of devices out of step.
    noise_dof : (B,) float, rows of a frame that it is measured on: L less the active devices, or about that.
    uncertainty : (B,) float, squared error expected of a frame's channels, all together, given the active
        devices. None of devices out of step.
    evidence : (B,) float, how much likelier than white noise alone the devices that the noise is measured off
        make a frame, as a logarithm, less what a choice of them explains. NaN of more than 2048 devices with
        fast pilots, empty of devices out of step.
    noise_statistics : (B, 2) float, what `noise.covariance.noise_statistics` gives of both. Empty of devices
        out of step.
    doubts : B of `Doubt`, by NumPy where all devices are tested; otherwise none.
    noise_kind : (B,) str, "white", "antennas" or "spatial": what it was taken for. None: white in all frames.
    delay, carrier_offset : (ΣK,) float of devices out of step, symbols and cycles a symbol, or None.
    tap_start, tap_delay, tap_gain : (ΣK + 1,) int, (ΣT,) float and (ΣT, M) complex, paths of devices out of
        step: those of row k are tap_start[k] to tap_start[k + 1] − 1. Or None.
    packets : ΣK of `payload.Packet`, what devices sent behind their pilots; or None.
    """

    start: NDArray
    device: NDArray
    channel: NDArray
    score: NDArray
    threshold: float
    noise_var: NDArray
    snr_db: NDArray
    noise_cov: NDArray = _NOT_MEASURED
    noise_dof: NDArray = _NOT_MEASURED
    uncertainty: NDArray | None = None
    evidence: NDArray = _NOT_MEASURED
    noise_statistics: NDArray = _NOT_MEASURED
    doubts: Sequence[Doubt | None] = ()
    noise_kind: NDArray | None = None
    delay: NDArray | None = None
    carrier_offset: NDArray | None = None
    tap_start: NDArray | None = None
    tap_delay: NDArray | None = None
    tap_gain: NDArray | None = None
    packets: Sequence[Any] | None = None

    @property
    def frame(self) -> NDArray:
        """The frame of each row (ΣK,)."""
        return np.repeat(np.arange(len(self.start) - 1), self.start[1:] - self.start[:-1])


class FrameDecision(NamedTuple):
    """What is decided about one frame with K active devices.

    device : (K,) int. channel : (K, M) complex. score : (N,) float, of all devices.
    """

    device: NDArray
    channel: NDArray
    score: NDArray
    noise_var: float
    snr_db: float
    noise_cov: NDArray  # (M, M)
    noise_dof: float
    uncertainty: float
    evidence: float
    doubt: Doubt | None = None


def rows_of(
    frames: Iterable[FrameDecision], threshold: float, n_antennas: int, scores: NDArray | None
) -> Rows:
    """The rows of frames, one after another; the scores of all devices go to `scores` (B, N), if given."""
    kept = []
    for b, frame in enumerate(frames):
        if scores is not None:
            scores[b] = frame.score
        kept.append(frame._replace(score=frame.score[frame.device]))
    return Rows(
        np.cumsum([0, *(len(frame.device) for frame in kept)]),
        np.concatenate(
            [np.empty(0, np.uint32), *(frame.device for frame in kept)], dtype=np.uint32, casting="unsafe"
        ),
        np.concatenate([np.empty((0, n_antennas), np.complex64), *(frame.channel for frame in kept)]),
        np.concatenate([np.empty(0), *(frame.score for frame in kept)]),
        threshold,
        np.array([frame.noise_var for frame in kept]),
        np.array([frame.snr_db for frame in kept]),
        np.array([frame.noise_cov for frame in kept]).reshape(len(kept), n_antennas, n_antennas),
        np.array([frame.noise_dof for frame in kept], float),
        np.array([frame.uncertainty for frame in kept], float),
        np.array([frame.evidence for frame in kept], float),
        doubts=[frame.doubt for frame in kept],
    )


def rows_of_paths(paths: Iterable[Any], noise_var: float) -> Rows:
    """The rows of one who knows all: of `Uplink.paths`, true paths of frames, the first of each device."""
    paths = list(paths)
    device, gain, delay, offset = (np.concatenate(part) for part in zip(*paths, strict=True))
    per_frame = np.zeros(len(paths))
    return Rows(
        np.cumsum([0, *(len(frame.device) for frame in paths)]), device, gain[:, :, 0], np.zeros(len(device)),
        0.0, per_frame + noise_var, per_frame, delay=delay[:, 0], carrier_offset=offset[:, 0],
    )  # fmt: skip


def rows_of_kernel(decided: tuple, frames: NDArray, threshold: float) -> Rows:
    """The rows that the kernel gives of frames."""
    (start, device, channel, score), *rest = decided
    dtype = frames.dtype if frames.dtype.kind == "c" else np.result_type(frames, np.complex64)
    return Rows(start, device, channel.astype(dtype, copy=False), score, threshold, *rest)


_PER_DEVICE = ("device", "channel", "score")
_PER_FRAME = ("noise_var", "snr_db", "noise_cov", "noise_dof", "uncertainty", "evidence", "noise_statistics")


def selected(rows: Rows, index: NDArray) -> Rows:
    """The rows of the frames `index`, ascending, alone; of the fields that a first decision has."""
    counts = (rows.start[1:] - rows.start[:-1])[index]
    places = np.concatenate([np.empty(0, int), *(np.arange(*rows.start[b : b + 2]) for b in index)])
    per_device = {name: getattr(rows, name)[places] for name in _PER_DEVICE}
    per_frame: dict[str, Any] = {name: np.asarray(getattr(rows, name))[index] for name in _PER_FRAME}
    doubts = [rows.doubts[b] for b in index] if len(rows.doubts) else ()
    return rows._replace(
        start=np.concatenate([[0], np.cumsum(counts)]), doubts=doubts, **per_device, **per_frame
    )


def replaced(rows: Rows, index: NDArray, part: Rows) -> Rows:
    """The rows, those of the frames `index`, ascending, replaced by `part`."""
    counts = rows.start[1:] - rows.start[:-1]
    counts[index] = part.start[1:] - part.start[:-1]
    start = np.concatenate([[0], np.cumsum(counts)])
    edges = [0, *(edge for b in index for edge in rows.start[b : b + 2].tolist()), int(rows.start[-1])]
    kept, new = list(zip(edges[::2], edges[1::2], strict=True)), list(pairwise(part.start.tolist()))
    per_device: dict[str, Any] = {}
    for name in _PER_DEVICE:
        old, other = getattr(rows, name), getattr(part, name)
        pieces = [old[slice(*kept[0])]]
        for before, behind in zip(new, kept[1:], strict=True):
            pieces += [other[slice(*before)], old[slice(*behind)]]
        per_device[name] = np.concatenate(pieces)
    per_frame: dict[str, Any] = {}
    for name in _PER_FRAME:
        per_frame[name] = np.array(getattr(rows, name))
        per_frame[name][index] = getattr(part, name)
    return rows._replace(start=start, **per_device, **per_frame)


def active_rows(activity: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Of activity (B, N): where the rows of each frame start (B + 1,), their frames and devices (ΣK,)."""
    frame, device = np.nonzero(activity)
    start = np.concatenate([[0], np.cumsum(np.count_nonzero(activity, axis=1))])
    return start, frame, device.astype(np.uint32)
