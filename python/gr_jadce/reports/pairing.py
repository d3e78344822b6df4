# SPDX-License-Identifier: GPL-3.0-or-later
"""Activity and channel PDUs of one frame joined into its report."""

from .pdu_bytes import activity_from_bytes, channel_from_bytes
from .pdus import activity_from_pmt, bytes_of, channel_from_pmt, either_from_pmt
from .report import Report


def from_pmts(activity, channel) -> Report:
    """The report whose activity and channel PDUs these are.

    Raises
    ------
    ValueError
        If a PDU is malformed or the two are not of one frame.
    """
    return join(activity_from_pmt(activity), channel_from_pmt(channel))


def join(activity, channel) -> Report:
    """The report from the fields of `activity_from_pmt` and of `channel_from_pmt`."""
    for name in ("frame_id", "rx_time", "n_devices", "n_antennas"):
        if activity[name] != channel[name]:
            raise ValueError(f"{name}: expected that of the activity, {activity[name]}, got {channel[name]}")
    if activity["device"].tobytes() != channel["device"].tobytes():
        raise ValueError(
            f"device: expected those of the activity, {activity['device']}, got {channel['device']}"
        )
    return Report(channel=channel["channel"], **activity)


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

    def __init__(self, limit=1024):
        self.unjoined = 0
        self._limit = limit
        self._waiting = {}

    def add(self, pdu) -> Report | None:
        """The report that this PDU completes, if any; ValueError if it is malformed."""
        data = bytes_of(pdu)
        activity = activity_from_bytes(data)
        channel = channel_from_bytes(data) if activity is None else None
        if activity is None and channel is None:
            activity, channel = either_from_pmt(pdu)
        if activity is not None:
            self._add_activity(activity)
            return None
        activity = self._waiting.pop(channel["frame_id"], None)
        if activity is None:
            self.unjoined += 1
            return None
        return join(activity, channel)

    def _add_activity(self, activity):
        frame_id = activity["frame_id"]
        self.unjoined += self._waiting.pop(frame_id, None) is not None
        self._waiting[frame_id] = activity
        if len(self._waiting) > self._limit:
            self._waiting.pop(next(iter(self._waiting)))
            self.unjoined += 1
