# SPDX-License-Identifier: GPL-3.0-or-later
"""Stream tags of any key and value: every frame is cut and answered all the same."""

import numpy as np
import pmt
from collector import collector
from estimators import matched_filter
from gnuradio import blocks, gr
from hostile import NO_UTF8, PMT
from hypothesis import given, settings
from hypothesis import strategies as st

from gr_jadce import make_pilots
from gr_jadce.blocks import pilot_framer, receiver

L, N, T, FRAMES = 4, 6, 10, 30
BOOK = make_pilots("gaussian", N, L)
TIMES = st.tuples(st.sampled_from([0, 3, 2**40, 2**63, 2**64 - 1]), st.floats()).map(
    lambda time: pmt.make_tuple(pmt.from_uint64(time[0]), pmt.from_double(time[1]))
)
TOTALS = st.dictionaries(
    st.sampled_from(["gaps", "slots_lost", "partial_frames", "samples", "x"]),
    st.sampled_from([0, 3, -1, 2**62, "x", None]),
).map(pmt.to_pmt)
VALUES = st.one_of(PMT, TIMES, TOTALS, st.sampled_from([0, 1, 2**32, 2**64 - 1]).map(pmt.from_uint64))
NAMES = ["rx_time", "rx_rate", "frame_id", "slot_period", "framer", "corr_start", ""]
SHAPE = ["pilot_length", "n_antennas"]
KEYS = st.sampled_from(NAMES + SHAPE).map(pmt.intern) | NO_UTF8


def tags(n_items):
    return st.lists(st.builds(make_tag, st.integers(0, n_items - 1), KEYS, VALUES), min_size=1, max_size=6)


def make_tag(offset, key, value):
    tag = gr.tag_t()
    tag.offset, tag.key, tag.value = offset, key, value
    return tag


def run(*chain):
    flowgraph, sink = gr.top_block(), collector()
    flowgraph.connect(*chain)
    sink.listen_to(flowgraph, chain[-1])
    flowgraph.run()
    return sink


def make_receiver(**options):
    return receiver(BOOK, 1, matched_filter(BOOK), **options)


@settings(max_examples=60)
@given(found=tags(FRAMES), dropping=st.booleans())
def test_receiver_answers_frames_of_any_tags(found, dropping):
    source = blocks.vector_source_c(np.ones(FRAMES * L), False, L, found)
    block = make_receiver(on_overload="drop" if dropping else "block")
    sink = run(source, block)
    assert block.frames_solved() == block.frames_in() == len(sink.reports)
    assert len(sink.reports) == FRAMES or block.misfit
    assert sink.statuses[-1]["final"]


@settings(max_examples=60)
@given(found=tags(FRAMES * T), origin=st.sampled_from(["first", (3, 0.5)]))
def test_framer_takes_samples_of_any_tags(found, origin):
    source = blocks.vector_source_c(np.ones(FRAMES * T), False, 1, found)
    framer = pilot_framer(L, 1, T, slot_origin=origin, resync_tag="corr_start")
    block = make_receiver()
    run(source, framer, block)
    assert framer.samples() == FRAMES * T
    assert framer.frames() == block.frames_in() == block.frames_solved()


@settings(max_examples=60)
@given(found=st.lists(tags(FRAMES * T), min_size=3, max_size=3), origin=st.sampled_from(["first", (3, 0.5)]))
def test_framer_accounts_for_samples_of_any_tags_on_any_input(found, origin):
    framer, flowgraph = pilot_framer(L, 3, T, slot_origin=origin, resync_tag="corr_start"), gr.top_block()
    for port, of_port in enumerate(found):
        source = blocks.vector_source_c(np.ones(FRAMES * T), False, 1, of_port)
        flowgraph.connect(source, (framer, port))
    flowgraph.connect(framer, blocks.null_sink(8 * 3 * L))
    flowgraph.run()
    dropped = framer.dropped_samples()
    assert (
        framer.samples() + dropped >= FRAMES * T if framer.misalignments() else framer.samples() == FRAMES * T
    )
