# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor shows of a receiver, in bounded memory: its last frames as a raster, and counts of all."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields, replace
from operator import attrgetter
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer
from ..metrics import DetectionCounts
from ..reports.pairing import TruthWindow
from .figures import Counts, Figures, packet_text
from .histogram import Histogram
from .raster import BAD_INPUT, FALSE_ALARM, MISS, QUIET, Raster, strength_codes

_TOTALS = ("frames_dropped", "slots_lost", "gaps")  # of a receiver's status, that are shown
_ANSWERS = ("frames_in", "frames_solved", "frames_bad", "frames_dropped")  # of one, which reports tell too
_SOLVE_TIME_EDGES_S = tuple(step * power for power in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1) for step in (1, 2.5, 5))
_MAX_TOTAL = 2**64 - 1
_FIGURES_OF_A_SCORE = attrgetter(*(field.name for field in fields(DetectionCounts)))


class Snapshot(NamedTuple):
    """What a monitor has to show at one moment; see `Monitor` for its parts.

    `newest` is the slot of the last row of `cells`, None before the first frame; `reports` are those of the
    last frames, the newest last.
    """

    changes: int
    cells: NDArray
    devices_per_cell: int
    newest: int | None
    counts: Counts
    reports: list[Any]
    totals: dict[str, int]
    answers: dict[str, int]
    solve_times: Histogram

    def figures(self) -> Figures | None:
        """The newest figures; None before the first frame."""
        return Figures.of(self.reports, self.totals) if self.reports else None

    def status(self) -> dict[str, int]:
        """Counts of a receiver's status: as the last one has them or, where none has come, as its reports."""
        counts, dropped = self.counts, self.totals["frames_dropped"]
        reported = {
            "frames_in": counts.frames + dropped,
            "frames_solved": counts.frames - counts.frames_bad,
            "frames_bad": counts.frames_bad,
        }
        return reported | self.totals | self.answers


class Monitor:
    """Takes truth, reports and statuses in one thread, and gives rasters and figures in others.

    Parameters
    ----------
    n_frames : int
        Slots in the raster.
    """

    def __init__(self, n_frames: int = 400) -> None:
        self._lock = Lock()
        self._truth = TruthWindow()
        self._raster = Raster(n_frames, 1)
        self._recent: deque = deque(maxlen=n_frames)
        self._scores: deque[DetectionCounts] = deque(maxlen=n_frames)  # of the same frames; of some none
        self._names: dict[int, str] = {}
        self._said: dict[int, bytes] = {}
        self._counts = Counts()
        self._totals = dict.fromkeys(_TOTALS, 0)
        self._answers: dict[str, int] = {}
        self._solve_times = Histogram(_SOLVE_TIME_EDGES_S)
        self._changes = 0

    def changes(self) -> int:
        """A number that is another one when there is something new to show."""
        return self._changes

    def counts(self) -> Counts:
        """The counts so far."""
        with self._lock:
            return self._counted()

    def names(self) -> dict[int, str]:
        """Names of the devices found so far, where reports tell them."""
        with self._lock:
            return dict(self._names)

    def said(self) -> dict[int, str]:
        """What each device said last, where packets are decoded, by ascending devices."""
        with self._lock:
            said = sorted(self._said.items())
        return {device: packet_text(packet) for device, packet in said}

    def reset(self) -> None:
        """Count from here on."""
        with self._lock:
            self._counts = Counts()
            self._scores.clear()
            self._changes += 1

    def raster(self) -> tuple[NDArray, int]:
        """The cells of the last slots (see `Raster.cells`), and devices a cell."""
        with self._lock:
            return self._raster.cells(), self._raster.devices_per_cell

    def figures(self) -> Figures | None:
        """The newest figures; None before the first frame."""
        with self._lock:
            recent, totals = list(self._recent), dict(self._totals)
        return Figures.of(recent, totals) if recent else None

    def snapshot(self) -> Snapshot:
        """All there is to show, of one moment."""
        with self._lock:
            return Snapshot(
                changes=self._changes,
                cells=self._raster.cells(),
                devices_per_cell=self._raster.devices_per_cell,
                newest=self._raster.newest,
                counts=self._counted(),
                reports=list(self._recent),
                totals=dict(self._totals),
                answers=dict(self._answers),
                solve_times=self._solve_times.copy(),
            )

    def push(self, report: Any) -> None:
        """Count and show a report or keep, before the report of the same frame, its truth.

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

    def push_status(self, status: Mapping[str, Any]) -> None:
        """Keep the totals in a receiver's status; ValueError, and none kept, if one is no count."""
        counts = {
            name: check_integer(name, status[name], 0, _MAX_TOTAL)
            for name in {*_TOTALS, *_ANSWERS}
            if name in status
        }
        with self._lock:
            self._totals.update((name, counts[name]) for name in _TOTALS if name in counts)
            self._answers.update((name, counts[name]) for name in _ANSWERS if name in counts)
            self._changes += 1

    def _add(self, report, device, truth):
        if truth is not None and truth.n_devices != report.n_devices:
            raise ValueError(
                f"n_devices: expected that of the truth, {truth.n_devices}, got {report.n_devices}"
            )
        if report.n_devices != self._raster.n_devices:
            self._raster = Raster(self._recent.maxlen, report.n_devices)
            self._names.clear()
            self._said.clear()
        self._show(report, device, truth)
        self._count(report, device, truth)
        self._recent.append(report)
        self._keep_names(report)
        packets = getattr(report, "payload", None) or ()
        self._said.update(
            (int(n), packet) for n, packet in zip(report.device, packets, strict=False) if packet
        )
        self._totals["frames_dropped"] = report.frames_dropped

    def _keep_names(self, report):
        names = getattr(report, "device_id", None)
        if names is not None and len(names) == len(report.device):
            devices = report.device.tolist() if isinstance(report.device, np.ndarray) else report.device
            self._names.update(zip(devices, names, strict=True))

    def _counted(self):
        recent = [sum(column) for column in zip(*map(_FIGURES_OF_A_SCORE, self._scores), strict=True)]
        return replace(self._counts, recent=DetectionCounts(*recent))

    def _show(self, report, device, truth):
        bad = report.status == "bad_input"
        self._raster.push(report.frame_id, BAD_INPUT if bad else QUIET)
        self._raster.mark(report.device, strength_codes(report.score, report.threshold))
        if truth is not None and not bad:
            self._raster.mark(list(truth.device - device), MISS)
            self._raster.mark(list(device - truth.device), FALSE_ALARM)

    def _count(self, report, device, truth):
        counts, bad, score = self._counts, report.status == "bad_input", DetectionCounts()
        counts.frames += 1
        counts.frames_bad += bad
        counts.frames_clipped += report.status == "clipped"
        counts.detections += len(device)
        self._solve_times.add(report.solve_time)
        if truth is not None and not bad:
            counts.frames_scored += 1
            score = DetectionCounts.of_frame(
                report.n_devices, len(truth.device), len(device), len(device & truth.device)
            )
            counts.merge(score)
        self._scores.append(score)


class _Truth(NamedTuple):
    frame_id: int
    n_devices: int
    device: set


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
