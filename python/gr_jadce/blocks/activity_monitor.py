# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a receiver's reports in a window, and counts them all."""

from collections.abc import Callable
from functools import partial
from time import sleep
from types import SimpleNamespace
from typing import Any

import numpy as np
import pmt
from numpy.typing import NDArray

from ..checks import check_integer, check_positive
from ..monitoring.figures import Counts, Figures
from ..monitoring.monitor import Monitor
from ..monitoring.responses import Response, strongest
from ..reports.pdu_bytes import activity_from_bytes, frame_of_channel
from ..reports.pdus import activity_from_pmt, channel_from_pmt
from .support.report_sink import report_sink

_PORT, _FRAME_ID = pmt.intern("in"), pmt.intern("frame_id")
_GATHERING_TIME_S = 0.01


class activity_monitor(report_sink):
    """Show who is active, slot by slot, and how the receiver keeps up.

    Connect `activity`, `channel` and `status` of one receiver and, for misses and false alarms,
    `activity` of the truth, to the port `in`. Every report is counted; only the
    newest are drawn, by the thread of the window. Qt is loaded when `qwidget()` is called:
    without it the block just counts.

    Parameters
    ----------
    name : str
        Title of the widget; none if empty.
    frames : int
        Slots shown.
    update_time : float
        Seconds from one drawing to the next.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    def __init__(self, name: str = "", *, frames: int = 400, update_time: float = 0.1) -> None:
        self._title, self._update_time = name, check_positive("update_time", update_time)
        self._monitor = Monitor(check_integer("frames", frames, 2))
        self._newest: int | None = None
        self._read_channel: Callable[[], dict[str, Any]] | None = None
        self._window: Any = None  # an ActivityWindow, made when it is wanted
        report_sink.__init__(self, "JADCE activity monitor")

    def qwidget(self) -> Any:
        """The widget, made at the first call, in the thread of the `QApplication`, which must exist."""
        if self._window is None:
            from .support.window.activity_window import ActivityWindow

            self._window = ActivityWindow(
                self._monitor,
                self.channel_gains,
                self.response,
                title=self._title,
                update_time=self._update_time,
            )
        return self._window

    def counts(self) -> Counts:
        """The counts so far, a `monitoring.figures.Counts`."""
        return self._monitor.counts()

    def reset(self) -> None:
        """Count from here on."""
        self._monitor.reset()

    def names(self) -> dict[int, str]:
        """Names of the devices found so far, where the pilot book has some."""
        return self._monitor.names()

    def figures(self) -> Figures | None:
        """The newest figures, a `monitoring.figures.Figures`; None before the first frame."""
        return self._monitor.figures()

    def channel_gains(self) -> tuple[NDArray, NDArray] | None:
        """Devices (K,) and magnitudes (K, M) of the channels of the newest frame; None before the first."""
        fields = self._newest_channel()
        return None if fields is None else (fields["device"], np.abs(fields["channel"]))

    def response(self) -> Response | None:
        """The strongest impulse response in the newest frame; None where devices have a single path."""
        fields = self._newest_channel()
        return strongest(fields["device"], fields["taps"]) if fields and "taps" in fields else None

    def handle_messages(self, message: Any) -> None:
        """Take all messages that wait, then let more gather: waking up for each would cost as much."""
        report_sink.handle_messages(self, message)
        while not self._ended and (message := self.delete_head_nowait(_PORT)) is not None:
            report_sink.handle_messages(self, message)
        sleep(_GATHERING_TIME_S)

    def take_bytes(self, data: bytes) -> bool:
        """As `take_pdu`, of a usual one; whether it is."""
        activity, frame_id = activity_from_bytes(data), frame_of_channel(data)
        if activity is not None:
            self._take_activity(activity)
        if frame_id is not None:
            self._take_channel(frame_id, partial(_channel_of, data))
        return activity is not None or frame_id is not None

    def take_pdu(self, pdu: Any) -> None:
        """Count and keep an activity; keep a channel unread, since only the last one drawn is needed."""
        if pmt.is_pair(pdu) and pmt.is_c32vector(pmt.cdr(pdu)):
            frame_id = pmt.dict_ref(pmt.car(pdu), _FRAME_ID, pmt.PMT_NIL)
            self._take_channel(pmt.to_uint64(frame_id), partial(channel_from_pmt, pdu))
        else:
            self._take_activity(activity_from_pmt(pdu))

    def take_status(self, status: dict[str, Any]) -> None:
        """Keep the totals."""
        self._monitor.push_status(status)

    def _newest_channel(self) -> dict[str, Any] | None:
        """The fields of the newest channel PDU; None if there is none, or it is malformed."""
        try:
            return None if self._read_channel is None else self._read_channel()
        except ValueError:
            return None

    def _take_activity(self, fields: dict[str, Any]) -> None:
        activity = SimpleNamespace(**fields)
        self._monitor.push(activity)
        if activity.estimator != "truth":
            self._newest = activity.frame_id

    def _take_channel(self, frame_id: int, read: Callable[[], dict[str, Any]]) -> None:
        if frame_id == self._newest:  # the channels of a frame's truth come before its report
            self._read_channel = read


def _channel_of(data: bytes) -> dict[str, Any]:
    return channel_from_pmt(pmt.deserialize_str(data))
