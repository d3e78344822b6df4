# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a reception, made from its settings."""

from types import SimpleNamespace

import pmt
import pytest
from gnuradio import blocks, gr

from gr_jadce import make_pilots
from gr_jadce.programs.receiver_chain import framer_of
from gr_jadce.programs.settings import SlotGrid
from gr_jadce.waveform import Waveform


@pytest.mark.parametrize("waveform", [None, Waveform(4)])
def test_a_negative_offset_is_taken_with_and_without_a_matched_filter(waveform):
    settings = SimpleNamespace(grid=SlotGrid(200, offset=-3), waveform=waveform, payload=None)
    source = SimpleNamespace(n_antennas=2, rate=1e6)
    assert framer_of(settings, make_pilots("qpsk", 20, 16), source).frames() == 0


@pytest.mark.parametrize("hold_rate", [False, True])
def test_a_held_rate_is_kept_whatever_the_tags_tell(hold_rate):
    settings = SimpleNamespace(grid=SlotGrid(200, hold_rate=hold_rate), waveform=None, payload=None)
    source = SimpleNamespace(n_antennas=1, rate=1e6)
    framer = framer_of(settings, make_pilots("qpsk", 20, 16), source)
    tag = gr.tag_utils.python_to_tag((0, pmt.intern("rx_rate"), pmt.from_double(4e6), pmt.PMT_F))
    samples, frames = blocks.vector_source_c([1.0] * 1000, False, 1, [tag]), blocks.vector_sink_c(16)
    flowgraph = gr.top_block()
    flowgraph.connect(samples, framer, frames)
    flowgraph.run()
    rates = [pmt.to_double(tag.value) for tag in frames.tags() if pmt.eq(tag.key, pmt.intern("rx_rate"))]
    assert set(rates) == {1e6 if hold_rate else 4e6}
    assert framer.rate_conflicts() == 1
