# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes lines in a thread of its own, so that a slow disk or reader never holds up who hands them over."""

import errno
import os
import select
import stat
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from io import FileIO
from time import monotonic, sleep

_POLL_INTERVAL_S = 0.1
_MAX_WRITE_BYTES = 1_000_000  # to a file at once
_PIPE_WRITE_BYTES = select.PIPE_BUF  # that fit where poll() says that there is room


class LineWriter:
    """Takes lines at any speed and writes them in its own thread.

    Lines that do not fit in `max_bytes`, and those that cannot be written, are counted as lost. After
    an error, a file ends with its last whole line; in a pipe the torn one is ended. A FIFO without a
    reader is waited for. In the end, lines put = written + lost.

    Parameters
    ----------
    path : path or int
        The file, emptied, or a descriptor, which stays open.
    on_loss : callable
        Called with the cause when lines are lost.
    max_bytes : float
        Memory for lines that wait.
    close_timeout : float
        Seconds without progress after which `close` gives up.

    Attributes
    ----------
    written, lost : int
        Lines handed to the operating system, and lines lost.
    broken : bool
        Whether a pipe has lost its reader.
    close_timeout : float

    Raises
    ------
    OSError
        If the file cannot be opened for writing.
    """

    def __init__(
        self,
        path: str | os.PathLike | int,
        on_loss: Callable[[str], None],
        *,
        max_bytes: float = 64e6,
        close_timeout: float = 5.0,
    ) -> None:
        self.written = self.lost = 0
        self.broken = False
        self.close_timeout = close_timeout
        self._path, self._on_loss, self._max_bytes = path, on_loss, max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = self._n_waiting = 0
        self._is_torn = self._is_closing = False
        self._progress_time = monotonic()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._file = self._open(os.O_TRUNC | os.O_CREAT)

    @property
    def waiting(self) -> int:
        """Lines that are neither written nor lost."""
        return self._n_waiting

    def put(self, lines: Sequence[bytes]) -> None:
        """Take lines, each with its end; never waits."""
        lost = 0
        with self._changed:
            for line in lines:
                if self._bytes + len(line) > self._max_bytes:
                    lost += 1
                else:
                    self._lines.append(line)
                    self._bytes += len(line)
            self._n_waiting += len(lines) - lost
            self.lost += lost
            self._changed.notify()
        if lost:
            self._on_loss(f"{lost} lines lost: they come faster than they are written")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gr_jadce lines", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what waits, unless nothing can be written for `close_timeout`; close the file."""
        with self._changed:
            self._is_closing, self._progress_time = True, monotonic()
            self._changed.notify()
        thread = self._thread
        while thread is not None and thread.is_alive() and not self._is_overdue(2 * _POLL_INTERVAL_S):
            thread.join(_POLL_INTERVAL_S)
        if thread is not None and thread.is_alive():  # a disk that does not answer, and keeps the thread
            self._lose(self._n_waiting, "the disk does not answer")
        elif self._file is not None:
            self._file.close()

    def reopen(self) -> None:
        """Go on at the end of a file that `close` has closed."""
        if self._is_closing:
            self._file = self._open(os.O_APPEND | os.O_CREAT)
            self._is_closing, self._thread = False, None

    def _open(self, flags: int) -> FileIO | None:
        """The file; None for a FIFO that has no reader yet."""
        if isinstance(self._path, int):
            return FileIO(self._path, "wb", closefd=False)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, 0o666)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            raise
        file = FileIO(descriptor, "wb")
        weakref.finalize(self, file.close)
        return file

    def _run(self) -> None:
        while lines := self._next():
            self._write(b"".join(lines), len(lines))

    def _next(self) -> list[bytes]:
        """Lines to be written at once; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._is_closing)
            lines, size = [], 0
            while self._lines and size < _MAX_WRITE_BYTES:
                lines.append(self._lines.popleft())
                size += len(lines[-1])
            return lines

    def _write(self, data: bytes, n_lines: int) -> None:
        lead = b"\n" if self._is_torn else b""
        data, done, error = lead + data, 0, None
        try:
            while done < len(data):
                done += self._write_some(memoryview(data)[done:])
        except (OSError, ValueError) as failure:
            error = failure
        whole = data[len(lead) : done].count(b"\n")
        self._settle(whole, len(data) - len(lead))
        if done:
            n_torn = done - data.rfind(b"\n", 0, done) - 1
            self._is_torn = n_torn > 0 and not _cut(self._file, n_torn)
        if error is not None:
            self.broken = self.broken or isinstance(error, BrokenPipeError)
            self._lose(n_lines - whole, str(error))

    def _write_some(self, data: memoryview) -> int:
        """Write as much as there is room for, after waiting for room; how many bytes."""
        file = self._file_with_room()
        if file is None:
            return 0
        done = file.write(data[: _MAX_WRITE_BYTES if _is_regular(file) else _PIPE_WRITE_BYTES]) or 0
        if done:
            self._progress_time = monotonic()
        return done

    def _file_with_room(self) -> FileIO | None:
        """The file, if it has a reader and takes something soon."""
        if self._is_overdue():
            raise TimeoutError("the reader does not read")
        if self._file is None:
            self._file = self._open(0)
        if self._file is None:
            sleep(_POLL_INTERVAL_S)
            return None
        poll = select.poll()
        poll.register(self._file.fileno(), select.POLLOUT)
        return self._file if poll.poll(1000 * _POLL_INTERVAL_S) else None

    def _is_overdue(self, grace: float = 0.0) -> bool:
        return self._is_closing and monotonic() > self._progress_time + self.close_timeout + grace

    def _settle(self, n_written: int, n_bytes: int) -> None:
        with self._changed:
            self.written += n_written
            self._n_waiting -= n_written
            self._bytes -= n_bytes

    def _lose(self, n_lines: int, cause: str) -> None:
        with self._changed:
            self.lost += n_lines
            self._n_waiting -= n_lines
        if n_lines:
            self._on_loss(f"{n_lines} lines lost: {cause}")


def _is_regular(file: FileIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _cut(file: FileIO | None, n_bytes: int) -> bool:
    """Take the last bytes written back; whether this is a file that this can be done with."""
    if file is None or file.closed or not _is_regular(file):
        return False
    end = os.lseek(file.fileno(), 0, os.SEEK_CUR)
    if end != os.fstat(file.fileno()).st_size:
        return False
    try:
        file.truncate(end - n_bytes)
        file.seek(end - n_bytes)
    except OSError:
        return False
    return True
