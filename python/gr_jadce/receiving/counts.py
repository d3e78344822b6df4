# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the frames that a receiver took: counts, and the times to solve them."""

from collections import deque
from typing import Any

import numpy as np

from ..reports.report import Report
from .hearing import Hearing

_BATCHES_KEPT = 4096  # of which the times to solve are remembered


class FrameCounts:
    """Counts of frames; one thread may add while others read.

    Attributes
    ----------
    frames_in, frames_solved, frames_bad : int
        Frames taken, solved, and not solvable.
    frames_with_dead_antennas : int
        Of those solved, frames in which an antenna had no signal at all.
    packets_decoded, packets_failed : int
        Packets of devices found whose check sum held, and others.
    hearing : Hearing
        Whether anybody is heard in them.
    """

    def __init__(self) -> None:
        self.frames_in = self.frames_solved = self.frames_bad = self.frames_with_dead_antennas = 0
        self.packets_decoded = self.packets_failed = 0
        self.hearing = Hearing()
        self._solve_times: deque[float] = deque(maxlen=_BATCHES_KEPT)

    def add(self, reports: list[Report]) -> int:
        """Count the reports of a batch; how many of them are bad."""
        bad, longest = 0, 0.0
        for report in reports:
            bad += report.status == "bad_input"
            self.frames_with_dead_antennas += report.antennas_dead is not None
            longest = max(longest, report.solve_time)
            if report.payload is not None:
                decoded = sum(map(bool, report.payload))
                self.packets_decoded += decoded
                self.packets_failed += len(report.payload) - decoded
        self.frames_bad += bad
        self.frames_solved += len(reports) - bad
        self.hearing.add(reports)
        self._solve_times.append(longest)
        return bad

    def as_dict(self) -> dict[str, Any]:
        """The counts, and percentiles of the seconds a frame, under their names in a status."""
        times = np.array(self._solve_times.copy() or [0.0])
        return {
            "frames_in": self.frames_in,
            "frames_solved": self.frames_solved,
            "frames_bad": self.frames_bad,
            "frames_with_dead_antennas": self.frames_with_dead_antennas,
            "packets_decoded": self.packets_decoded,
            "packets_failed": self.packets_failed,
            "nobody_heard": self.hearing.is_deaf(),
            "solve_time_p50": float(np.percentile(times, 50)),
            "solve_time_p99": float(np.percentile(times, 99)),
        }
