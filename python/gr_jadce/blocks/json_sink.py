# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes reports as JSON lines."""

import weakref
from time import monotonic

from ..reports.json_lines import to_json
from .support.report_sink import report_sink

_STDOUT = 1


class json_sink(report_sink):
    """Write one line of JSON a frame, activity and channels together.

    Connect `activity`, `channel` and `status` of a receiver to the port `in`. A line that cannot
    be written (disk full, pipe closed) is counted and logged, and the flowgraph goes on.

    Parameters
    ----------
    path : path or "-"
        The file, emptied when the block is made; "-" is standard output.
    flush_every : float
        Seconds that a line may wait to be written while more keep coming; when none is
        waiting to be taken, lines are written at once, and with every status all are.

    Raises
    ------
    OSError
        If the file cannot be opened for writing.
    """

    def __init__(self, path, flush_every=1.0):
        if not flush_every >= 0:
            raise ValueError(f"flush_every: expected seconds of at least 0, got {flush_every!r}")
        self._path = _STDOUT if path == "-" else path
        self._flush_every = flush_every
        self._lines = []
        self._written = self._lost = 0
        self._due = 0.0
        self._torn = self._broken = False
        self._open("wb")
        report_sink.__init__(self, "JADCE JSON sink")

    def written(self):
        """Lines handed to the operating system."""
        return self._written

    def lost(self):
        """Lines that could not be written."""
        return self._lost

    def broken(self):
        """Whether a pipe that it writes to has lost its reader."""
        return self._broken

    def start(self):
        report_sink.start(self)
        if self._file.closed:
            self._reopen()
        return True

    def stop(self):
        report_sink.stop(self)
        self._flush()
        self._file.close()
        return True

    def take_report(self, report):
        """Add a line; write what has gathered if it is time."""
        self._lines.append(to_json(report) + "\n")
        if monotonic() >= self._due or not self.waiting():
            self._flush()

    def take_status(self, status):
        """Write what has gathered: the receiver may have no more frames for a while."""
        self._flush()

    def _open(self, mode):
        self._file = open(self._path, mode, buffering=0, closefd=self._path != _STDOUT)
        weakref.finalize(self, self._file.close)

    def _reopen(self):
        try:
            self._open("ab")
        except OSError as error:
            self._log.warn(f"reports will be lost: {error}")

    def _flush(self):
        lead = b"\n" if self._torn else b""
        data = lead + "".join(self._lines).encode()
        done, error = _write_all(self._file, data)
        whole = data[len(lead) : done].count(b"\n")
        self._written += whole
        self._torn = data[done - 1] != ord("\n") if done else self._torn
        if error is not None:
            self._lost += len(self._lines) - whole
            self._broken = isinstance(error, BrokenPipeError)
            self._log.warn(f"{len(self._lines) - whole} reports lost: {error}")
        self._lines.clear()
        self._due = monotonic() + self._flush_every


def _write_all(file, data):
    """Write bytes; how many were written, and the error that stopped it, if any."""
    done = 0
    try:
        while done < len(data):
            done += file.write(data[done:]) or 0
    except (OSError, ValueError) as error:
        return done, error
    return done, None
