# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes reports as JSON lines."""

import os
from time import monotonic
from typing import Any

import pmt

from ..checks import check_number
from ..delivery.line_blocks import lines_of
from ..delivery.line_writer import LineWriter
from ..reports.json_lines import to_json
from ..reports.pdu_bytes import frame_of_activity, is_of_frame
from ..reports.pdus import bytes_of
from ..reports.report import Report
from .support.report_sink import report_sink

_STDOUT = 1
_MAX_PAIRS = 128  # of PDUs, that wait to be written as lines together


class json_sink(report_sink):
    """Write one line of JSON a frame, activity and channels together.

    Connect `activity`, `channel` and `status` of a receiver to the port `in`. Lines are written in
    a thread: neither a slow disk nor a reader that stands still holds up the flowgraph. A line that
    cannot be written (disk full, pipe closed), and one that does not fit in the buffer, is counted and
    logged, and the flowgraph goes on. A file that a full disk has cut ends with its last whole line.

    Parameters
    ----------
    path : path or "-"
        The file, emptied when the block is made; "-" is standard output. A FIFO may get its reader later.
    flush_every : float
        Seconds that a line may wait to be written while more keep coming; when none is
        waiting to be taken, lines are written at once, and with every status all are.
    buffer_mb : float
        Megabytes of lines that may wait for the disk or the reader.

    Raises
    ------
    ValueError
        If an argument is out of range.
    OSError
        If the file cannot be opened for writing.
    """

    def __init__(
        self, path: str | os.PathLike | int, flush_every: float = 1.0, *, buffer_mb: float = 64.0
    ) -> None:
        self._flush_every = check_number("flush_every", flush_every, 0)
        max_bytes = 1e6 * check_number("buffer_mb", buffer_mb, 0)
        self._lines: list[bytes] = []
        self._data: list[bytes] = []  # PDUs, activity and channel in turn, that wait to be written as lines
        self._due = 0.0
        self._writer = LineWriter(_STDOUT if path == "-" else path, self._say_lost, max_bytes=max_bytes)
        report_sink.__init__(self, "JADCE JSON sink")

    def written(self) -> int:
        """Lines handed to the operating system."""
        return self._writer.written

    def lost(self) -> int:
        """Lines that could not be written."""
        return self._writer.lost

    def broken(self) -> bool:
        """Whether a pipe that it writes to has lost its reader."""
        return self._writer.broken

    def waiting(self) -> int:
        """Messages not yet taken, and lines not yet written."""
        return report_sink.waiting(self) + len(self._data) + len(self._lines) + self._writer.waiting

    def set_close_timeout(self, seconds: float) -> None:
        """Change how long stopping waits for a reader that does not read: 5 s unless told otherwise."""
        self._writer.close_timeout = seconds

    def start(self) -> bool:
        report_sink.start(self)
        try:
            self._writer.reopen()
        except OSError as error:
            self._log.warn(f"reports will be lost: {error}")
        return True

    def stop(self) -> bool:
        report_sink.stop(self)
        self._write_pairs()
        self._flush()
        self._writer.close()
        return True

    def handle_messages(self, message: Any) -> None:
        """Take a message, and those that wait behind it; lines are made when no more wait."""
        report_sink.handle_messages(self, message)
        if len(self._data) >= 2 and not report_sink.waiting(self):
            self._write_gathered()

    def take_pdu(self, pdu: Any) -> None:
        """Keep the two PDUs of a report until there are many, or no more wait: they are written together."""
        if not self.take_bytes(bytes_of(pdu)):
            self._write_pairs()
            report_sink.take_pdu(self, pdu)

    def take_bytes(self, data: bytes) -> bool:
        """Keep a PDU if it may be the first of a pair, or the second; whether it may."""
        if len(self._data) % 2 == 0:
            frame_id = frame_of_activity(data)
            if frame_id is None or self._joiner.waits_for(frame_id):
                return False
        elif not is_of_frame(data):
            return False
        self._data.append(data)
        if len(self._data) >= 2 * _MAX_PAIRS:
            self._write_gathered()
        return True

    def _write_gathered(self) -> None:
        try:
            self._write_pairs()
            self._flush_if_due()
        except Exception as error:
            self._reject(error)

    def take_report(self, report: Report) -> None:
        """Add a line; write what has gathered if it is time."""
        self._lines.append(to_json(report).encode() + b"\n")
        self._flush_if_due()

    def take_status(self, status: dict[str, Any]) -> None:
        """Write what has gathered: the receiver may have no more frames for a while."""
        self._write_pairs()
        self._flush()

    def _write_pairs(self) -> None:
        """Lines of the pairs of PDUs that wait; those that are unusual are joined one by one."""
        count = len(self._data) // 2 * 2
        data, self._data = self._data[:count], self._data[count:]
        for place, line in enumerate(lines_of(data)):
            if line:
                self._lines.append(line)
            else:
                for part in data[2 * place : 2 * place + 2]:
                    self._take_alone(pmt.deserialize_str(part))

    def _take_alone(self, pdu: Any) -> None:
        try:
            report_sink.take_pdu(self, pdu)
        except Exception as error:
            self._reject(error)

    def _flush_if_due(self) -> None:
        if monotonic() >= self._due or not report_sink.waiting(self):
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        self._due = monotonic() + self._flush_every
        if lines:
            self._writer.put(lines)

    def _say_lost(self, text: str) -> None:
        self._log.warn(text)
