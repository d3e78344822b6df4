# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounded queue: everything put in is answered or counted as dropped."""

import threading

import pytest

from gr_jadce.receiving.backlog import Backlog

TIMEOUT = 30  # seconds; only a failing test waits that long


class Worker:
    """Answers when it may, and remembers the batches."""

    def __init__(self):
        self.batches = []
        self.busy = threading.Event()
        self.may_finish = threading.Event()

    def __call__(self, batch):
        self.busy.set()
        assert self.may_finish.wait(TIMEOUT)
        self.batches.append(batch)

    @property
    def answered(self):
        return [item for batch in self.batches for item in batch]


def close_in_thread(backlog):
    thread = threading.Thread(target=backlog.close)
    thread.start()
    while not backlog._closing:
        pass
    return thread


def test_closing_answers_all_that_is_left():
    worker = Worker()
    worker.may_finish.set()
    backlog = Backlog(worker, max_backlog=100, max_batch=100)
    backlog.open()
    backlog.put(range(60))
    backlog.close()
    assert worker.answered == list(range(60))
    assert backlog.dropped == 0


def test_put_never_waits_and_drops_the_oldest():
    worker = Worker()
    backlog = Backlog(worker, max_backlog=10, max_batch=4)
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
    backlog = Backlog(worker, max_backlog=5, max_batch=100)
    backlog.put(range(20))
    assert (len(backlog), backlog.dropped) == (5, 15)


def test_closing_solves_at_most_one_batch():
    worker = Worker()
    backlog = Backlog(worker, max_backlog=100, max_batch=8)
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
    backlog = Backlog(worker, max_backlog=100, max_batch=10)
    backlog._seconds_per_item = 0.001 if fast else 10.0
    backlog._in_work = 9
    assert backlog._room_at_close() == (10 if fast else 1)


def test_it_can_be_opened_again():
    worker = Worker()
    worker.may_finish.set()
    backlog = Backlog(worker, max_backlog=100, max_batch=8)
    for item in range(3):
        backlog.open()
        backlog.open()
        backlog.put([item])
        backlog.close()
        backlog.close()
    assert worker.answered == [0, 1, 2]
