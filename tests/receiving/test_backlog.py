# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounded queue: everything put in is answered, in order, or counted as dropped."""

import threading
import time

import pytest

from gr_jadce.receiving.backlog import Backlog

TIMEOUT = 30  # seconds; only a failing test waits that long


class Worker:
    """Answers when it may, and remembers the batches and how many were dropped before each."""

    def __init__(self):
        self.batches, self.dropped = [], []
        self.busy = threading.Event()
        self.may_finish = threading.Event()

    def solve(self, batch, dropped):
        self.busy.set()
        assert self.may_finish.wait(TIMEOUT)
        return batch, dropped

    def publish(self, solved):
        self.batches.append(solved[0])
        self.dropped.append(solved[1])

    @property
    def answered(self):
        return [item for batch in self.batches for item in batch]


def backlog_for(worker, **options):
    return Backlog(worker.solve, worker.publish, **options)


def close_in_thread(backlog):
    thread = threading.Thread(target=backlog.close)
    thread.start()
    while not backlog._closing:
        pass
    return thread


def test_closing_answers_all_that_is_left():
    worker = Worker()
    worker.may_finish.set()
    backlog = backlog_for(worker, max_backlog=100, max_batch=100)
    backlog.open()
    backlog.put(range(60))
    backlog.close()
    assert worker.answered == list(range(60))
    assert backlog.dropped == 0


def test_put_never_waits_and_drops_the_oldest():
    worker = Worker()
    backlog = backlog_for(worker, max_backlog=10, max_batch=4)
    backlog.open()
    backlog.put([0])
    assert worker.busy.wait(TIMEOUT)
    for item in range(1, 31):
        backlog.put([item])
    assert (len(backlog), backlog.dropped) == (10, 20)
    worker.may_finish.set()
    backlog.close()
    assert worker.answered[0] == 0
    assert len(worker.answered) + backlog.dropped == 31
    assert worker.answered[-1] == 30
    assert max(map(len, worker.batches)) <= 4


def test_more_than_fits_at_once():
    worker = Worker()
    backlog = backlog_for(worker, max_backlog=5, max_batch=100)
    backlog.put(range(20))
    assert (len(backlog), backlog.dropped) == (5, 15)


def test_closing_solves_at_most_one_batch():
    worker = Worker()
    backlog = backlog_for(worker, max_backlog=100, max_batch=8)
    backlog.open()
    backlog.put(range(3))
    assert worker.busy.wait(TIMEOUT)
    backlog.put(range(3, 50))
    in_work = 50 - len(backlog)
    thread = close_in_thread(backlog)
    with backlog._changed:
        assert len(backlog) + in_work == 8
    worker.may_finish.set()
    thread.join(TIMEOUT)
    assert len(worker.answered) == 8
    assert backlog.dropped == 42


@pytest.mark.parametrize("fast", [True, False])
def test_closing_always_does_half_a_second_of_work(fast):
    worker = Worker()
    worker.may_finish.set()
    backlog = backlog_for(worker, max_backlog=100, max_batch=10)
    backlog._seconds_per_item = 0.001 if fast else 10.0
    backlog._in_work = 9
    assert backlog._room_at_close() == (10 if fast else 1)


def test_it_can_be_opened_again():
    worker = Worker()
    worker.may_finish.set()
    backlog = backlog_for(worker, max_backlog=100, max_batch=8)
    for item in range(3):
        backlog.open()
        backlog.open()
        backlog.put([item])
        backlog.close()
        backlog.close()
    assert worker.answered == [0, 1, 2]


class Uneven(Worker):
    """Takes the longer the fewer its first item is ahead of a multiple of 50."""

    def __init__(self):
        Worker.__init__(self)
        self.at_once, self.most = 0, 0
        self.lock = threading.Lock()

    def solve(self, batch, dropped):
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(0.02 if batch[0] % 50 < 10 else 0.001)
        with self.lock:
            self.at_once -= 1
        return batch, dropped


@pytest.mark.parametrize("overlaps", [True, False])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_answer_in_order(n_threads, overlaps):
    worker = Uneven()
    options = {"n_threads": n_threads, "may_overlap": lambda: overlaps}
    backlog = backlog_for(worker, max_backlog=1000, max_batch=20, **options)
    backlog.open()
    for first in range(0, 400, 8):
        time.sleep(0.0005)
        backlog.put(range(first, first + 8))
    while len(backlog):
        time.sleep(0.001)
    backlog.close()
    assert worker.answered == list(range(400))
    assert max(map(len, worker.batches)) <= (20 if n_threads == 1 or not overlaps else 10)
    assert worker.most == 1 if not overlaps else worker.most <= n_threads
    assert n_threads == 1 or not overlaps or worker.most > 1


def test_there_is_room_for_a_batch():
    worker = Worker()
    backlog = backlog_for(worker, max_backlog=100, max_batch=8, n_threads=2)
    assert not backlog.is_for(1000)
    backlog.open()
    assert backlog.is_for(16) and not backlog.is_for(15)
    assert backlog.wait_for_room(3) == 3
    assert backlog.wait_for_room(100) == 8
    backlog.put(range(6))
    assert backlog.is_for(1)
    taken = []
    waiter = threading.Thread(target=lambda: taken.append(backlog.wait_for_room(100)))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    worker.may_finish.set()
    waiter.join(TIMEOUT)
    assert taken and 4 <= taken[0] <= 8
    backlog.close()
    assert worker.answered == list(range(6))


def test_a_thread_that_fails_ends_all_and_nobody_waits(monkeypatch):
    failures = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    worker = Worker()
    worker.may_finish.set()
    worker.publish = lambda solved: 1 / 0
    backlog = backlog_for(worker, max_backlog=100, max_batch=4, n_threads=2)
    backlog.open()
    backlog.put(range(10))
    while not backlog._closing:
        time.sleep(0.001)
    with pytest.raises(RuntimeError, match="ended"):
        backlog.wait_for_room(4)
    backlog.close()
    assert failures and all(failure.exc_type is ZeroDivisionError for failure in failures)
