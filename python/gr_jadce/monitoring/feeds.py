# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a monitor gets its reports from: publishers, a growing file, a pipe; each feeds it in a thread."""

import os
import threading
from itertools import takewhile
from time import monotonic, sleep

from ..reports.publishing import Subscriber
from ..reports.status import read_line

_SILENT = 3.0  # seconds without a line; a receiver sends a status every second
_PAUSE = 0.1  # seconds between two looks at a file


class Feed:
    """Reads lines in a thread of its own and gives what is in them to a `monitoring.monitor.Monitor`.

    Subclasses define ``_lines()``, which yields lines, or None where there is none for now.

    Parameters
    ----------
    monitor : monitoring.Monitor
    truth : iterable of Report, optional
        The truth, ascending in frames; each is given to the monitor before the report of its frame.

    Attributes
    ----------
    bad_lines : int
        Lines that were neither reports nor statuses, and were left out.
    ended : bool
        Whether there is nothing more to come.
    error : Exception or None
        What ended it, if it was no end.
    """

    def __init__(self, monitor, truth=()):
        self.bad_lines, self.ended, self.error = 0, False, None
        self._monitor = monitor
        self._truth, self._next_truth = iter(truth), None
        self._heard = monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gr_jadce feed", daemon=True)

    def start(self):
        """Start reading."""
        self._thread.start()

    def close(self):
        """Stop reading."""
        self._stop.set()
        self._thread.join(1.0)  # one that waits for a pipe ends with the process

    def state(self) -> tuple[str, bool]:
        """What to tell of the source now, and whether it is bad."""
        if self.ended:
            return ("ended" if self.error is None else f"ended: {self.error}"), self.error is not None
        silence = monotonic() - self._heard
        return (f"nothing for {silence:.0f} s", True) if silence > _SILENT else ("receiving", False)

    def take(self, line):
        """Give what is in a line to the monitor."""
        try:
            entry = read_line(line)
            if isinstance(entry, dict):
                self._monitor.add_status(entry)
            else:
                self._add_truth(entry)
                self._monitor.add(entry)
        except (ValueError, TypeError, OverflowError):
            self.bad_lines += 1

    def _add_truth(self, report):
        self._next_truth = self._next_truth or next(self._truth, None)
        while self._next_truth is not None and self._next_truth.frame_id <= report.frame_id:
            self._monitor.add(self._next_truth)
            self._next_truth = next(self._truth, None)

    def _run(self):
        try:
            for line in takewhile(lambda _: not self._stop.is_set(), self._lines()):
                if line is not None:
                    self._heard = monotonic()
                    self.take(line)
        except Exception as error:
            self.error = error
        self.ended = True


class ZmqFeed(Feed):
    """The reports of publishers.

    Parameters
    ----------
    monitor, truth
        See `Feed`.
    addresses : sequence of str or int
        See `publishing.Subscriber`.
    """

    def __init__(self, monitor, addresses, truth=()):
        super().__init__(monitor, truth)
        self._subscriber = Subscriber(addresses)

    def state(self):
        """What to tell of the connections now, and whether it is bad."""
        connected, addresses = self._subscriber.connected, self._subscriber.addresses
        away = [name for name, there in zip(addresses, connected, strict=True) if not there]
        if away and not self.ended:
            return f"not connected to {', '.join(away)}", True
        text, bad = super().state()
        missed = sum(self._subscriber.missed)
        return (f"{text}, {missed:,} lines missed", True) if missed else (text, bad)

    def close(self):
        """Stop reading, and disconnect."""
        super().close()
        self._subscriber.close()

    def _lines(self):
        while True:
            yield None
            yield from (line for _, line in self._subscriber.lines(_PAUSE))


class FileFeed(Feed):
    """The reports in a file or pipe.

    Parameters
    ----------
    monitor, truth
        See `Feed`.
    file : binary file
        Its last line counts when it is complete.
    follow : bool
        Wait for more at the end, as `tail -f` does, and begin anew if the file has become shorter.
        A pipe has ended when its writers have.
    """

    def __init__(self, monitor, file, follow, truth=()):
        super().__init__(monitor, truth)
        self._file, self._follow = file, follow and file.seekable()

    def _lines(self):
        line = b""
        while not self._stop.is_set():
            part = self._file.readline()
            line += part
            if line.endswith(b"\n"):
                yield line.decode(errors="replace")
                line = b""
            elif not part:
                if not self._follow:
                    return
                if os.fstat(self._file.fileno()).st_size < self._file.tell():
                    self._file.seek(0)
                    line = b""
                sleep(_PAUSE)
                yield None
