# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a recording in a thread of its own, so that a slow disk never holds up what is recorded."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from .writer import RecordingWriter

_CLOSE_TIMEOUT_S = 5.0  # that closing may go on writing what waits
_MAX_WRITE_BYTES = 8_000_000  # that are written at once, if as many wait
_STRETCH_BYTES = 500  # that a stretch takes besides its samples


class Stretch(NamedTuple):
    """Samples that follow each other, or the number of those dropped; time, frequency, rate of the first."""

    samples: np.ndarray | None
    n_samples: int
    rx_time: tuple[int, float] | None = None
    frequency: float | None = None
    sample_rate: float | None = None


class BackgroundWriter:
    """Takes samples at any speed and writes them in its own thread.

    When more than `max_bytes` wait, samples are dropped until half of that has been written, so
    that a slow disk makes few gaps, not many. They are counted, and the recording has a gap of
    their length. The first error ends the recording, which is closed as it is; all later samples
    are counted as dropped. In the end, taken = written + dropped.

    Parameters
    ----------
    writer : RecordingWriter
    max_bytes : float
        Memory for complex64 samples that wait.
    on_error : callable
        Called once, with the error that ended the recording.

    Attributes
    ----------
    taken, dropped, gaps : int
        Samples (of each antenna) pushed so far, those of them dropped, and stretches dropped.
    error : Exception or None
        What ended the recording.
    """

    def __init__(
        self, writer: RecordingWriter, max_bytes: float, on_error: Callable[[Exception], object]
    ) -> None:
        self.taken = self.dropped = self.gaps = 0
        self.error: Exception | None = None
        self._writer = writer
        self._max_bytes = max_bytes
        self._on_error = on_error
        self._waiting: deque[Stretch] = deque()
        self._bytes = 0
        self._dropping = False
        self._deadline: float | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy_s, self._write_began = 0.0, 0.0  # a write that goes on began then; else 0

    @property
    def written(self) -> int:
        """Samples (of each antenna) in the recording."""
        return self._writer.n_samples

    @property
    def bottleneck(self) -> str:
        """What writing takes longest for, to be said where samples are dropped."""
        began = self._write_began
        going_on_s = monotonic() - began if began else 0.0
        if 2 * (self._writer.disk_time_s + going_on_s) >= self._busy_s + going_on_s:
            return "the disk is too slow"
        return f"writing {self._writer.n_segments} segments takes longer than their samples on the disk"

    def push(
        self,
        samples: np.ndarray,
        rx_time: tuple[int, float] | None = None,
        *,
        frequency: float | None = None,
        sample_rate: float | None = None,
    ) -> None:
        """Accept samples (n, M), which must not change later; never waits for the disk.

        Time, frequency and rate of the first of them are as in `RecordingWriter.write`.
        """
        stretch = Stretch(samples, len(samples), rx_time, frequency, sample_rate)
        with self._changed:
            self.taken += len(samples)
            if self._has_room(stretch):
                self._bytes += _size(stretch)
                self._waiting.append(stretch)
            else:
                self._drop(stretch)
            self._changed.notify()

    def open(self) -> None:
        """Start the thread, unless it runs; go on with a recording that `close` has finished."""
        if self._thread is None and self.error is None:
            self._deadline = None
            self._thread = threading.Thread(target=self._run, name="gr_jadce recording", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what waits, for some seconds at most, and finish the recording.

        What the disk does not take in that time is dropped and counted. A disk that does not
        answer at all is not waited for: the recording stays unfinished, and can be read as it is.
        """
        if self._thread is None:
            return
        with self._changed:
            self._deadline = monotonic() + _CLOSE_TIMEOUT_S
            self._changed.notify()
        self._thread.join(2 * _CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            self._fail(TimeoutError("the disk does not answer"))
        self._thread = None

    def _has_room(self, stretch):
        if self.error is not None:
            return False
        limit = self._max_bytes / 2 if self._dropping else self._max_bytes
        self._dropping = self._bytes > 0 and self._bytes + _size(stretch) > limit
        return not self._dropping

    def _drop(self, stretch):
        self.dropped += stretch.n_samples
        if self.error is not None:
            return
        if self._waiting and self._waiting[-1].samples is None:
            self._waiting.append(_merged(self._waiting.pop(), stretch))
        else:
            self.gaps += 1
            self._waiting.append(stretch._replace(samples=None))

    def _run(self):
        try:
            self._writer.reopen()
            while stretches := self._next():
                self._write(stretches)
            self._finish()
        except Exception as error:
            with contextlib.suppress(Exception):  # what is there can be read, though it is not finished
                self._writer.close()
            self._fail(error)

    def _next(self):
        """Stretches to be written at once; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._deadline)
            late = self._deadline is not None and monotonic() > self._deadline
            return [] if late or self.error or not self._waiting else self._pop()

    def _pop(self):
        first = self._waiting.popleft()
        stretches, size = [first], _size(first)
        while self._waiting and size < _MAX_WRITE_BYTES and _follows_on(first, self._waiting[0]):
            stretches.append(self._waiting.popleft())
            size += _size(stretches[-1])
        return stretches

    def _write(self, stretches):
        began = self._write_began = monotonic()
        first = stretches[0]
        if first.samples is None:
            self._skip(first)
        else:
            samples = [one.samples for one in stretches]
            joined = np.concatenate(samples) if len(samples) > 1 else first.samples
            self._writer.write(joined, first.rx_time, **_tuning(first))
        self._busy_s, self._write_began = self._busy_s + monotonic() - began, 0.0
        with self._changed:
            self._bytes -= sum(map(_size, stretches))
            if self.error is not None:  # counted as dropped by `close`, which did not wait any longer
                self.dropped = self.taken - self._writer.n_samples

    def _skip(self, stretch):
        self._writer.skip(stretch.n_samples, stretch.rx_time, **_tuning(stretch))

    def _finish(self):
        if self.error is not None:
            return
        with self._changed:
            rest = list(self._waiting)
        for stretch in rest:
            self._skip(stretch)
        self._writer.close()
        self._settle()

    def _fail(self, error):
        if self.error is None:
            self.error = error
            self._settle()
            self._on_error(error)

    def _settle(self):
        """What has not been written by now never will be."""
        with self._changed:
            self._waiting.clear()
            self._bytes = 0
            self.dropped = self.taken - self._writer.n_samples


def _size(stretch: Stretch) -> int:
    return 0 if stretch.samples is None else stretch.samples.nbytes + _STRETCH_BYTES


def _tuning(stretch: Stretch) -> dict[str, Any]:
    return {"frequency": stretch.frequency, "sample_rate": stretch.sample_rate}


def _follows_on(first: Stretch, stretch: Stretch) -> bool:
    """Whether a stretch can be written together with the one before it: nothing new is said of it."""
    neither_dropped = first.samples is not None and stretch.samples is not None
    return neither_dropped and stretch[2:] == (None, None, None)


def _merged(last: Stretch, stretch: Stretch) -> Stretch:
    """Two dropped stretches as one: the last time counts, and the samples since."""
    before = last.n_samples if stretch.rx_time is None else 0
    latest = {name: value for name, value in stretch._asdict().items() if value is not None}
    return last._replace(**latest | {"samples": None, "n_samples": before + stretch.n_samples})
