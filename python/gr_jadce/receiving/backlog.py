# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded queue that threads work off in batches, answers in order; what does not fit is counted."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, NamedTuple

_CLOSE_WORK_S = 0.5  # work beyond one batch that closing may take
_PARTS = 2  # of a batch, that threads which overlap take each
_MIN_SHARED = 8  # items that a thread takes, if they are there, rather than to share them


class _Batch(NamedTuple):
    number: int
    items: list[Any]
    dropped: int  # items, before it


class Backlog:
    """Accepts items at any speed and works them off in batches, in threads of its own.

    The oldest items are dropped, and counted, when more than `max_backlog` wait. Each thread solves a batch
    of its own, a part of a full one, while the others solve or publish theirs. A thread that cannot go on
    ends the others.

    Parameters
    ----------
    solve : callable
        Called with a list of 1 to `max_batch` items and how many were dropped before. Must not raise.
    publish : callable
        Called with what `solve` gave, batch by batch in order, in one thread at a time. Must not raise.
    max_backlog, max_batch : int
        Items that may wait, and that are in work at once.
    n_threads : int
    may_overlap : callable
        Whether a batch may be solved while another one is; otherwise it waits until that is published.

    Attributes
    ----------
    dropped : int
        Items dropped so far.
    """

    def __init__(
        self,
        solve: Callable[[list[Any], int], Any],
        publish: Callable[[Any], None],
        max_backlog: int,
        max_batch: int,
        *,
        n_threads: int = 1,
        may_overlap: Callable[[], bool] = lambda: True,
    ) -> None:
        self.dropped = 0
        self._solve, self._publish = solve, publish
        self._max_backlog, self._max_batch = max_backlog, max_batch
        self._n_threads, self._may_overlap = min(n_threads, max_batch), may_overlap
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._in_work = 0  # taken, and not yet published
        self._solved: dict[int, tuple[Any, int]] = {}
        self._n_taken = self._n_published = 0  # batches
        self._is_publishing = False
        self._n_idle = 0  # threads
        self._seconds_per_item = 0.0
        self._closing = self._is_broken = False
        self._threads: list[threading.Thread] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def is_for(self, count: int) -> bool:
        """Whether to put so many items: others have to be first, or one thread alone would take long."""
        is_idle = not self._waiting and not self._in_work
        return bool(self._threads) and (count >= 2 * _MIN_SHARED or not is_idle)

    def put(self, items: Iterable[Any]) -> None:
        """Append items; never waits for the threads."""
        with self._changed:
            self._waiting.extend(items)
            self._drop_to(self._max_backlog)
            self._changed.notify_all()

    def wait_for_room(self, wanted: int) -> int:
        """How many of so many items can be put without dropping any, at least a part of a batch if so many.

        RuntimeError if the threads have ended.
        """
        enough = min(wanted, max(min(self._max_batch, self._max_backlog) // _PARTS, 1))
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._room() >= enough)
            if self._closing:
                raise RuntimeError("backlog: expected running threads, they have ended")
            return min(wanted, self._room())

    def open(self) -> None:
        """Start the threads, unless they run."""
        if not self._threads:
            self._closing = self._is_broken = self._is_publishing = False
            self._in_work, self._n_idle, self._n_published = 0, 0, self._n_taken
            self._threads = [
                threading.Thread(target=self._run, name="gr_jadce backlog", daemon=True)
                for _ in range(self._n_threads)
            ]
            for thread in self._threads:
                thread.start()

    def close(self) -> None:
        """End the threads: what is in work and what waits is answered, together at most one batch.

        If that has more, the oldest that wait are dropped; half a second's work is always done.
        """
        if not self._threads:
            return
        with self._changed:
            self._closing = True
            self._drop_to(self._room_at_close())
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _room(self) -> int:
        waiting = len(self._waiting)
        return min(self._max_batch - self._in_work, self._max_backlog) - waiting

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
        try:
            while batch := self._next_batch():
                began = perf_counter()
                solved = self._solve(batch.items, batch.dropped)
                self._publish_in_turn(batch, solved)
                self._seconds_per_item = (perf_counter() - began) / len(batch.items)
        except BaseException:
            with self._changed:
                self._closing = self._is_broken = True
                self._changed.notify_all()
            raise

    def _next_batch(self) -> _Batch | None:
        """The items to solve next; None when there will be no more."""
        with self._changed:
            self._n_idle += 1
            self._changed.wait_for(self._may_take)
            if not self._waiting or self._is_broken:
                return None
            items = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limit()))]
            self._n_idle -= 1
            self._in_work += len(items)
            self._n_taken += 1
            return _Batch(self._n_taken, items, self.dropped)

    def _limit(self) -> int:
        """Items that a thread may take now."""
        if self._n_threads == 1 or not self._may_overlap():
            return self._max_batch
        share = -(-len(self._waiting) // self._n_idle)
        most = min(max(self._max_batch // _PARTS, 1), self._max_batch - self._in_work)
        return min(max(share, _MIN_SHARED), most)

    def _may_take(self) -> bool:
        if not self._waiting or self._is_broken:
            return self._closing
        return not self._in_work or (self._in_work < self._max_batch and self._may_overlap())

    def _publish_in_turn(self, batch: _Batch, solved: Any) -> None:
        """Publish what was solved, and what waits behind it; left to another thread if not all before is."""
        with self._changed:
            self._solved[batch.number] = solved, len(batch.items)
            if self._is_publishing:
                return
            self._is_publishing = True
        while self._publish_next():
            pass

    def _publish_next(self) -> bool:
        with self._changed:
            if self._n_published + 1 not in self._solved:
                self._is_publishing = False
                return False
            self._n_published += 1
            solved, count = self._solved.pop(self._n_published)
        self._publish(solved)
        with self._changed:
            self._in_work -= count
            self._changed.notify_all()
        return True
