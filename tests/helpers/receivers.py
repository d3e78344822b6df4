# SPDX-License-Identifier: GPL-3.0-or-later
"""Receivers in flowgraphs that end, or do not."""

import time

import pmt
from collector import collector
from gnuradio import blocks, gr

from gr_jadce.pilots import make_pilots
from gr_jadce.uplink import Scenario, simulate

LENGTH = 32
BOOK = make_pilots("gaussian", n_devices=50, pilot_length=LENGTH, seed=3)
TIMEOUT_S = 60  # only a failing test waits that long


def received(n_frames, n_antennas=1, seed=5):
    return simulate(Scenario(BOOK, n_antennas, snr_db=15.0), n_frames, seed).received


def tag(offset, key, value):
    result = gr.tag_t()
    result.offset, result.key, result.value = offset, pmt.intern(key), value
    return result


def frames_into(block, frames, tags=()):
    """A flowgraph that gives (B, L, M) frames to a receiver, and what collects its messages."""
    flowgraph, sink = gr.top_block(), collector()
    vector = blocks.vector_source_c(frames.ravel().tolist(), False, frames[0].size, list(tags))
    flowgraph.connect(vector, block)
    sink.listen_to(flowgraph, block)
    return flowgraph, sink


def run(block, frames, tags=(), max_items=100_000_000):
    flowgraph, sink = frames_into(block, frames, tags)
    flowgraph.run(max_items)
    return sink


def wait_for(condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def accounted(block):
    return block.frames_solved() + block.frames_dropped() + block.frames_bad()


def endless(block):
    flowgraph, sink = gr.top_block(), collector()
    vector = blocks.vector_source_c(received(50).ravel().tolist(), True, LENGTH)
    flowgraph.connect(vector, blocks.head(8 * LENGTH, 10**9), block)
    sink.listen_to(flowgraph, block)
    return flowgraph, sink
