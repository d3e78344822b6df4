# SPDX-License-Identifier: GPL-3.0-or-later
"""Is anybody of the pilot book heard at all? The detections tell, by their number and their scores.

With another book than the transmitters', or a wrong slot offset, a frame looks like noise: devices are
reported as often as false alarms are wanted, and scores far above the threshold are as rare as chance. With
a wrong slot period a few frames are in place by chance: the others are louder, since devices count as noise.
"""

from collections import deque
from math import log10, sqrt
from typing import NamedTuple

import numpy as np

from ..reports.report import Report

_MIN_FRAMES, _MEMORY = 64, 512  # frames
_STRONG_ABOVE = 4.0  # the threshold: one false alarm in ten thousand
_STRONG_SHARE, _MIN_STRONG = 0.02, 3  # of the false alarms, where there is nothing but them
_IN_PLACE_SHARE, _LOUDER = 0.2, 4.0  # at most, of the frames, by chance; at least, the power of the others


class _Frame(NamedTuple):
    score: np.ndarray  # of the devices found
    threshold: float
    n_devices: int
    noise_var: float


class Hearing:
    """Tells of the last frames whether anybody is heard; one thread may add while others read."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque(maxlen=_MEMORY)
        self._is_warned = False

    def add(self, reports: list[Report]) -> None:
        """Add the reports of a batch; they are counted when somebody asks, which is seldom."""
        self._frames.extend(
            _Frame(report.score, report.threshold, report.n_devices, report.noise_var)
            for report in reports
            if report.status != "bad_input"
        )

    def is_deaf(self) -> bool:
        """Whether there were frames enough, and nobody was heard."""
        return self._evidence() != ""

    def warning(self) -> str:
        """What to say, once, if nobody is heard; mostly nothing."""
        if self._is_warned or not (evidence := self._evidence()):
            return ""
        self._is_warned = True
        where = "check book, slot, offset, and whether anybody transmits"
        return f"nobody of this book is heard: {where} ({evidence})"

    def _evidence(self) -> str:
        """What was measured if nobody is heard; else nothing."""
        frames = list(self._frames.copy())
        if len(frames) < _MIN_FRAMES:
            return ""
        detections = np.array([len(frame.score) for frame in frames])
        strong = np.array([_n_strong(frame) for frame in frames])
        expected = np.array([frame.n_devices * 10.0**-frame.threshold for frame in frames])
        noise_var = np.array([frame.noise_var for frame in frames])
        return _chance(detections, strong, expected, noise_var) or _louder_frames(strong > 0, noise_var)


def _n_strong(frame: _Frame) -> int:
    """How many detections of a frame are far above the threshold."""
    return int(np.count_nonzero(frame.score > frame.threshold + _STRONG_ABOVE))


def _chance(detections: np.ndarray, strong: np.ndarray, expected: np.ndarray, noise_var: np.ndarray) -> str:
    """That false alarms explain the detections, and the noise all of the power."""
    found, chance = detections.sum(), float(expected.sum())
    if (
        found > 2 * chance + 3 * sqrt(chance) + _MIN_STRONG
        or strong.sum() > _STRONG_SHARE * chance + _MIN_STRONG
    ):
        return ""
    return (
        f"{found} detections in {len(detections)} frames, where false alarms alone make {chance:.0f}; "
        f"all of a sample's power, {np.median(noise_var):.3g}, looks like noise"
    )


def _louder_frames(in_place: np.ndarray, noise_var: np.ndarray) -> str:
    """That frames with nobody in them are many, and far louder than the noise of the others."""
    if not 0 < in_place.mean() <= _IN_PLACE_SHARE:
        return ""
    ratio = float(np.median(noise_var[~in_place]) / max(np.median(noise_var[in_place]), 1e-300))
    if not ratio > _LOUDER:
        return ""
    where = f"in {np.count_nonzero(~in_place)} of {len(in_place)} frames"
    return f"{where}, {10 * log10(ratio):.0f} dB louder than the noise of the others"
