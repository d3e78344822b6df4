# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded queue with one thread that works it off in batches; what does not fit is counted."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

_CLOSE_WORK_S = 0.5  # work beyond one batch that closing may take


class Backlog:
    """Accepts items at any speed and works them off in batches, in its own thread.

    The oldest items are dropped, and counted, when more than `max_backlog` wait.

    Parameters
    ----------
    answer : callable
        Called with a list of 1 to `max_batch` items, in the thread. Must not raise.
    max_backlog, max_batch : int
        Items that may wait, and that are answered at once.

    Attributes
    ----------
    dropped : int
        Items dropped so far.
    """

    def __init__(self, answer: Callable[[list[Any]], None], max_backlog: int, max_batch: int) -> None:
        self.dropped = 0
        self._answer = answer
        self._max_backlog = max_backlog
        self._max_batch = max_batch
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._in_work = 0
        self._seconds_per_item = 0.0
        self._closing = False
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, items: Iterable[Any]) -> None:
        """Append items; never waits for the thread."""
        with self._changed:
            self._waiting.extend(items)
            self._drop_to(self._max_backlog)
            self._changed.notify()

    def open(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._run, name="gr_jadce backlog", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread: what is in work and what waits is answered, together at most one batch.

        If that has more, the oldest that wait are dropped; half a second's work is always done.
        """
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._drop_to(self._room_at_close())
            self._changed.notify()
        self._thread.join()
        self._thread = None

    def _room_at_close(self) -> int:
        room = self._max_batch - self._in_work
        if self._seconds_per_item:
            room = max(room, int(_CLOSE_WORK_S / self._seconds_per_item))
        return min(room, self._max_batch)

    def _drop_to(self, size: int) -> None:
        while len(self._waiting) > size:
            self._waiting.popleft()
            self.dropped += 1

    def _run(self) -> None:
        while batch := self._next_batch():
            began = perf_counter()
            self._answer(batch)
            self._seconds_per_item = (perf_counter() - began) / len(batch)

    def _next_batch(self) -> list[Any]:
        with self._changed:
            self._in_work = 0
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._in_work = min(len(self._waiting), self._max_batch)
            return [self._waiting.popleft() for _ in range(self._in_work)]
