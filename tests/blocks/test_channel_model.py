# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio's channel model drops its first samples but not their tags: told, and set right."""

import pytest
from gnuradio import channels, gr

from gr_jadce import make_pilots
from gr_jadce.blocks import pilot_framer, receiver, scorer, uplink_source

BOOK = make_pilots("qpsk", 60, 32, seed=1)
PERIOD = 50


def run(**framer_options):
    """Score and receiver of an uplink through a channel model."""
    source = uplink_source(BOOK, 1, 0.05, slot_period=PERIOD, n_slots=100, snr_db=20.0, start_time=(5, 0.0))
    model = channels.channel_model(0.0, 0.0, 1.0, [1.0])
    framer, detector = pilot_framer(32, 1, PERIOD, slot_origin=(5, 0.0), **framer_options), receiver(BOOK, 1)
    flowgraph, score = gr.top_block(), scorer()
    flowgraph.connect(source, model, framer, detector)
    for block in (source, detector):
        for port in ("activity", "channel"):
            flowgraph.msg_connect((block, port), (score, "in"))
    flowgraph.run()
    return score, detector


def test_the_receiver_says_by_how_much_pilots_are_off_the_grid(capfd):
    score, detector = run()
    assert score.miss_probability() > 0.9
    assert detector.pilot_shift() == -3
    assert "pilots come 3 symbols before the place where frames are cut: add -3" in capfd.readouterr().out


def test_the_documented_offset_sets_it_right(capfd):
    score, detector = run(offset=-3, delay=-3)
    assert score.matched() == 99  # the first pilot has lost its first samples
    assert score.miss_probability() < 0.05
    assert score.false_alarm_probability() < 0.01
    assert detector.pilot_shift() == 0
    assert "pilots come" not in capfd.readouterr().out


@pytest.mark.parametrize(("offset", "delay"), [(0, 0), (7, 7), (7, 0)])
def test_pilots_in_place_are_left_alone(offset, delay, capfd):
    source = uplink_source(BOOK, 1, 0.05, slot_period=PERIOD, n_slots=100, snr_db=20.0)
    framer, detector = pilot_framer(32, 1, PERIOD, offset=offset, delay=delay), receiver(BOOK, 1)
    flowgraph = gr.top_block()
    flowgraph.connect(source, framer, detector)
    flowgraph.run()
    assert detector.pilot_shift() == -offset
    assert ("pilots come" in capfd.readouterr().out) == (offset > 0)
