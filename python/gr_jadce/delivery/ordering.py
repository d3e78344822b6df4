# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports of several receivers that share the frames of one framer, joined in the order of frames."""

from math import inf
from typing import Any

from ..checks import check_number

_MAX_LATE_IN_A_ROW = 100  # reports, after which frame numbers are taken to have begun anew
_MAX_JUMP = 2**32  # frames; a number further ahead than this needs a second one near it to be believed


class FrameJoiner:
    """Puts reports in the order of their frames, and counts the frames that do not come.

    A frame that is due is waited for until a later one has been there for `patience`; reports
    leave no later than that. Where frame numbers begin anew, because the radio's program was started
    again, they are followed: as soon as a late report has a later device time than all before, or when
    many reports in a row are late.

    Parameters
    ----------
    patience : float
        Seconds; more than the receivers may differ in how long they take for a frame.

    Attributes
    ----------
    joined, missing, late : int
        Frames given out; frames between those that were waited for in vain; and reports that came
        after their frame was given up, or a second time, or alone with an absurd number.
    restarts : int
        How often frame numbers have begun anew.
    """

    def __init__(self, patience: float) -> None:
        self._patience = check_number("patience", patience, 0)
        self.joined = self.missing = self.late = self.restarts = 0
        self._waiting: dict[int, tuple[float, Any]] = {}  # number: arrival, report
        self._ready: list[Any] = []
        self._due: int | None = None
        self._late_in_a_row: dict[int, tuple[float, Any]] = {}
        self._last_device_time: tuple[int, float] | None = None

    def push(
        self, frame_id: int, report: Any, now: float, *, device_time: tuple[int, float] | None = None
    ) -> None:
        """Add a report of any kind, which came at the time `now`."""
        if frame_id in self._waiting:
            self.late += 1
            return
        if self._due is None or frame_id >= self._due:
            self._waiting[frame_id] = now, report
            self._late_in_a_row.clear()
            self._note_device_time(device_time)
            return
        self.late += 1
        self._late_in_a_row.setdefault(frame_id, (now, report))
        if self._is_later(device_time) or len(self._late_in_a_row) >= _MAX_LATE_IN_A_ROW:
            self._begin_anew(device_time)

    def pop(self, now: float) -> list[Any]:
        """The reports that can be given out at the time `now`, in the order of their frames."""
        for frame_id in sorted(self._waiting):
            arrival, _ = self._waiting[frame_id]
            if frame_id != self._due and now - arrival < self._patience:
                break
            self._give_out(frame_id)
        ready, self._ready = self._ready, []
        self.joined += len(ready)
        return ready

    def pop_all(self) -> list[Any]:
        """All reports there are: no more will come."""
        return self.pop(inf)

    def _give_out(self, frame_id: int) -> None:
        _, report = self._waiting.pop(frame_id)
        gap = 0 if self._due is None else frame_id - self._due
        if gap > _MAX_JUMP:
            if not any(0 < other - frame_id < _MAX_JUMP for other in self._waiting):
                self.late += 1
                return
            self.restarts += 1
            gap = 0
        self.missing += gap
        self._due = frame_id + 1
        self._ready.append(report)

    def _begin_anew(self, device_time: tuple[int, float] | None) -> None:
        """Give out what waits under old numbers, and take the late reports for the first of new ones."""
        for frame_id in sorted(self._waiting):
            self._give_out(frame_id)
        self._waiting, self._late_in_a_row = self._late_in_a_row, {}
        self.late -= len(self._waiting)
        self.restarts += 1
        self._due = None
        self._last_device_time = device_time

    def _note_device_time(self, device_time: tuple[int, float] | None) -> None:
        if device_time is not None:
            self._last_device_time = max(self._last_device_time or device_time, device_time)

    def _is_later(self, device_time: tuple[int, float] | None) -> bool:
        if device_time is None or self._last_device_time is None:
            return False
        return device_time > self._last_device_time
