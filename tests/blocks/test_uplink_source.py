# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink: the samples of `simulate_slots`, UHD's tags, and the truth before the samples."""

import numpy as np
import pmt
import pytest
from collector import collector
from gnuradio import blocks, filter, gr
from gnuradio.blocks import vector_sink_c

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.blocks import json_sink, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.reports.json_lines import from_json
from gr_jadce.uplink import simulate_slots
from gr_jadce.waveform import Waveform

BOOK = make_pilots("gaussian", 30, 10, seed=1)
T = 26


def run(source, n_antennas=1):
    """Samples (n, M) and the tags [{offset, key, value}] of every antenna."""
    flowgraph, sinks = gr.top_block(), [vector_sink_c() for _ in range(n_antennas)]
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((source, antenna), sink)
    flowgraph.run()
    samples = np.stack([np.array(sink.data(), np.complex64) for sink in sinks], axis=1)
    return samples, [tags_of(sink) for sink in sinks]


def tags_of(sink):
    return [(tag.offset, pmt.symbol_to_string(tag.key), pmt.to_python(tag.value)) for tag in sink.tags()]


def truth_of(source, path, n_antennas=1):
    """The truth reports of a run, through a JSON sink that ends with the source."""
    flowgraph, sink = gr.top_block(), json_sink(path)
    for antenna in range(n_antennas):
        flowgraph.connect((source, antenna), blocks.null_sink(gr.sizeof_gr_complex))
    for port in ("activity", "channel"):
        flowgraph.msg_connect((source, port), (sink, "in"))
    flowgraph.run()
    return [from_json(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("n_antennas", [1, 3])
@pytest.mark.parametrize(("slot_period", "n_slots"), [(10, 1500), (T, 150), (20_011, 12)])
def test_samples_are_those_of_the_simulation(n_antennas, slot_period, n_slots):
    scenario = Scenario(BOOK, n_antennas, activity_rate=0.2, snr_db=12, power_spread_db=3)
    source = uplink_source(
        *(BOOK, n_antennas, 0.2),
        snr_db=12,
        power_spread_db=3,
        slot_period=slot_period,
        n_slots=n_slots,
        seed=7,
    )
    samples, _ = run(source, n_antennas)
    expected, _ = simulate_slots(scenario, slot_period, n_slots, seed=7)
    np.testing.assert_array_equal(samples, expected)


def test_the_slot_period_is_a_pilot_and_a_guard_of_16_by_default():
    samples, _ = run(uplink_source(BOOK, n_slots=3))
    np.testing.assert_array_equal(samples, simulate_slots(Scenario(BOOK), 26, 3)[0])


def test_pilots_are_also_an_array_or_a_file(tmp_path):
    BOOK.save(tmp_path / "book.npz")
    samples = [
        run(uplink_source(pilots, n_slots=3))[0] for pilots in (BOOK, BOOK.matrix, tmp_path / "book.npz")
    ]
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(samples[0], samples[2])


def uhd_tags(offset, time, rate):
    return [(offset, "rx_freq", 0.0), (offset, "rx_rate", rate), (offset, "rx_time", time)]


def test_the_first_sample_of_every_antenna_is_tagged():
    _, tags = run(uplink_source(BOOK, 3, n_slots=3, rate=2e6, start_time=(17, 0.25)), 3)
    for of_antenna in tags:
        assert sorted(of_antenna) == uhd_tags(0, (17, 0.25), 2e6)


GAPS = [(0, 5), (100, 1), (101, 200), (1000, 26 * 90), (26 * 300 - 13, 13)]


def test_gaps_are_left_out_and_tagged_anew_on_every_antenna():
    rate = 1e6
    samples, tags = run(uplink_source(BOOK, 2, n_slots=300, gaps=GAPS, rate=rate, start_time=(3, 0.999)), 2)
    expected, _ = simulate_slots(Scenario(BOOK, 2), T, 300)
    kept = np.ones(len(expected), bool)
    for first, length in GAPS:
        kept[first : first + length] = False
    np.testing.assert_array_equal(samples, expected[kept])
    wanted = []
    for position in (5, 301, 1000 + 26 * 90):
        offset, micros = np.count_nonzero(kept[:position]), 999_000 + position
        wanted += uhd_tags(offset, (3 + micros // 1_000_000, pytest.approx(micros % 1_000_000 / rate)), rate)
    for of_antenna in tags:
        assert sorted(of_antenna, key=lambda tag: tag[:2]) == wanted


def test_time_is_exact_after_years_at_a_rate_that_is_no_power_of_ten():
    rate, first = 30.72e6 / 7, 40
    source = uplink_source(BOOK, n_slots=4, rate=rate, start_time=(1_700_000_000, 0.75), gaps=[(0, first)])
    _, (tags,) = run(source)
    ((seconds, fraction),) = [value for _, name, value in tags if name == "rx_time"]
    assert seconds == 1_700_000_000
    assert fraction == pytest.approx(0.75 + first / rate, abs=1e-15)


def test_truth_is_that_of_the_simulation(tmp_path):
    source = uplink_source(
        BOOK, 2, 0.3, snr_db=7, n_slots=100, rate=1e3, start_time=(5, 0.5), seed=3, send_eof=True
    )
    reports = truth_of(source, tmp_path / "truth", 2)
    uplink = simulate(Scenario(BOOK, 2, 0.3, snr_db=7), 100, seed=3)
    assert [report.frame_id for report in reports] == list(range(100))
    for k, report in enumerate(reports):
        np.testing.assert_array_equal(report.device, np.flatnonzero(uplink.activity[k]))
        np.testing.assert_array_equal(report.channel, uplink.channel[k, report.device])
        assert sum(report.rx_time) == pytest.approx(5.5 + k * T / 1e3)
        assert (report.estimator, report.status, report.snr_db) == ("truth", "ok", 7)
        assert (report.noise_var, report.n_devices) == (uplink.noise_var, 30)


def test_truth_names_the_devices_of_a_book_with_names(tmp_path):
    names = [f"sensor {n}" for n in range(30)]
    book = make_pilots("gaussian", 30, 10, seed=1, device_id=names)
    for report in truth_of(uplink_source(book, n_slots=5, send_eof=True), tmp_path / "truth"):
        assert report.device_id == tuple(names[n] for n in report.device)


def test_truth_comes_before_its_samples():
    """A stream block that asks, at every call, how much truth has come."""
    slot_period, late = 1000, []

    class watcher(gr.sync_block):
        def __init__(self):
            gr.sync_block.__init__(self, "watcher", in_sig=[np.complex64], out_sig=None)
            self.message_port_register_in(pmt.intern("in"))

        def work(self, input_items, output_items):
            slots_begun = -(-(self.nitems_read(0) + len(input_items[0])) // slot_period)
            late.append(slots_begun > self.nmsgs(pmt.intern("in")))
            return len(input_items[0])

    flowgraph, source, sink = (
        gr.top_block(),
        uplink_source(BOOK, slot_period=slot_period, n_slots=200),
        watcher(),
    )
    flowgraph.connect(source, sink)
    flowgraph.msg_connect((source, "channel"), (sink, "in"))
    flowgraph.run()
    assert len(late) > 1
    assert not any(late)


def test_a_fixed_number_of_devices_can_be_active(tmp_path):
    reports = truth_of(uplink_source(BOOK, n_active=4, n_slots=20, send_eof=True), tmp_path / "truth")
    assert {len(report.device) for report in reports} == {4}


def test_bursts_out_of_step_are_received_with_their_delays():
    book = make_pilots("qpsk", 64, 32, seed=3)
    waveform = Waveform(4)
    source = uplink_source(
        book,
        n_antennas=4,
        n_active=8,
        snr_db=15,
        n_slots=60,
        waveform={"samples_per_symbol": 4},
        propagation={"max_delay": 0.5, "max_offset": 2e-4},
    )
    framer = pilot_framer(
        32, 4, waveform.n_samples(32) + 2 + 16, offset=waveform.offset, samples_per_symbol=4
    )
    block = receiver(book, 4, false_alarm=5e-3, asynchrony={"max_offset": 2e-4})
    flowgraph, score, sink = gr.top_block(), scorer(), collector()
    filters = [filter.fir_filter_ccf(1, waveform.taps.tolist()) for _ in range(4)]
    for antenna, matched in enumerate(filters):
        flowgraph.connect((source, antenna), matched, (framer, antenna))
    flowgraph.connect(framer, block)
    sink.listen_to(flowgraph, block)
    for port in ("activity", "channel"):
        flowgraph.msg_connect((source, port), (score, "in"))
    for port in ("activity", "channel", "status"):
        flowgraph.msg_connect((block, port), (score, "in"))
    flowgraph.run()
    assert score.matched() == 60
    assert score.miss_probability() <= 0.02
    assert score.false_alarm_probability() <= 0.01
    assert score.nmse_db() < -15
    assert all(len(report.delay) == len(report.device) for report in sink.reports)


def test_a_converter_limits_and_rounds_the_samples():
    samples = run(uplink_source(BOOK, n_slots=20, full_scale=0.25, n_bits=3))[0]
    parts = np.unique(samples.view(np.float32))
    assert np.array_equal(parts, np.arange(-4, 4) / 16)
