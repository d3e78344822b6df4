# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a recording in a thread of its own, so that a slow disk never holds up what is recorded."""

import contextlib
import threading
from collections import deque
from time import monotonic
from typing import NamedTuple

import numpy as np

_PATIENCE = 5.0  # seconds that closing may go on writing what waits
_ONE_WRITE = 8_000_000  # bytes that are written at once, if as many wait
_OVERHEAD = 500  # bytes that a stretch takes besides its samples


class Stretch(NamedTuple):
    """Samples that follow each other, or the number of those left out; what is told of the first."""

    samples: np.ndarray | None
    n_samples: int
    rx_time: tuple[int, float] | None = None
    frequency: float | None = None
    sample_rate: float | None = None


class BackgroundWriter:
    """Takes samples at any speed and writes them in its own thread.

    When more than `max_bytes` wait, samples are left out until half of that has been written, so
    that a slow disk makes few gaps, not many. They are counted, and the recording has a gap of
    their length. The first error ends the recording, which is closed as it is; all later samples
    are counted as left out. In the end, taken = written + dropped.

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
        Samples (of each antenna) put so far, those of them left out, and stretches left out.
    error : Exception or None
        What ended the recording.
    """

    def __init__(self, writer, max_bytes, on_error):
        self.taken = self.dropped = self.gaps = 0
        self.error = None
        self._writer = writer
        self._max_bytes = max_bytes
        self._on_error = on_error
        self._waiting = deque()
        self._bytes = 0
        self._dropping = False
        self._deadline = None
        self._changed = threading.Condition()
        self._thread = None

    @property
    def written(self) -> int:
        """Samples (of each antenna) in the recording."""
        return self._writer.n_samples

    def put(self, samples, rx_time=None, frequency=None, sample_rate=None):
        """Take samples (n, M), which must not change later; never waits for the disk.

        What is told of the first of them is as in `RecordingWriter.write`.
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

    def open(self):
        """Start the thread, unless it runs; go on with a recording that `close` has finished."""
        if self._thread is None and self.error is None:
            self._deadline = None
            self._thread = threading.Thread(target=self._run, name="gr_jadce recording", daemon=True)
            self._thread.start()

    def close(self):
        """Write what waits, for some seconds at most, and finish the recording.

        What the disk does not take in that time is left out and counted. A disk that does not
        answer at all is not waited for: the recording stays unfinished, and can be read as it is.
        """
        if self._thread is None:
            return
        with self._changed:
            self._deadline = monotonic() + _PATIENCE
            self._changed.notify()
        self._thread.join(2 * _PATIENCE)
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
            return [] if late or self.error else self._take()

    def _take(self):
        taken, size = [], 0
        while self._waiting and size < _ONE_WRITE and (not taken or _follows_on(taken[0], self._waiting[0])):
            taken.append(self._waiting.popleft())
            size += _size(taken[-1])
        return taken

    def _write(self, stretches):
        first = stretches[0]
        if first.samples is None:
            self._writer.skip(*first[1:])
            return
        samples = np.concatenate([one.samples for one in stretches]) if len(stretches) > 1 else first.samples
        self._writer.write(samples, *first[2:])
        with self._changed:
            self._bytes -= sum(map(_size, stretches))
            if self.error is not None:  # counted as dropped by `close`, which did not wait any longer
                self.dropped = self.taken - self._writer.n_samples

    def _finish(self):
        if self.error is not None:
            return
        with self._changed:
            left_out = list(self._waiting)
        for stretch in left_out:
            self._writer.skip(*stretch[1:])
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


def _size(stretch):
    return 0 if stretch.samples is None else stretch.samples.nbytes + _OVERHEAD


def _follows_on(first, stretch):
    """Whether a stretch can be written together with the one before it, without a word about it."""
    neither_left_out = first.samples is not None and stretch.samples is not None
    return neither_left_out and stretch[2:] == (None, None, None)


def _merged(last, stretch):
    """Two stretches left out as one: the time told last counts, and the samples since."""
    told = [new if new is not None else old for old, new in zip(last[2:], stretch[2:], strict=True)]
    before = last.n_samples if stretch.rx_time is None else 0
    return Stretch(None, before + stretch.n_samples, *told)
