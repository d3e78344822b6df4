# SPDX-License-Identifier: GPL-3.0-or-later
"""Uplink to score in one flowgraph: nothing is lost, and the figures are those without GNU Radio."""

import gc
import time
from types import SimpleNamespace

import numpy as np
import pytest
from gnuradio import gr
from waiting import LIMIT_S

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.blocks import json_sink, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.estimators import make_estimator
from gr_jadce.metrics import false_alarm_probability, miss_probability, nmse_db
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.reports.json_lines import from_json

BOOK = make_pilots("gaussian", 60, 30, seed=1)
T = 46
ESTIMATOR = make_estimator("unrolled", BOOK)  # as in the block


def slow_estimator(received, noise_var=None):
    """50 ms a call, whatever it is given."""
    time.sleep(0.05)
    return ESTIMATOR(received, noise_var=noise_var)


def loopback(path, n_antennas=1, source_options=None, **receiver_options):
    """A flowgraph from uplink to score and JSON, and its blocks."""
    parts = SimpleNamespace(
        flowgraph=gr.top_block(),
        source=uplink_source(BOOK, n_antennas, **(source_options or {})),
        framer=pilot_framer(BOOK.pilot_length, n_antennas, T),
        receiver=receiver(BOOK, n_antennas, **receiver_options),
        scorer=scorer(),
        log=json_sink(path),
    )
    for antenna in range(n_antennas):
        parts.flowgraph.connect((parts.source, antenna), (parts.framer, antenna))
    parts.flowgraph.connect(parts.framer, parts.receiver)
    for port in ("activity", "channel"):
        parts.flowgraph.msg_connect((parts.source, port), (parts.scorer, "in"))
    for port in ("activity", "channel", "status"):
        parts.flowgraph.msg_connect((parts.receiver, port), (parts.scorer, "in"))
        parts.flowgraph.msg_connect((parts.receiver, port), (parts.log, "in"))
    return parts


def reports_in(path):
    return [from_json(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("repetition", range(20))
def test_twenty_frames_of_a_slow_estimator_are_all_scored_and_written(tmp_path, repetition):
    parts = loopback(tmp_path / "out", source_options={"n_slots": 20}, estimator=slow_estimator, max_batch=4)
    parts.flowgraph.run()
    assert (parts.scorer.matched(), parts.log.written()) == (20, 20)
    assert (parts.scorer.unmatched_reports(), parts.scorer.truth_evicted(), parts.scorer.rejected()) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize("on_overload", ["block", "drop"])
@pytest.mark.parametrize("n_antennas", [1, 3])
def test_the_flowgraph_gives_what_the_library_gives(tmp_path, n_antennas, on_overload):
    n_slots, options = 200, {"activity_rate": 0.15, "snr_db": 12.0, "seed": 4}
    parts = loopback(
        tmp_path / "out",
        n_antennas,
        {"n_slots": n_slots, **options},
        false_alarm=1e-2,
        on_overload=on_overload,
    )
    parts.flowgraph.run()
    uplink = simulate(Scenario(BOOK, n_antennas, 0.15, snr_db=12.0), n_slots, seed=4)
    receiver = FrameReceiver(BOOK, ESTIMATOR, "unrolled", false_alarm=1e-2)
    stamps = [(k, (0, 0.0)) for k in range(n_slots)]
    expected, error = receiver.solve(uplink.received.astype(np.complex64), stamps)
    assert error is None
    channel, activity = np.zeros_like(uplink.channel), np.zeros_like(uplink.activity)
    for k, (report, own) in enumerate(zip(reports_in(tmp_path / "out"), expected, strict=True)):
        assert (report.frame_id, report.status) == (k, "ok")
        activity[k, own.device] = True
        channel[k, own.device] = own.channel
        assert report.noise_var == pytest.approx(own.noise_var, rel=1e-5)
        np.testing.assert_array_equal(report.device, own.device)
        off = np.linalg.norm(report.channel - own.channel)
        assert off <= 1e-5 * np.linalg.norm(own.channel)
    score = parts.scorer
    assert score.matched() == n_slots
    assert score.miss_probability() == miss_probability(activity, uplink.activity)
    assert score.false_alarm_probability() == false_alarm_probability(activity, uplink.activity)
    assert score.nmse_db() == pytest.approx(nmse_db(channel, uplink.channel), abs=1e-4)


def test_a_gap_loses_the_slots_it_touches_and_no_others(tmp_path):
    gaps = [(10 * T + 12, 3), (20 * T + 40, 2 * T), (50 * T - 5, 5)]
    parts = loopback(tmp_path / "out", 2, {"n_slots": 100, "gaps": gaps, "snr_db": 20.0})
    parts.flowgraph.run()
    reports = reports_in(tmp_path / "out")
    answered = [report.frame_id for report in reports]
    lost = sorted(set(range(100)) - set(answered))
    assert lost == [10, 21, 22]
    assert parts.scorer.truth_evicted() == 3
    assert parts.scorer.unmatched_reports() == 0
    assert parts.scorer.miss_probability() < 0.05
    for report in reports:
        assert sum(report.rx_time) == pytest.approx(report.frame_id * T / 1e6, abs=1e-9)


def test_an_estimator_that_raises_gives_bad_input_to_all(tmp_path):
    def broken(received, noise_var=None):
        raise RuntimeError("no")

    parts = loopback(tmp_path / "out", source_options={"n_slots": 30}, estimator=broken)
    parts.flowgraph.run()
    assert (parts.scorer.matched(), parts.log.written()) == (30, 30)
    assert parts.scorer.summary()["frames_bad"] == 30
    assert {report.status for report in reports_in(tmp_path / "out")} == {"bad_input"}


def test_settings_change_while_the_flowgraph_runs(tmp_path):
    parts = loopback(tmp_path / "out", source_options={"throttle": True, "rate": 20e3})
    parts.flowgraph.start()
    for k in range(20):
        parts.source.set_snr_db(5.0 + k)
        parts.source.set_activity_rate(0.05 + 0.01 * k)
        time.sleep(0.02)
    give_up = time.monotonic() + LIMIT_S
    while parts.scorer.matched() < 100 and time.monotonic() < give_up:
        time.sleep(0.05)
    parts.flowgraph.stop()
    parts.flowgraph.wait()
    assert parts.scorer.matched() >= 100
    assert parts.scorer.rejected() == 0
    assert parts.log.written() == parts.receiver.frames_solved()


def test_blocks_that_are_let_go_still_work(tmp_path):
    flowgraph = loopback(tmp_path / "out", source_options={"n_slots": 20}).flowgraph
    gc.collect()
    flowgraph.run()
    assert len(reports_in(tmp_path / "out")) == 20


def test_a_flowgraph_runs_again(tmp_path):
    parts = loopback(tmp_path / "out", source_options={"n_slots": 25})
    for runs in (1, 2, 3):
        parts.flowgraph.run()
        assert parts.log.written() == 25 * runs
        assert parts.scorer.matched() == 25 * runs
