# SPDX-License-Identifier: GPL-3.0-or-later
"""A block that has died is found; one that waits, works for long, or has ended is not."""

import threading
import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from publisher import publisher
from waiting import LIMIT_S

from gr_jadce import make_pilots
from gr_jadce.blocks import pilot_framer, receiver, scorer
from gr_jadce.blocks.support.watchdog import dead_blocks, dead_threads


class slow_sink(gr.sync_block):
    """Takes what it gets, and waits in between for `go`."""

    def __init__(self, fails=False):
        gr.sync_block.__init__(self, "a sink with a long name", in_sig=[np.complex64], out_sig=None)
        self.entered, self.go, self.fails = threading.Event(), threading.Event(), fails

    def work(self, input_items, output_items):
        self.entered.set()
        self.go.wait(LIMIT_S)
        if self.fails:
            raise RuntimeError("as the test wants")
        return len(input_items[0])


def wait_for(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def run():
    """Start a flowgraph of a source, a head and a sink."""
    flowgraphs = []

    def start(sink, n_samples):
        flowgraph = gr.top_block()
        chain = [blocks.null_source(gr.sizeof_gr_complex), blocks.head(gr.sizeof_gr_complex, n_samples), sink]
        flowgraph.connect(*chain)
        flowgraph.start()
        flowgraphs.append((flowgraph, sink))
        return chain

    yield start
    for flowgraph, sink in flowgraphs:
        sink.go.set()
        flowgraph.stop()
        flowgraph.wait()


def test_a_block_in_long_work_is_alive_and_one_that_raised_is_dead(run):
    sink = slow_sink(fails=True)
    chain = run(sink, 10**12)
    assert sink.entered.wait(LIMIT_S)
    assert dead_blocks(chain) == []
    sink.go.set()
    wait_for(lambda: dead_blocks(chain) == [sink.name()])


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_blocks_of_any_number_are_alive(run, digits):
    while slow_sink().unique_id() < 10 ** (digits - 1):
        pass
    sink = slow_sink()
    chain = run(sink, 10**12)
    assert sink.entered.wait(LIMIT_S)
    assert dead_blocks(chain) == []


def test_of_two_blocks_with_threads_of_one_name_the_dead_one_counts(run):
    first, second = slow_sink(fails=True), slow_sink()
    chains = [run(sink, 10**12) for sink in (first, second)]
    first.go.set()
    wait_for(lambda: dead_blocks(chains[0] + chains[1]))
    assert second.name() in dead_blocks(chains[0] + chains[1])


@pytest.mark.parametrize("n_samples", [0, 1, 100_000])
def test_blocks_at_the_end_of_a_stream_are_not_dead(run, n_samples):
    sink = slow_sink()
    chain = run(sink, n_samples)
    sink.go.set()
    found = []
    wait_for(lambda: found.extend(dead_blocks(chain)) or sink.detail().done())
    assert found == []


def test_a_message_block_that_has_ended_is_not_dead():
    flowgraph, sink = gr.top_block(), scorer()
    source = publisher([pmt.PMT_EOF], delay=0.1)
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    assert dead_blocks([sink]) == []  # not even started
    flowgraph.start()
    found = []
    wait_for(lambda: found.extend(dead_blocks([sink])) or sink.finished())
    flowgraph.wait()
    assert found == dead_blocks([sink]) == []


def test_a_thread_of_a_receiver_that_has_ended_is_told():
    book = make_pilots("gaussian", 6, 5)
    framer, solver = pilot_framer(5, 1, 5), receiver(book, 1, on_overload="drop")
    flowgraph = gr.top_block()
    source = blocks.throttle(gr.sizeof_gr_complex, 1000)
    flowgraph.connect(blocks.null_source(gr.sizeof_gr_complex), source, framer, solver)
    names = ("gr_jadce status", "gr_jadce backlog")
    flowgraph.start()
    found = [dead_threads(solver, names) for _ in range(50)]
    solver._backlog.close()  # in place of an exception
    ended = dead_threads(solver, names)
    flowgraph.stop()
    flowgraph.wait()
    assert not any(found)
    assert ended == ["gr_jadce backlog"]
