# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks live as long as their flowgraph, no shorter (it would crash) and no longer (memory would fill)."""

import gc
import weakref

import numpy as np
import pytest
from estimators import matched_filter
from gnuradio import blocks, gr

from gr_jadce import make_pilots
from gr_jadce.blocks import json_sink, pilot_framer, receiver

BOOK = make_pilots("gaussian", 6, 4)


def chain(flowgraph, path):
    """Connect blocks that nothing else refers to; weak references to them."""
    made = pilot_framer(4, 1, 8), receiver(BOOK, 1, matched_filter(BOOK)), json_sink(path)
    flowgraph.connect(blocks.vector_source_c(np.ones(80), False), *made[:2])
    for port in ("activity", "channel", "status"):
        flowgraph.msg_connect((made[1], port), (made[2], "in"))
    return [weakref.ref(block) for block in made]


class holder(gr.hier_block2):
    def __init__(self, path):
        gr.hier_block2.__init__(self, "holder", gr.io_signature(0, 0, 0), gr.io_signature(0, 0, 0))
        self.references = chain(self, path)


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_blocks_live_and_die_with_their_flowgraph(runs, tmp_path):
    flowgraph = gr.top_block()
    references = chain(flowgraph, tmp_path / "out")
    gc.collect()
    for _ in range(runs):
        flowgraph.run()
    assert all(reference() for reference in references)
    del flowgraph
    gc.collect()
    assert not any(reference() for reference in references)


def test_blocks_that_were_never_connected_are_let_go(tmp_path):
    reference = weakref.ref(json_sink(tmp_path / "out"))
    gc.collect()
    assert reference() is None


def test_a_block_outlives_the_first_of_its_flowgraphs(tmp_path):
    first, second = gr.top_block(), gr.top_block()
    framer, sink = pilot_framer(4, 1, 8), blocks.null_sink(4 * gr.sizeof_gr_complex)
    for flowgraph in (first, second):
        flowgraph.connect(blocks.vector_source_c(np.ones(80), False), framer, sink)
    reference = weakref.ref(framer)
    del first, flowgraph, framer
    gc.collect()
    second.run()
    assert reference().frames() == 10


def test_blocks_of_a_hierarchical_block_survive_it(tmp_path):
    flowgraph, block = gr.top_block(), holder(tmp_path / "out")
    references = block.references
    flowgraph.connect(block)
    del block
    gc.collect()
    flowgraph.run()
    assert references[0]().frames() == 10
