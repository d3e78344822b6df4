# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink while it runs: throttled, changed, stopped and started; and wrong arguments."""

import gc
import threading
import time

import numpy as np
import pytest
from gnuradio import blocks, gr
from gnuradio.blocks import vector_sink_c
from waiting import wait_until

from gr_jadce import Scenario, make_pilots
from gr_jadce.blocks import json_sink, uplink_source
from gr_jadce.reports.json_lines import from_json
from gr_jadce.uplink import simulate_slots

BOOK = make_pilots("gaussian", 30, 10, seed=1)
T = 26


def run(source):
    """The samples of one antenna."""
    flowgraph, sink = gr.top_block(), vector_sink_c()
    flowgraph.connect(source, sink)
    flowgraph.run()
    return np.array(sink.data(), np.complex64)


def test_settings_change_from_another_thread_and_hold_for_whole_slots(tmp_path):
    source = uplink_source(BOOK, snr_db=0.0, activity_rate=0.1, slot_period=100, rate=100e3, throttle=True)
    flowgraph, sink, log = gr.top_block(), vector_sink_c(), json_sink(tmp_path / "truth")
    flowgraph.connect(source, sink)
    for port in ("activity", "channel"):
        flowgraph.msg_connect((source, port), (log, "in"))

    def change():
        for snr_db in range(200):
            source.set_snr_db(snr_db)
            source.set_activity_rate(0.1 + 0.004 * snr_db)
            time.sleep(0.001)

    flowgraph.start()
    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    enough = len(sink.data()) + 20_000
    while len(sink.data()) < enough:
        time.sleep(0.05)
    flowgraph.stop()
    flowgraph.wait()
    samples = np.array(sink.data(), np.complex64)
    truth = [from_json(line) for line in (tmp_path / "truth").read_text().splitlines()]
    assert len(truth) >= len(samples) // 100
    assert {report.snr_db for report in truth} <= set(range(200))
    assert truth[-1].snr_db == 199.0
    for report, slot in zip(truth, samples[: len(samples) // 100 * 100].reshape(-1, 100), strict=False):
        noise = slot[:10] - BOOK.matrix[:, report.device] @ report.channel[:, 0]
        assert np.sqrt(np.mean(np.abs(slot[10:]) ** 2) / report.noise_var) == pytest.approx(1, abs=0.5)
        assert np.sqrt(np.mean(np.abs(noise) ** 2) / report.noise_var) < 3
    with pytest.raises(ValueError, match=r"^activity_rate: "):
        source.set_activity_rate(1.5)
    with pytest.raises(ValueError, match=r"^snr_db: "):
        source.set_snr_db(np.nan)


def test_throttled_samples_are_no_faster_than_their_rate():
    started = time.monotonic()
    run(uplink_source(BOOK, slot_period=1000, n_slots=30, rate=100e3, throttle=True))
    assert time.monotonic() - started >= 0.3


def test_a_throttled_source_keeps_up_with_its_rate():
    source, sink, flowgraph = (
        uplink_source(BOOK, slot_period=2000, rate=200e3, throttle=True),
        vector_sink_c(),
        gr.top_block(),
    )
    flowgraph.connect(source, sink)
    started = time.monotonic()
    flowgraph.start()
    wait_until(lambda: len(sink.data()) > 100e3, "half a second of samples")
    count, seconds = len(sink.data()), time.monotonic() - started
    flowgraph.stop()
    flowgraph.wait()
    assert count <= 200e3 * seconds + 100e3


@pytest.mark.parametrize("rate", [1e5, 1.0])
def test_a_throttled_source_stops_quickly(rate):
    source, flowgraph = uplink_source(BOOK, rate=rate, throttle=True), gr.top_block()
    flowgraph.connect(source, blocks.null_sink(gr.sizeof_gr_complex))
    flowgraph.start()
    time.sleep(0.1)
    started = time.monotonic()
    flowgraph.stop()
    flowgraph.wait()
    assert time.monotonic() - started < 20  # a slot takes longer at the lower rate


def test_an_endless_source_stops_and_goes_on():
    flowgraph, head, sink = gr.top_block(), blocks.head(gr.sizeof_gr_complex, 20_000), vector_sink_c()
    source = uplink_source(BOOK)
    flowgraph.connect(source, head, sink)
    flowgraph.run()
    np.testing.assert_array_equal(
        np.array(sink.data(), np.complex64)[:, None], simulate_slots(Scenario(BOOK), T, 770)[0][:20_000]
    )


def test_a_finite_source_starts_again_after_its_end():
    flowgraph, source, sink = gr.top_block(), uplink_source(BOOK, n_slots=5, gaps=[(30, 4)]), vector_sink_c()
    flowgraph.connect(source, sink)
    flowgraph.run()
    first = sink.data()
    sink.reset()
    flowgraph.run()
    assert len(first) == 5 * T - 4
    assert sink.data() == first


def test_a_source_that_is_let_go_still_works():
    flowgraph, sink = gr.top_block(), vector_sink_c()
    flowgraph.connect(uplink_source(BOOK, n_slots=5), sink)
    gc.collect()
    flowgraph.run()
    assert len(sink.data()) == 5 * T


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_antennas", 0),
        ("activity_rate", 1.5),
        ("n_active", 31),
        ("snr_db", np.inf),
        ("power_spread_db", -1.0),
        ("slot_period", 9),
        ("slot_period", 26.5),
        ("n_slots", -1),
        ("rate", 0.0),
        ("rate", np.inf),
        ("start_time", (0, 1.0)),
        ("start_time", (-1, 0.0)),
        ("start_time", 3.0),
        ("gaps", [(5, 0)]),
        ("gaps", [(5, 3), (7, 1)]),
        ("gaps", [(-1, 3)]),
        ("gaps", [5]),
        ("seed", -1),
    ],
)
def test_an_argument_out_of_range_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        uplink_source(BOOK, **{name: value})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"propagation": {"max_delay": 0.5}}, "waveform"),
        ({"waveform": {"samples_per_symbol": 1}}, "samples_per_symbol"),
        ({"waveform": {}, "slot_period": 50}, "slot_period"),
        ({"n_bits": 8}, "full_scale"),
        ({"full_scale": -1.0}, "full_scale"),
    ],
)
def test_a_waveform_that_cannot_be_is_refused(options, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        uplink_source(BOOK, **options)


@pytest.mark.parametrize(("rate", "gap"), [(20.0, 5), (40.0, 9), (40.0, 12)])
def test_a_throttled_source_waits_during_a_gap_and_delivers_the_rest(rate, gap):
    """After its longest sleep, 0.2 s, a source is one sample or more before the end of the gap."""
    source = uplink_source(BOOK, slot_period=20, n_slots=2, rate=rate, gaps=[(20, gap)], throttle=True)
    assert len(run(source)) == 40 - gap


def test_numpy_scalars_are_taken_for_every_number():
    numbers = {
        "n_antennas": np.int64(1),
        "activity_rate": np.float32(0.5),
        "n_active": np.int32(3),
        "snr_db": np.float32(12),
        "power_spread_db": np.int64(3),
        "slot_period": np.int64(30),
        "n_slots": np.uint8(4),
        "rate": np.float32(1e6),
        "start_time": (np.int64(5), np.float32(0.5)),
        "gaps": np.array([[40, 5]]),
        "seed": np.int16(7),
        "full_scale": np.float32(100),
        "n_bits": np.int8(16),
        "throttle": np.bool_(False),
    }
    plain = {
        name: getattr(value, "item", lambda value=value: value)()
        for name, value in numbers.items()
        if name != "gaps"
    }
    samples = run(uplink_source(BOOK, **numbers))
    np.testing.assert_array_equal(samples, run(uplink_source(BOOK, **plain, gaps=[(40, 5)])))
