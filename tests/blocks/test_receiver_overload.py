# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver that frames come too fast for: it drops and counts, and stops in time."""

import time

import numpy as np
import pytest
from collector import collector
from estimators import Held, Slow
from gnuradio import blocks, gr
from receivers import BOOK, LENGTH, TIMEOUT_S, accounted, frames_into, received, wait_for

from gr_jadce.blocks import pilot_framer, receiver


def test_dropping_never_holds_up_the_source():
    estimator = Held(BOOK)
    block = receiver(BOOK, 1, estimator, on_overload="drop", max_backlog=50, max_batch=20)
    flowgraph, sink = frames_into(block, np.tile(received(100), (50, 1, 1)))
    flowgraph.start()
    wait_for(lambda: block.frames_in() == 5000)
    assert block.status_dict()["backlog"] <= 50
    assert block.frames_solved() == 0
    estimator.release()
    flowgraph.wait()
    assert accounted(block) == 5000
    assert len(sink.reports) == block.frames_solved() == sum(estimator.batches)
    assert max(estimator.batches) <= 20
    assert sink.statuses[-1]["frames_dropped"] == block.frames_dropped() > 4900
    told = [report.frames_dropped for report in sink.reports]
    assert told == sorted(told)


class radio(gr.sync_block):
    """Samples in real time; those that were not taken within 50 ms overflow."""

    RATE = 200_000
    SLACK = RATE // 20

    def __init__(self):
        gr.sync_block.__init__(self, "radio", None, [np.complex64])
        self.overflows = 0
        self._noise = (
            np.random.default_rng(1).standard_normal((2**16, 2), np.float32).view(np.complex64)[:, 0]
        )

    def start(self):
        self._given, self._began = 0, time.monotonic()
        return True

    def work(self, input_items, output_items):
        time.sleep(0.005)
        due = int((time.monotonic() - self._began) * self.RATE) - self._given
        if due > self.SLACK:
            self.overflows += 1
            self._given, due = self._given + due - self.SLACK, self.SLACK
        count = min(due, len(output_items[0]), len(self._noise))
        output_items[0][:count] = self._noise[:count]
        self._given += count
        return count


def overloaded_radio():
    """One second of a radio whose frames take 20 slots each to solve."""
    period, max_batch = 200, 16
    seconds_a_frame = 20 * period / radio.RATE
    source, framer = radio(), pilot_framer(LENGTH, 1, period, rate=radio.RATE)
    block = receiver(
        BOOK, 1, Slow(BOOK, seconds_a_frame), on_overload="drop", max_backlog=100, max_batch=max_batch
    )
    flowgraph, sink = gr.top_block(), collector()
    flowgraph.connect(source, framer, block)
    sink.listen_to(flowgraph, block)
    flowgraph.start()
    time.sleep(1.0)
    began = time.monotonic()
    flowgraph.stop()
    flowgraph.wait()
    assert time.monotonic() - began < max_batch * seconds_a_frame + 1 + 2  # 2 s: a busy machine
    assert 0 < block.frames_in() <= framer.frames()
    assert block.frames_in() == accounted(block)
    assert block.frames_solved() == len(sink.reports)
    assert block.frames_dropped() > 0
    return source.overflows


def test_an_overloaded_receiver_does_not_make_a_radio_overflow():
    # A busy machine may let any radio overflow now and then; a receiver that blocks does so every time.
    assert any(overloaded_radio() == 0 for _ in range(10))


def test_stopping_solves_at_most_one_batch_more():
    estimator = Held(BOOK)
    block = receiver(BOOK, 1, estimator, on_overload="drop", max_backlog=1000, max_batch=10)
    flowgraph, _ = frames_into(block, received(500))
    flowgraph.start()
    wait_for(lambda: block.frames_in() == 500)
    flowgraph.stop()
    wait_for(lambda: block.frames_dropped() > 0)
    estimator.release()
    flowgraph.wait()
    assert sum(estimator.batches) <= 20
    assert accounted(block) == 500


def test_in_block_mode_stopping_waits_for_one_batch_only():
    estimator = Held(BOOK)
    block = receiver(BOOK, 1, estimator, max_batch=10)
    flowgraph, _ = frames_into(block, np.tile(received(100), (50, 1, 1)))
    flowgraph.start()
    assert estimator.busy.wait(TIMEOUT_S)
    flowgraph.stop()
    estimator.release()
    flowgraph.wait()
    assert sum(estimator.batches) <= 20
    assert accounted(block) == block.frames_in()


@pytest.mark.parametrize("on_overload", ["block", "drop"])
def test_a_flowgraph_can_run_again(on_overload):
    frames = received(20)
    block, sink, flowgraph = receiver(BOOK, 1, on_overload=on_overload), collector(), gr.top_block()
    vector = blocks.vector_source_c(frames.ravel().tolist(), False, LENGTH)
    flowgraph.connect(vector, block)
    sink.listen_to(flowgraph, block)
    for total in (20, 40):
        flowgraph.run()
        vector.rewind()
        assert block.frames_in() == accounted(block) == total
        assert len(sink.reports) == total
        assert sink.statuses[-1]["final"]
    assert [report.frame_id for report in sink.reports] == list(range(40))
