# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts in their slots: samples, times and truth are exactly those asked for."""

import numpy as np
import pmt
import pytest
from collector import collector
from gnuradio import blocks, filter, gr
from waiting import wait_until

from gr_jadce.blocks import pilot_framer, receiver, scorer, uplink_transmitter
from gr_jadce.pilots import make_pilots
from gr_jadce.reports.json_lines import to_json
from gr_jadce.uplink.activity import RandomActivity
from gr_jadce.uplink.bursts import Bursts
from gr_jadce.waveform import Waveform

BOOK = make_pilots("qpsk", 20, 16, seed=1)
WAVEFORM = Waveform(4)
DEVICES = [2, 5, 11, 17]
PERIOD = 200


def run(block):
    """The samples, {offset: {tag: value}} and the truth of a run."""
    flowgraph, samples, truth = gr.top_block(), blocks.vector_sink_c(), collector()
    flowgraph.connect(block, samples)
    truth.listen_to(flowgraph, block, ("activity", "channel"))
    flowgraph.run()
    tags = {}
    for tag in samples.tags():
        tags.setdefault(tag.offset, {})[pmt.symbol_to_string(tag.key)] = pmt.to_python(tag.value)
    return np.array(samples.data(), np.complex64), tags, truth.reports


def test_every_burst_has_its_samples_and_its_time():
    block = uplink_transmitter(
        BOOK,
        DEVICES,
        PERIOD,
        slot_origin=(7, 0.5),
        first_slot=3,
        n_slots=50,
        send_eof=True,
        activity=0.3,
        seed=9,
        backoff_db=20,
    )
    samples, tags, truth = run(block)
    bursts, activity = Bursts(BOOK, WAVEFORM, DEVICES, 20), RandomActivity(0.3, 9)
    assert [report.frame_id for report in truth] == list(range(3, 53))
    position = 0
    for report in truth:
        active = activity.active(report.frame_id, np.array(DEVICES))
        assert np.array_equal(report.device, active)
        start = 7.5 + report.frame_id * PERIOD / 1e6
        assert report.rx_time == (7, pytest.approx(start - 7, abs=1e-9))
        if not len(active):
            continue
        burst = samples[position : position + len(bursts)]
        assert np.array_equal(burst, bursts.of(active)[0])
        assert tags.pop(position) == {"tx_sob": True, "tx_time": (7, pytest.approx(start - 7, abs=1e-9))}
        assert tags.pop(position + len(bursts) - 1) == {"tx_eob": True}
        position += len(bursts)
    assert position == len(samples) > 0
    assert not tags
    assert block.slots() == 50


def test_continuous_samples_hold_the_bursts_in_their_slots():
    block = uplink_transmitter(BOOK, DEVICES, PERIOD, n_slots=10, activity=3, continuous=True, send_eof=True)
    samples, tags, truth = run(block)
    assert not tags
    slots = samples.reshape(10, PERIOD)
    for slot, report in zip(slots, truth, strict=True):
        assert slot.any() == bool(len(report.device))
        assert not slot[WAVEFORM.n_samples(16) :].any()


def test_a_truth_log_is_a_script(tmp_path):
    script = tmp_path / "truth.jsonl"
    _, _, truth = run(
        uplink_transmitter(BOOK, DEVICES, PERIOD, n_slots=30, activity=0.4, seed=2, send_eof=True)
    )
    script.write_text("".join(to_json(report) + "\n" for report in truth))
    _, _, again = run(uplink_transmitter(BOOK, DEVICES, PERIOD, activity=str(script), send_eof=True))
    assert [to_json(report) for report in again] == [to_json(report) for report in truth]


def test_sums_that_would_clip_are_counted():
    block = uplink_transmitter(BOOK, range(20), PERIOD, n_slots=5, activity=1.0, backoff_db=8, send_eof=True)
    samples, _, truth = run(block)
    assert block.scaled() == 5
    assert np.abs(samples.view(np.float32)).max() == pytest.approx(1)
    alone = Bursts(BOOK, WAVEFORM, range(20), 8).gains(np.array([4]))[0]
    assert truth[0].channel[4, 0].real < alone


def test_what_is_sent_is_received():
    block = uplink_transmitter(
        BOOK, DEVICES, PERIOD, n_slots=200, activity=0.3, continuous=True, backoff_db=20, rate=4e6
    )
    flowgraph, score = gr.top_block(), scorer()
    matched = filter.fir_filter_ccf(1, WAVEFORM.taps.tolist())
    framer = pilot_framer(16, 1, PERIOD, offset=WAVEFORM.offset, samples_per_symbol=4)
    detector = receiver(BOOK, 1, noise_var=1e-5)
    flowgraph.connect(block, matched, framer, detector)
    for source in (block, detector):
        for port in ("activity", "channel"):
            flowgraph.msg_connect((source, port), (score, "in"))
    flowgraph.run()
    assert score.matched() == 200
    assert score.activity_error_rate() < 0.01
    assert score.nmse_db() < -15


def test_a_transmitter_with_nothing_to_send_stops():
    flowgraph, block = gr.top_block(), uplink_transmitter(BOOK, DEVICES, PERIOD, activity=0.0)
    flowgraph.connect(block, blocks.null_sink(gr.sizeof_gr_complex))
    flowgraph.start()
    wait_until(lambda: block.slots() > 0, "a slot")
    flowgraph.stop()
    flowgraph.wait()
    assert block.slots() > 0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"slot_period": 50}, "slot_period"),
        ({"devices": [20]}, "devices"),
        ({"slot_origin": "first"}, "slot_origin"),
        ({"activity": 1.5}, "activity_rate"),
        ({"activity": -1}, "activity_rate"),
        ({"backoff_db": 0.0}, "backoff_db"),
        ({"rate": 0}, "rate"),
        ({"first_slot": -1}, "first_slot"),
        ({"waveform": {"roll_off": 2}}, "roll_off"),
    ],
)
def test_wrong_arguments_are_named(options, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        uplink_transmitter(**{"pilots": BOOK, "devices": DEVICES, "slot_period": PERIOD} | options)
