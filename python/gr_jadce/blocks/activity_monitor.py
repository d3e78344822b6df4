# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a receiver's reports in a window, and counts them all."""

from time import sleep
from types import SimpleNamespace

import numpy as np
import pmt

from ..monitoring.monitor import Monitor
from ..reports.pdus import activity_from_pmt, channel_from_pmt
from .support.report_sink import report_sink

_PORT, _FRAME_ID = pmt.intern("in"), pmt.intern("frame_id")
_GATHER = 0.01  # seconds


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

    def __init__(self, name="", frames=400, update_time=0.1):
        if frames < 2:
            raise ValueError(f"frames: expected at least 2, got {frames!r}")
        if not update_time > 0:
            raise ValueError(f"update_time: expected seconds above 0, got {update_time!r}")
        self._title, self._update_time = name, update_time
        self._monitor = Monitor(frames)
        self._newest = self._channel_pdu = self._window = None
        report_sink.__init__(self, "JADCE activity monitor")

    def qwidget(self):
        """The widget, made at the first call, in the thread of the `QApplication`, which must exist."""
        if self._window is None:
            from .support.activity_window import ActivityWindow

            self._window = ActivityWindow(self._monitor, self.channel_gains, self._title, self._update_time)
        return self._window

    def counts(self):
        """The counts so far, a `monitoring.monitor.Counts`."""
        return self._monitor.counts()

    def figures(self):
        """The newest figures, a `monitoring.monitor.Figures`; None before the first frame."""
        return self._monitor.figures()

    def channel_gains(self):
        """Devices (K,) and magnitudes (K, M) of the channels of the newest frame; None before the first."""
        if self._channel_pdu is None:
            return None
        try:
            fields = channel_from_pmt(self._channel_pdu)
        except ValueError:
            return None
        return fields["device"], np.abs(fields["channel"])

    def handle_message(self, message):
        """Take all messages that wait, then let more gather: waking up for each would cost as much."""
        report_sink.handle_message(self, message)
        while not self._ended and (message := self.delete_head_nowait(_PORT)) is not None:
            report_sink.handle_message(self, message)
        sleep(_GATHER)

    def take_pdu(self, pdu):
        """Count and keep an activity; keep a channel unread, since only the last one drawn is needed."""
        if pmt.is_pair(pdu) and pmt.is_c32vector(pmt.cdr(pdu)):
            self._take_channel(pdu)
            return
        activity = SimpleNamespace(**activity_from_pmt(pdu))
        self._monitor.add(activity)
        if activity.estimator != "truth":
            self._newest = activity.frame_id

    def take_status(self, status):
        """Keep the totals."""
        self._monitor.add_status(status)

    def _take_channel(self, pdu):
        # The channels of a frame's truth come before its report.
        if pmt.to_uint64(pmt.dict_ref(pmt.car(pdu), _FRAME_ID, pmt.PMT_NIL)) == self._newest:
            self._channel_pdu = pdu
