# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver in real flowgraphs: every frame is answered or counted, whatever comes."""

import gc

import numpy as np
import pmt
import pytest
from collector import collector
from estimators import Held, Slow, matched_filter, raising
from gnuradio import blocks, gr
from receivers import BOOK, LENGTH, frames_into, received, run, tag, wait_for

from gr_jadce.blocks import json_sink, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.estimators import make_estimator
from gr_jadce.receiving.frame_receiver import FrameReceiver


@pytest.mark.parametrize("n_antennas", [1, 4])
@pytest.mark.parametrize("max_batch", [1, 7, 256])
@pytest.mark.parametrize("on_overload", ["block", "drop"])
def test_the_flowgraph_finds_what_is_found_offline(n_antennas, max_batch, on_overload):
    frames = received(40, n_antennas)
    sink = run(
        receiver(BOOK, n_antennas, on_overload=on_overload, max_batch=max_batch, noise_var=0.03), frames
    )
    stamps = [(number, (0, 0.0)) for number in range(40)]
    solver = FrameReceiver(BOOK, make_estimator("unrolled", BOOK), "unrolled", noise_var=0.03)
    offline = {report.frame_id: report for report in solver.solve(frames, stamps)[0]}
    if on_overload == "block":
        assert [report.frame_id for report in sink.reports] == list(range(40))
    assert sink.reports
    for report in sink.reports:
        expected = offline[report.frame_id]
        assert np.array_equal(report.device, expected.device)
        np.testing.assert_allclose(report.channel, expected.channel, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(report.score, expected.score, rtol=1e-5)
        assert (report.status, report.estimator) == ("ok", "unrolled")


@pytest.mark.parametrize(
    ("estimator", "options"), [("unrolled", None), ("pc_admm", {"threads": 1}), ("somp", None)]
)
def test_reports_do_not_depend_on_the_threads(estimator, options):
    found = [
        run(
            receiver(BOOK, 4, estimator, estimator_options=options, noise_var=0.03, threads=threads),
            received(40, 4),
        ).reports
        for threads in (1, 0, 3)
    ]
    for reports in found:
        for report, wanted in zip(reports, found[0], strict=True):
            assert np.array_equal(report.device, wanted.device)
            np.testing.assert_allclose(report.score, wanted.score, rtol=1e-6)
            np.testing.assert_allclose(report.channel, wanted.channel, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("max_batch", [1, 3, 256])
@pytest.mark.parametrize("max_items", [1, 5, 4096])
def test_every_frame_of_a_finite_input_is_answered(max_batch, max_items):
    block = receiver(BOOK, 1, matched_filter(BOOK), max_batch=max_batch)
    sink = run(block, received(100), max_items=max_items)
    assert [report.frame_id for report in sink.reports] == list(range(100))
    assert (block.frames_in(), block.frames_solved()) == (100, 100)
    assert sink.statuses[-1]["final"]


def test_numbers_and_times_are_told_by_tags_and_extrapolated():
    def time_tag(offset, seconds, fraction):
        value = pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction))
        return tag(offset, "rx_time", value)

    tags = [
        *(tag(0, "frame_id", pmt.from_uint64(2**40)), time_tag(0, 7, 0.9998)),
        *(tag(0, "slot_period", pmt.from_uint64(100)), tag(0, "rx_rate", pmt.from_double(1e6))),
        *(tag(5, "frame_id", pmt.from_uint64(2**41)), time_tag(5, 9, 0.5)),
        tag(6, "rx_time", pmt.intern("malformed")),
    ]
    sink = run(receiver(BOOK, 1, matched_filter(BOOK)), received(8), tags)
    assert [report.frame_id for report in sink.reports] == [
        *range(2**40, 2**40 + 5),
        *range(2**41, 2**41 + 3),
    ]
    assert [report.rx_time for report in sink.reports] == [
        *((7, 0.9998), (7, 0.9999), (8, 0.0), (8, 0.0001), (8, 0.0002)),
        *((9, 0.5), (9, 0.5001), (9, 0.5002)),
    ]


@pytest.mark.parametrize("on_overload", ["block", "drop"])
@pytest.mark.parametrize("n_antennas", [1, 4])
def test_bad_frames_are_counted_and_reported(on_overload, n_antennas):
    frames = received(30, n_antennas).copy()
    frames[4, 3, 0] = np.nan
    frames[9] = np.inf
    frames[29, 0, 0] = complex(0, -np.inf)
    frames[7] = 0
    block = receiver(BOOK, n_antennas, on_overload=on_overload, clip_level=100.0)
    frames[8] = 1000
    sink = run(block, frames)
    statuses = {report.frame_id: report.status for report in sink.reports}
    assert len(statuses) == 30
    assert {number for number, status in statuses.items() if status == "bad_input"} == {4, 9, 29}
    assert {number for number, status in statuses.items() if status == "clipped"} == {8}
    assert len(sink.reports[7].device) == 0
    assert (block.frames_in(), block.frames_solved(), block.frames_bad()) == (30, 27, 3)


@pytest.mark.parametrize("on_overload", ["block", "drop"])
def test_an_estimator_that_raises_is_counted_and_reported(on_overload):
    block = receiver(BOOK, 1, raising, on_overload=on_overload)
    sink = run(block, received(30))
    assert [report.status for report in sink.reports] == ["bad_input"] * 30
    assert (block.frames_in(), block.frames_bad(), block.frames_solved()) == (30, 30, 0)


def test_an_estimator_may_scribble_on_its_frames_without_changing_the_stream():
    def scribbling(frames, noise_var=None):
        estimate = matched_filter(BOOK)(frames)
        frames[:] = np.nan
        return estimate

    frames = received(30)
    flowgraph = gr.top_block()
    vector, other = (
        blocks.vector_source_c(frames.ravel().tolist(), False, LENGTH),
        blocks.vector_sink_c(LENGTH),
    )
    flowgraph.connect(vector, receiver(BOOK, 1, scribbling))
    flowgraph.connect(vector, other)
    flowgraph.run()
    assert np.array_equal(np.array(other.data(), np.complex64), frames.ravel())


def test_the_status_comes_every_second_and_at_the_end():
    estimator = Held(BOOK)
    flowgraph, sink = frames_into(receiver(BOOK, 1, estimator, false_alarm=0.01), received(20))
    flowgraph.start()
    wait_for(lambda: len(sink.statuses) == 2)
    assert [status["final"] for status in sink.statuses] == [False, False]
    assert sink.statuses[0]["frames_solved"] == 0
    estimator.release()
    flowgraph.wait()
    last = sink.statuses[-1]
    assert [status["final"] for status in sink.statuses].count(True) == 1
    assert last["final"]
    assert (last["frames_in"], last["frames_solved"], last["backlog"]) == (20, 20, 0)
    assert (last["estimator"], last["false_alarm"]) == ("Held", 0.01)
    assert last["seconds"] > 1.5
    assert 0 < last["solve_time_p50"] <= last["solve_time_p99"]


def test_the_ports_end_with_a_last_status_and_end_of_file():
    class recorder(collector):
        def __init__(self):
            self.kinds = []
            collector.__init__(self)

        def handle_message(self, message):
            kind = "status" if pmt.is_dict(message) else "report"
            self.kinds.append("eof" if pmt.eq(message, pmt.PMT_EOF) else kind)
            collector.handle_message(self, message)

    flowgraph, sink, block = gr.top_block(), recorder(), receiver(BOOK, 1, matched_filter(BOOK))
    flowgraph.connect(blocks.vector_source_c(received(5).ravel().tolist(), False, LENGTH), block)
    sink.listen_to(flowgraph, block)
    flowgraph.run()
    assert sink.kinds[:12] == ["report"] * 10 + ["status", "eof"]


def test_the_status_tells_the_totals_of_the_framer():
    flowgraph, sink = gr.top_block(), collector()
    source = uplink_source(BOOK, 2, slot_period=50, n_slots=100, gaps=[(1010, 100), (3035, 10)])
    framer, block = pilot_framer(LENGTH, 2, 50), receiver(BOOK, 2, matched_filter(BOOK))
    for antenna in range(2):
        flowgraph.connect((source, antenna), (framer, antenna))
    flowgraph.connect(framer, block)
    sink.listen_to(flowgraph, block)
    flowgraph.run()
    status = sink.statuses[-1]
    assert [report.frame_id for report in sink.reports] == [*range(20), *range(23, 100)]
    assert (status["gaps"], status["slots_lost"], status["partial_frames"]) == (2, 3, 1)
    assert status["samples"] == framer.samples() - (50 - LENGTH)
    assert framer.samples() == 5000 - 110


@pytest.mark.parametrize("attempt", range(3))
def test_a_slow_estimator_and_a_source_that_ends_at_once(attempt, tmp_path):
    flowgraph, score, log = gr.top_block(), scorer(), json_sink(tmp_path / "reports.jsonl")
    source = uplink_source(BOOK, slot_period=50, n_slots=20, snr_db=20.0)
    framer, block = pilot_framer(LENGTH, 1, 50), receiver(BOOK, 1, Slow(BOOK, 0.05))
    flowgraph.connect(source, framer, block)
    for port in ("activity", "channel"):
        flowgraph.msg_connect((source, port), (score, "in"))
    for port in ("activity", "channel", "status"):
        flowgraph.msg_connect((block, port), (score, "in"))
        flowgraph.msg_connect((block, port), (log, "in"))
    flowgraph.run()
    assert (score.matched(), score.unmatched_reports(), log.written()) == (20, 0, 20)
    assert len((tmp_path / "reports.jsonl").read_text().splitlines()) == 20


def test_it_survives_garbage_collection():
    def build():
        flowgraph, counter = gr.top_block(), blocks.message_debug()
        source = uplink_source(BOOK, slot_period=50, n_slots=200)
        flowgraph.connect(source, pilot_framer(LENGTH, 1, 50), receiver(BOOK, 1, matched_filter(BOOK)))
        return flowgraph, counter

    flowgraph, _ = build()
    gc.collect()
    flowgraph.start()
    gc.collect()
    flowgraph.wait()
