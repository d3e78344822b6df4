# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from gr_jadce.blocks import occasion_demodulator, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.pilots import Preambles, make_pilots, preamble_book
from gr_jadce.random_access import Occasion

BOOK = preamble_book(Preambles("A1", 30e3, cyclic_shift=46))
RATE, PERIOD, N_SLOTS = 7.68e6, 1000, 60


def connected(flowgraph, **options):
    """A source of occasions of two antennas, and the demodulator behind its framer."""
    source = uplink_source(BOOK, 2, slot_period=PERIOD, n_slots=N_SLOTS, rate=RATE, seed=1, **options)
    occasion = Occasion(BOOK.preambles, RATE)
    framer = pilot_framer(occasion.body, 2, PERIOD, offset=occasion.offset, delay=occasion.offset, rate=RATE)
    demodulator = occasion_demodulator(BOOK, 2, RATE)
    for antenna in range(2):
        flowgraph.connect((source, antenna), (framer, antenna))
    flowgraph.connect(framer, demodulator)
    return source, demodulator


def test_a_receiver_behind_it_finds_the_preambles():
    flowgraph, score, reports = gr.top_block(), scorer(), blocks.message_debug()
    propagation = {"max_delay": 15.0, "max_offset": 400 / BOOK.preambles.bandwidth}
    source, demodulator = connected(flowgraph, n_active=2, snr_db=10.0, propagation=propagation)
    detector = receiver(BOOK, 2)
    flowgraph.connect(demodulator, detector)
    for block in (source, detector):
        for port in ("activity", "channel"):
            flowgraph.msg_connect((block, port), (score, "in"))
    flowgraph.msg_connect((detector, "activity"), (reports, "store"))
    flowgraph.run()
    assert detector.frames_solved() == N_SLOTS
    assert score.matched() == N_SLOTS
    assert score.miss_probability() < 0.15 and score.false_alarm_probability() < 0.002
    meta = pmt.to_python(pmt.car(reports.get_message(0)))
    assert meta["estimator"] == "preamble_search" and "delay" in meta


def test_frames_are_what_is_on_the_subcarriers():
    flowgraph = gr.top_block()
    _, demodulator = connected(flowgraph, n_active=1, snr_db=60.0)
    sink = blocks.vector_sink_c(BOOK.pilot_length * 2)
    flowgraph.connect(demodulator, sink)
    flowgraph.run()
    frame = np.array(sink.data()).reshape(N_SLOTS, BOOK.pilot_length, 2)[0, :, 0]
    shares = np.abs(BOOK.matrix.conj().T @ frame) ** 2 / np.sum(np.abs(frame) ** 2)
    assert shares.max() == pytest.approx(1, abs=1e-3)
    lengths = {pmt.to_python(tag.value) for tag in sink.tags() if str(tag.key) == "pilot_length"}
    assert lengths == {BOOK.pilot_length}


def test_other_books_and_rates_are_refused():
    with pytest.raises(ValueError, match="pilots: expected random access preambles"):
        occasion_demodulator(make_pilots("qpsk", 8, 8), 1)
    with pytest.raises(ValueError, match="rate: expected at least"):
        occasion_demodulator(BOOK, 1, 3.84e6)
    with pytest.raises(ValueError, match="waveform: expected none for random access preambles"):
        uplink_source(BOOK, rate=RATE, waveform={"samples_per_symbol": 4})
