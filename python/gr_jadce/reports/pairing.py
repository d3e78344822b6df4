# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to one frame brought together: activity and channel PDUs, truth and estimate."""

from typing import Any

from ..checks import check_integer
from .fields import keys
from .pdu_bytes import activity_from_bytes, channel_from_bytes
from .pdus import bytes_of, either_from_pmt
from .report import Report

_COMMON = [field.name for field in keys("channel") if field in keys("activity") and field.name != "schema"]


def join(activity: dict[str, Any], channel: dict[str, Any]) -> Report:
    """The report from the fields of `activity_from_pmt` and of `channel_from_pmt`.

    Raises
    ------
    ValueError
        If the two are not of one frame.
    """
    for name in _COMMON:
        if activity[name] != channel[name]:
            raise ValueError(f"{name}: expected that of the activity, {activity[name]}, got {channel[name]}")
    if activity["device"].tobytes() != channel["device"].tobytes():
        raise ValueError(
            f"device: expected those of the activity, {activity['device']}, got {channel['device']}"
        )
    return Report(**channel | activity)


class Joiner:
    """Joins the two PDUs of each frame, activity first, into a report.

    Truth and estimates may come mixed: truth of a frame comes before its estimate.

    Parameters
    ----------
    limit : int
        Activity PDUs kept waiting for their channel PDU; the oldest are given up.

    Attributes
    ----------
    unjoined : int
        PDUs given up.
    """

    def __init__(self, limit: int = 1024) -> None:
        self.unjoined = 0
        self._limit = limit
        self._waiting: dict[int, dict[str, Any]] = {}

    def waits_for(self, frame_id: int) -> bool:
        """Whether the activity PDU of a frame waits for its channel PDU."""
        return frame_id in self._waiting

    def add(self, pdu: Any) -> Report | None:
        """The report that this PDU completes, if any; ValueError if it is malformed."""
        is_usual, report = self.add_bytes(bytes_of(pdu))
        return report if is_usual else self._add(*either_from_pmt(pdu))

    def add_bytes(self, data: bytes) -> tuple[bool, Report | None]:
        """Whether it is the serial form of a usual PDU, which then is added, and the report it completes."""
        activity = activity_from_bytes(data)
        channel = channel_from_bytes(data) if activity is None else None
        is_usual = activity is not None or channel is not None
        return is_usual, self._add(activity, channel)

    def _add(self, activity: dict[str, Any] | None, channel: dict[str, Any] | None) -> Report | None:
        if activity is not None:
            self._add_activity(activity)
        return None if channel is None else self._join(channel)

    def _join(self, channel: dict[str, Any]) -> Report | None:
        activity = self._waiting.pop(channel["frame_id"], None)
        if activity is None:
            self.unjoined += 1
            return None
        return join(activity, channel)

    def _add_activity(self, activity: dict[str, Any]) -> None:
        frame_id = activity["frame_id"]
        self.unjoined += self._waiting.pop(frame_id, None) is not None
        self._waiting[frame_id] = activity
        if len(self._waiting) > self._limit:
            self._waiting.pop(next(iter(self._waiting)))
            self.unjoined += 1


class TruthWindow:
    """Truth reports waiting for the estimates of their frames.

    Parameters
    ----------
    limit : int
        Most reports kept; the oldest give way.

    Attributes
    ----------
    evicted : int
        Truth given up: a later frame was answered first, or the window was full.
    unmatched : int
        Estimates whose truth was not there.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = check_integer("window", limit, 1)
        self.evicted = 0
        self.unmatched = 0
        self._waiting: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, truth: Any) -> None:
        """Keep a truth report, or what has its `frame_id`."""
        self.evicted += self._waiting.pop(truth.frame_id, None) is not None
        self._waiting[truth.frame_id] = truth
        if len(self._waiting) > self._limit:
            self._evict(next(iter(self._waiting)))

    def pop(self, frame_id: int) -> Any:
        """The truth of a frame that was answered, or None; truth of earlier frames is given up."""
        while self._waiting and next(iter(self._waiting)) < frame_id:
            self._evict(next(iter(self._waiting)))
        truth = self._waiting.pop(frame_id, None)
        self.unmatched += truth is None
        return truth

    def _evict(self, frame_id):
        del self._waiting[frame_id]
        self.evicted += 1
