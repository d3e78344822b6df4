# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain with devices out of step, through GNU Radio: shaped bursts to scored reports.

8 of 64 devices at random, L = 32, 4 samples a symbol, roll-off 0.25, 1 Msymbol/s, 15 dB, four
antennas, carrier offsets within ± 200 Hz; the base station knows the ranges only.
"""

from gnuradio import filter, gr

from gr_jadce.blocks import pilot_framer, receiver, scorer, uplink_source
from gr_jadce.pilots import make_pilots
from gr_jadce.waveform import Waveform

N_SLOTS, N_ANTENNAS = 1000, 4


def chain(propagation, waveform, asynchrony, false_alarm):
    """The scorer after `N_SLOTS` slots."""
    book = make_pilots("qpsk", 64, 32, seed=3)
    late = int(propagation["max_delay"] * 4 + 1)
    period = waveform.n_samples(32) + late + 40
    source = uplink_source(
        *(book, N_ANTENNAS), n_active=8, snr_db=15, slot_period=period, n_slots=N_SLOTS, rate=4e6, seed=1,
        propagation=propagation, waveform=waveform,
    )  # fmt: skip
    framer = pilot_framer(32, N_ANTENNAS, period, offset=waveform.offset, rate=4e6, samples_per_symbol=4)
    detector = receiver(book, N_ANTENNAS, false_alarm=false_alarm, asynchrony=asynchrony)
    flowgraph, score = gr.top_block(), scorer()
    filters = [filter.fir_filter_ccf(1, waveform.taps.tolist()) for _ in range(N_ANTENNAS)]
    for antenna, matched in enumerate(filters):
        flowgraph.connect((source, antenna), matched, (framer, antenna))
    flowgraph.connect(framer, detector)
    for block in (source, detector):
        for port in ("activity", "channel"):
            flowgraph.msg_connect((block, port), (score, "in"))
    flowgraph.msg_connect((detector, "status"), (score, "in"))
    flowgraph.run()
    assert score.matched() == N_SLOTS
    return score


def test_fractional_delays():
    score = chain({"max_delay": 0.5, "max_offset": 2e-4}, Waveform(4), {"max_offset": 2e-4}, 5e-3)
    assert score.miss_probability() <= 0.02
    assert score.false_alarm_probability() <= 0.01


def test_delays_of_up_to_eight_symbols_within_a_cyclic_prefix():
    asynchrony = {"max_delay": 8, "max_offset": 2e-4, "prefix": 9}
    propagation = {"max_delay": 8.0, "max_offset": 2e-4}
    score = chain(propagation, Waveform(4, cyclic_prefix=9), asynchrony, 5e-3)
    assert score.miss_probability() <= 0.05
    assert score.false_alarm_probability() <= 0.01
