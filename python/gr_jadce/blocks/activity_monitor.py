# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a receiver's reports in a window, and counts them all."""

from time import sleep
from types import SimpleNamespace

import numpy as np
import pmt

from ..messages import SCHEMA, channel_from_pmt
from ..monitoring import Monitor
from .report_sink import report_sink

_PORT = pmt.intern("in")
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
            from .activity_window import ActivityWindow

            self._window = ActivityWindow(self._monitor, self.channel_gains, self._title, self._update_time)
        return self._window

    def counts(self):
        """The counts so far, a `monitoring.Counts`."""
        return self._monitor.counts()

    def figures(self):
        """The newest figures, a `monitoring.Figures`; None before the first frame."""
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
        activity = _activity(pdu)
        self._monitor.add(activity)
        if activity.estimator != "truth":
            self._newest = activity.frame_id

    def take_status(self, status):
        """Keep the totals."""
        self._monitor.add_status(status)

    def _take_channel(self, pdu):
        # The channels of a frame's truth come before its report.
        if _read(pmt.car(pdu), ("frame_id",)) == [self._newest]:
            self._channel_pdu = pdu


def _activity(pdu):
    """What is counted and shown of an activity, in a fraction of the time of `activity_from_pmt`."""
    meta = pmt.car(pdu)
    schema, estimator = _read(meta, ("schema", "estimator"))
    if schema != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {schema}")
    names = _OF_TRUTH if estimator == "truth" else _OF_REPORTS
    device = pmt.u32vector_elements(pmt.cdr(pdu))
    fields = {"device": device, "score": device} | dict(zip(names, _read(meta, names), strict=True))
    return SimpleNamespace(estimator=estimator, **fields)


def _read(meta, names):
    fields = [_FIELDS[name] for name in names]
    return [convert(pmt.dict_ref(meta, key, pmt.PMT_NIL)) for key, convert in fields]


def _time(pair):
    return pmt.to_uint64(pmt.car(pair)), pmt.to_double(pmt.cdr(pair))


_FIELDS = {
    name: (pmt.intern(name), convert)
    for convert, names in {
        pmt.to_uint64: ("schema", "frame_id", "n_devices", "n_antennas", "frames_dropped"),
        pmt.to_double: ("threshold", "noise_var", "snr_db", "solve_time"),
        pmt.symbol_to_string: ("estimator", "status"),
        pmt.f32vector_elements: ("score",),
        _time: ("rx_time",),
    }.items()
    for name in names
}
_OF_TRUTH = ("frame_id", "n_devices")
_OF_REPORTS = tuple(name for name in _FIELDS if name not in ("schema", "estimator"))
