# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor shows of a receiver, in bounded memory: its last frames as a raster, and counts of all."""

from collections import deque
from dataclasses import dataclass, replace
from math import isfinite, nan
from threading import Lock
from typing import NamedTuple

import numpy as np

from ..reports.scoring import TruthWindow

# What a cell of the raster says. Of several devices in one cell the highest shows.
NOTHING, NO_ANSWER, BAD_INPUT, QUIET, WEAKEST, STRONGEST, FALSE_ALARM, MISS = 0, 1, 2, 3, 4, 253, 254, 255
# Ratios of a score to its threshold between one strength and the next.
_STRENGTH_EDGES = np.geomspace(1, 30, STRONGEST - WEAKEST).astype(np.float32)
_UNKNOWN = "–"
_LOWEST_THRESHOLD = 1e-3
_MAX_ROWS = 4096


class Raster:
    """The last slots, a row of cells each; a cell is one device, or a few if there are many.

    Parameters
    ----------
    n_frames : int
        Slots kept.
    n_devices : int
        N.

    Attributes
    ----------
    devices_per_cell : int
    """

    def __init__(self, n_frames, n_devices):
        self.n_devices = n_devices
        self.devices_per_cell = max(1, -(-n_devices // _MAX_ROWS))
        self._cells = np.full((n_frames, -(-n_devices // self.devices_per_cell)), NOTHING, np.uint8)
        self._newest = self._row = None

    def put(self, frame_id, background=QUIET):
        """Begin a frame with nobody in it; slots left out before it become NO_ANSWER.

        A frame that is further back or ahead than what is kept starts the raster anew.
        """
        self._advance_to(frame_id)
        self._row = self._cells[frame_id % len(self._cells)]
        self._row[:] = background

    def mark(self, device, code):
        """Mark devices, a sequence of indices, in the frame put last."""
        if len(device) == 0:
            return
        if self.devices_per_cell == 1:
            self._row[device] = code
        else:
            np.maximum.at(self._row, np.asarray(device) // self.devices_per_cell, code)

    def cells(self) -> np.ndarray:
        """A copy, (n_frames, cells a frame) uint8, the newest slot last."""
        return np.roll(self._cells, -1 - (self._newest or 0) % len(self._cells), axis=0)

    def _advance_to(self, frame_id):
        n_frames = len(self._cells)
        ahead = 1 if self._newest is None else frame_id - self._newest
        if not -n_frames < ahead < n_frames:
            self._cells[:] = NOTHING
        elif ahead > 1:
            self._cells[(frame_id % n_frames - np.arange(1, ahead)) % n_frames] = NO_ANSWER
        if self._newest is None or ahead > 0 or ahead <= -n_frames:
            self._newest = frame_id


@dataclass
class Counts:
    """Counts of all frames since the start; those of misses and false alarms, of frames with truth."""

    frames: int = 0
    frames_bad: int = 0
    frames_clipped: int = 0
    detections: int = 0
    frames_scored: int = 0
    active: int = 0
    missed: int = 0
    inactive: int = 0
    false_alarms: int = 0


@dataclass(frozen=True)
class Figures:
    """The newest figures; times in seconds, NaN where not known, medians over the frames of the raster."""

    frame_id: int
    n_devices: int
    n_antennas: int
    estimator: str
    threshold: float
    noise_var: float
    snr_db: float
    solve_time: float
    slot_period: float
    frames_dropped: int
    slots_lost: int
    gaps: int


class Monitor:
    """Takes truth, reports and statuses in one thread, and gives rasters and figures in others.

    Parameters
    ----------
    n_frames : int
        Slots in the raster.
    """

    def __init__(self, n_frames=400):
        if n_frames < 2:
            raise ValueError(f"n_frames: expected at least 2, got {n_frames!r}")
        self._lock = Lock()
        self._truth = TruthWindow()
        self._raster = Raster(n_frames, 1)
        self._recent = deque(maxlen=n_frames)
        self._counts = Counts()
        self._totals = {"frames_dropped": 0, "slots_lost": 0, "gaps": 0}
        self._changes = 0

    def changes(self) -> int:
        """A number that is another one when there is something new to show."""
        return self._changes

    def counts(self) -> Counts:
        """The counts so far."""
        with self._lock:
            return replace(self._counts)

    def raster(self) -> tuple[np.ndarray, int]:
        """The cells of the last slots (see `Raster.cells`), and devices a cell."""
        with self._lock:
            return self._raster.cells(), self._raster.devices_per_cell

    def figures(self) -> Figures | None:
        """The newest figures; None before the first frame."""
        with self._lock:
            recent, totals = list(self._recent), dict(self._totals)
        if not recent:
            return None
        newest = recent[-1]
        return Figures(
            **{name: getattr(newest, name) for name in ("frame_id", "n_devices", "n_antennas")},
            estimator=newest.estimator,
            threshold=newest.threshold,
            **{name: _median(recent, name) for name in ("noise_var", "snr_db", "solve_time")},
            slot_period=_slot_period(recent),
            **totals,
        )

    def add(self, report):
        """Take a report or, before the report of the same frame, its truth.

        Parameters
        ----------
        report : Report, or what has its attributes but the channel, lists in place of arrays included

        Raises
        ------
        ValueError
            If devices do not ascend below N, there is not a score for each, or the truth is one of
            another number of devices.
        """
        device = _checked(report)
        with self._lock:
            if report.estimator == "truth":
                self._truth.push(_Truth(report.frame_id, report.n_devices, device))
                return
            self._add(report, device, self._truth.pop(report.frame_id))
            self._changes += 1

    def add_status(self, status):
        """Take the totals in a receiver's status."""
        told = {name: int(status[name]) for name in self._totals if name in status}
        with self._lock:
            self._totals.update(told)
            self._changes += 1

    def _add(self, report, device, truth):
        if truth is not None and truth.n_devices != report.n_devices:
            raise ValueError(
                f"n_devices: expected that of the truth, {truth.n_devices}, got {report.n_devices}"
            )
        if report.n_devices != self._raster.n_devices:
            self._raster = Raster(self._recent.maxlen, report.n_devices)
        bad = report.status == "bad_input"
        self._raster.put(report.frame_id, BAD_INPUT if bad else QUIET)
        if truth is not None and not bad:
            self._compare(report, device, truth)
        else:
            self._raster.mark(report.device, _strength(report))
        self._counts.frames += 1
        self._counts.frames_bad += bad
        self._counts.frames_clipped += report.status == "clipped"
        self._counts.detections += len(report.device)
        self._recent.append(report)
        self._totals["frames_dropped"] = report.frames_dropped

    def _compare(self, report, device, truth):
        missed, false = list(truth.device - device), list(device - truth.device)
        self._raster.mark(report.device, _strength(report))
        self._raster.mark(missed, MISS)
        self._raster.mark(false, FALSE_ALARM)
        counts = self._counts
        counts.frames_scored += 1
        counts.active += len(truth.device)
        counts.missed += len(missed)
        counts.inactive += report.n_devices - len(truth.device)
        counts.false_alarms += len(false)


class _Truth(NamedTuple):
    frame_id: int
    n_devices: int
    device: set


def figure_texts(figures, counts):
    """The figures as {caption: (text, whether it is bad)}."""
    load = figures.solve_time / figures.slot_period if figures.slot_period > 0 else nan
    unscored = not counts.frames_scored
    missed = _UNKNOWN if unscored else _share(counts.missed, counts.active)
    false_alarms = _UNKNOWN if unscored else _share(counts.false_alarms, counts.inactive)
    return {
        "Frames": (f"{counts.frames:,}", False),
        "Detections": (f"{counts.detections:,}", False),
        "Missed": (missed, False),
        "False alarms": (false_alarms, False),
        "SNR": (_known(figures.snr_db, "{:.1f} dB"), False),
        "Noise variance": (_known(figures.noise_var, "{:.3g}"), False),
        "Solving / slot": (f"{_time(figures.solve_time)} / {_time(figures.slot_period)}", load > 1),
        "Load": (_known(100 * load, "{:.3g} %"), load > 1),
        "Dropped": (f"{figures.frames_dropped:,}", figures.frames_dropped > 0),
        "Slots lost": (f"{figures.slots_lost:,}", figures.slots_lost > 0),
        "Bad / clipped": (
            f"{counts.frames_bad:,} / {counts.frames_clipped:,}",
            counts.frames_bad + counts.frames_clipped > 0,
        ),
        "Estimator": (figures.estimator, False),
    }


def pooled(cells, factor, axis):
    """The highest of every `factor` cells along an axis; the last may be of fewer."""
    cells = np.moveaxis(cells, axis, 0)
    highest = cells[::factor].copy()
    for offset in range(1, factor):
        others = cells[offset::factor]
        np.maximum(highest[: len(others)], others, out=highest[: len(others)])
    return np.moveaxis(highest, 0, axis)


def _checked(report):
    """The devices as a set, which is faster to compare than an array of so few."""
    device = report.device.tolist() if isinstance(report.device, np.ndarray) else report.device
    different = set(device)
    if report.n_devices < 1:
        raise ValueError(f"n_devices: expected at least 1, got {report.n_devices}")
    if device and not (device[-1] < report.n_devices and device == sorted(different)):
        raise ValueError(f"device: expected ascending indices below {report.n_devices}, got {device}")
    if len(report.score) != len(device):
        raise ValueError(f"score: expected {len(device)}, one a device, got {len(report.score)}")
    return different


def _strength(report):
    """Codes of detections, by the ratio of score and threshold."""
    score = np.asarray(report.score, np.float32)
    step = np.searchsorted(_STRENGTH_EDGES, score / max(report.threshold, _LOWEST_THRESHOLD))
    return (WEAKEST + step).astype(np.uint8)


def _median(reports, name):
    values = [getattr(report, name) for report in reports]
    values = [value for value in values if isfinite(value)]
    return float(np.median(values)) if values else nan


def _slot_period(reports):
    first, last = reports[0], reports[-1]
    slots = last.frame_id - first.frame_id
    seconds = last.rx_time[0] - first.rx_time[0] + last.rx_time[1] - first.rx_time[1]
    return seconds / slots if slots else nan


def _share(part, total):
    return f"{part:,} ({100 * part / total:.3g} %)" if total else f"{part:,}"


def _known(value, form):
    return form.format(value) if isfinite(value) else _UNKNOWN


def _time(seconds):
    if not (isfinite(seconds) and seconds >= 0):
        return _UNKNOWN
    scale, unit = (1e6, "µs") if seconds < 1e-3 else (1e3, "ms") if seconds < 1 else (1, "s")
    return f"{seconds * scale:.3g} {unit}"
