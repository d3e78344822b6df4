# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from gr_jadce.blocks import ofdm_demodulator, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.pilots import make_pilots
from gr_jadce.slots.ofdm import ofdm_book
from gr_jadce.waveform import Ofdm

BOOK = make_pilots("qpsk", 64, 32, seed=3)
WAVEFORM = Ofdm(4, cyclic_prefix=9)
PERIOD = WAVEFORM.n_samples(32) + 40
N_SLOTS = 300


def frames_of(flowgraph, n_antennas, **options):
    """A source of OFDM bursts, and the demodulator behind its framer."""
    source = uplink_source(
        *(BOOK, n_antennas), n_active=8, slot_period=PERIOD, n_slots=N_SLOTS, rate=4e6, seed=1,
        waveform={"ofdm": True, "samples_per_symbol": 4, "cyclic_prefix": 9}, **options,
    )  # fmt: skip
    offset = WAVEFORM.offset
    framer = pilot_framer(32 * 4, n_antennas, PERIOD, offset=offset, delay=offset, rate=4e6)
    demodulator = ofdm_demodulator(32, n_antennas, 4)
    for antenna in range(n_antennas):
        flowgraph.connect((source, antenna), (framer, antenna))
    flowgraph.connect(framer, demodulator)
    return source, demodulator


def test_a_receiver_behind_it_finds_devices_out_of_step():
    flowgraph, score = gr.top_block(), scorer()
    propagation = {"max_delay": 8.0, "max_offset": 2e-4}
    source, demodulator = frames_of(flowgraph, 4, snr_db=15, propagation=propagation)
    asynchrony = {"max_delay": 8, "max_offset": 2e-4, "prefix": 8, "roll_off": 0.0}
    detector = receiver(ofdm_book(BOOK), 4, false_alarm=5e-3, asynchrony=asynchrony)
    flowgraph.connect(demodulator, detector)
    for block in (source, detector):
        for port in ("activity", "channel"):
            flowgraph.msg_connect((block, port), (score, "in"))
    flowgraph.run()
    assert score.matched() == N_SLOTS
    assert score.miss_probability() <= 0.05
    assert score.false_alarm_probability() <= 0.01


def test_tags_go_along_with_the_length_that_is_theirs_now():
    flowgraph, sink = gr.top_block(), blocks.vector_sink_c(32)
    _, demodulator = frames_of(flowgraph, 1, gaps=[(10 * PERIOD, 2 * PERIOD)])
    flowgraph.connect(demodulator, sink)
    flowgraph.run()
    tags = [(tag.offset, pmt.symbol_to_string(tag.key), pmt.to_python(tag.value)) for tag in sink.tags()]
    assert (0, "pilot_length", 32) in tags
    assert (10, "frame_id", 12) in tags
    assert len(sink.data()) == (N_SLOTS - 2) * 32
    assert np.isfinite(sink.data()).all()


@pytest.mark.parametrize("arguments", [(0, 1, 4), (8, 0, 4), (8, 1, 1)])
def test_arguments_out_of_range_are_named(arguments):
    with pytest.raises(ValueError, match="expected"):
        ofdm_demodulator(*arguments)


def test_the_book_keeps_names():
    named = make_pilots("qpsk", 3, 8, seed=1, device_id=["a", "b", "c"])
    assert ofdm_book(named).device_id.tolist() == ["a", "b", "c"]
    assert ofdm_book(named).matrix == pytest.approx(WAVEFORM.sequences(named.matrix), abs=1e-6)
