# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a monitor gets its reports from: publishers, a growing file, a pipe; each feeds it in a thread."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from time import monotonic, sleep
from typing import BinaryIO

from ..delivery.publishing import Subscriber
from ..reports.json_lines import from_json
from ..reports.report import Report
from ..reports.status import read_line
from .monitor import Monitor

_SILENCE_LIMIT_S = 3.0  # without a line; a receiver sends a status every second
_POLL_INTERVAL_S = 0.1  # from one look at a file to the next
_MAX_TRUTH_AHEAD = 1024  # lines of the truth read for one report
_MAX_FRAMES_AHEAD = 2**32  # a frame of the truth that is further ahead is absurd, and waited for in vain
_CLOSE_TIMEOUT_S = 1.0  # for a thread that reads; one that waits for a pipe ends with the process


class Feed:
    """Reads lines in a thread of its own and gives what is in them to a `monitoring.monitor.Monitor`.

    Subclasses define ``_lines()``, which yields lines, or None where there is none for now.

    Parameters
    ----------
    monitor : monitoring.Monitor
    truth : iterable of str, optional
        Lines of the truth, ascending in frames; each is given to the monitor before the report of its frame.

    Attributes
    ----------
    bad_lines, bad_truth_lines : int
        Lines left out because they were neither reports nor statuses, and lines of the truth that were
        no reports.
    ended : bool
        Whether there is nothing more to come.
    error : Exception or None
        What ended it, if it was no end.
    is_live : bool
        Whether lines come as they are made, so that silence and load mean something.
    """

    is_live = True

    def __init__(self, monitor: Monitor, truth: Iterable[str] = ()) -> None:
        self.bad_lines, self.bad_truth_lines, self.ended = 0, 0, False
        self.error: Exception | None = None
        self._monitor = monitor
        self._truth = self._reports(truth)
        self._next_truth: Report | None = None
        self._heard = monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gr_jadce feed", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def state(self) -> tuple[str, bool]:
        """How the source is now, and whether that is bad."""
        if self.ended:
            return ("ended" if self.error is None else f"ended: {self.error}"), self.error is not None
        silence = monotonic() - self._heard
        return (f"nothing for {silence:.0f} s", True) if silence > _SILENCE_LIMIT_S else ("receiving", False)

    def push(self, line: str) -> None:
        """Give the report or status in a line to the monitor."""
        try:
            entry = read_line(line)
            if isinstance(entry, dict):
                self._monitor.push_status(entry)
            else:
                self._push_truth(entry)
                self._monitor.push(entry)
        except (ValueError, TypeError, OverflowError):
            self.bad_lines += 1

    def _reports(self, lines):
        for line in lines:
            try:
                yield from_json(line)
            except ValueError:
                self.bad_truth_lines += 1

    def _push_truth(self, report):
        """Give the monitor the truth up to a report's frame; one absurd frame number costs little of it."""
        for _ in range(_MAX_TRUTH_AHEAD):
            self._next_truth = self._next_truth or next(self._truth, None)
            if self._next_truth is None:
                return
            if report.frame_id < self._next_truth.frame_id <= report.frame_id + _MAX_FRAMES_AHEAD:
                return
            self._monitor.push(self._next_truth)
            self._next_truth = None

    def _lines(self) -> Iterator[str | None]:
        raise NotImplementedError

    def _run(self):
        try:
            for line in takewhile(lambda _: not self._stop.is_set(), self._lines()):
                if line is not None:
                    self._heard = monotonic()
                    self.push(line)
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

    def __init__(self, monitor: Monitor, addresses: Sequence[str | int], truth: Iterable[str] = ()) -> None:
        super().__init__(monitor, truth)
        self._subscriber = Subscriber(addresses)

    def state(self) -> tuple[str, bool]:
        """How the connections are now, and whether that is bad."""
        connected, addresses = self._subscriber.connected, self._subscriber.addresses
        lost = [name for name, is_connected in zip(addresses, connected, strict=True) if not is_connected]
        if lost and not self.ended:
            return f"not connected to {', '.join(lost)}", True
        text, bad = super().state()
        missed = sum(self._subscriber.missed)
        return (f"{text}, {missed:,} lines missed", True) if missed else (text, bad)

    def close(self) -> None:
        """Stop reading, and disconnect."""
        super().close()
        self._subscriber.close()

    def _lines(self) -> Iterator[str | None]:
        while True:
            yield None
            yield from (line for _, line in self._subscriber.lines(_POLL_INTERVAL_S))


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

    def __init__(self, monitor: Monitor, file: BinaryIO, *, follow: bool, truth: Iterable[str] = ()) -> None:
        super().__init__(monitor, truth)
        self._file, self._follow = file, follow and file.seekable()
        self.is_live = not file.seekable()  # a file is once it grows
        self._is_read = False  # to what was its end

    def state(self) -> tuple[str, bool]:
        """How the file is; one that does not grow is no failure."""
        text, bad = super().state()
        if not self.ended and self._is_read and not self.is_live:
            return "read to its end", False
        return text, bad

    def _lines(self) -> Iterator[str | None]:
        line = b""
        while not self._stop.is_set():
            part = self._file.readline()
            line += part
            if line.endswith(b"\n"):
                self.is_live = self.is_live or self._is_read
                yield line.decode(errors="replace")
                line = b""
            elif not part:
                if not self._follow:
                    return
                self._is_read = True
                if os.fstat(self._file.fileno()).st_size < self._file.tell():
                    self._file.seek(0)
                    line = b""
                sleep(_POLL_INTERVAL_S)
                yield None
