# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver in real flowgraphs: every frame is answered or counted, whatever comes."""

import gc
import sys
import threading
import time

import numpy as np
import pmt
import pytest
from collector import collector
from estimators import Held, Slow, matched_filter, raising
from gnuradio import blocks, gr

from gr_jadce.blocks import json_sink, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.estimators import make_estimator
from gr_jadce.pilots import make_pilots
from gr_jadce.receiving.frame_receiver import FrameSolver
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.simulation import complex_normal
from gr_jadce.waveform import Waveform

BOOK = make_pilots("gaussian", n_devices=50, pilot_length=32, seed=3)
LENGTH = 32
PATIENCE = 60  # seconds; only a failing test waits that long


def received(n_frames, n_antennas=1, seed=5):
    return simulate(Scenario(BOOK, n_antennas, snr_db=15.0), n_frames, seed).received


def tag(offset, key, value):
    result = gr.tag_t()
    result.offset, result.key, result.value = offset, pmt.intern(key), value
    return result


def frames_into(block, frames, tags=()):
    """A flowgraph that gives (B, L, M) frames to a receiver, and what collects its messages."""
    flowgraph, sink = gr.top_block(), collector()
    vector = blocks.vector_source_c(frames.ravel().tolist(), False, frames[0].size, list(tags))
    flowgraph.connect(vector, block)
    sink.listen_to(flowgraph, block)
    return flowgraph, sink


def run(block, frames, tags=(), max_items=100_000_000):
    flowgraph, sink = frames_into(block, frames, tags)
    flowgraph.run(max_items)
    return sink


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def accounted(block):
    return block.frames_solved() + block.frames_dropped() + block.frames_bad()


@pytest.mark.parametrize("n_antennas", [1, 4])
@pytest.mark.parametrize("max_batch", [1, 7, 256])
@pytest.mark.parametrize("on_overload", ["block", "drop"])
def test_the_flowgraph_finds_what_is_found_offline(n_antennas, max_batch, on_overload):
    frames = received(40, n_antennas)
    sink = run(
        receiver(BOOK, n_antennas, on_overload=on_overload, max_batch=max_batch, noise_var=0.03), frames
    )
    stamps = [(number, (0, 0.0)) for number in range(40)]
    solver = FrameSolver(BOOK, make_estimator("unrolled", BOOK), "unrolled", noise_var=0.03)
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
        run(receiver(BOOK, 4, estimator, options, noise_var=0.03, threads=threads), received(40, 4)).reports
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


def test_dropping_never_holds_up_the_source():
    estimator = Held(BOOK)
    block = receiver(BOOK, 1, estimator, on_overload="drop", max_backlog=50, max_batch=20)
    flowgraph, sink = frames_into(block, np.tile(received(100), (50, 1, 1)))
    flowgraph.start()
    wait_for(lambda: block.frames_in() == 5000)
    assert block.status_dict()["backlog"] <= 50
    assert block.frames_solved() == 0
    estimator.release()
    flowgraph.wait()
    assert accounted(block) == 5000
    assert len(sink.reports) == block.frames_solved() == sum(estimator.batches)
    assert max(estimator.batches) <= 20
    assert sink.statuses[-1]["frames_dropped"] == block.frames_dropped() > 4900
    told = [report.frames_dropped for report in sink.reports]
    assert told == sorted(told)


class radio(gr.sync_block):
    """Samples in real time; those that were not taken within 50 ms overflow."""

    RATE = 200_000
    SLACK = RATE // 20

    def __init__(self):
        gr.sync_block.__init__(self, "radio", None, [np.complex64])
        self.overflows = 0
        self._noise = (
            np.random.default_rng(1).standard_normal((2**16, 2), np.float32).view(np.complex64)[:, 0]
        )

    def start(self):
        self._given, self._began = 0, time.monotonic()
        return True

    def work(self, input_items, output_items):
        time.sleep(0.005)
        due = int((time.monotonic() - self._began) * self.RATE) - self._given
        if due > self.SLACK:
            self.overflows += 1
            self._given, due = self._given + due - self.SLACK, self.SLACK
        count = min(due, len(output_items[0]), len(self._noise))
        output_items[0][:count] = self._noise[:count]
        self._given += count
        return count


def overloaded_radio():
    """One second of a radio whose frames take 20 slots each to solve."""
    period, max_batch = 200, 16
    seconds_a_frame = 20 * period / radio.RATE
    source, framer = radio(), pilot_framer(LENGTH, 1, period, rate=radio.RATE)
    block = receiver(
        BOOK, 1, Slow(BOOK, seconds_a_frame), on_overload="drop", max_backlog=100, max_batch=max_batch
    )
    flowgraph, sink = gr.top_block(), collector()
    flowgraph.connect(source, framer, block)
    sink.listen_to(flowgraph, block)
    flowgraph.start()
    time.sleep(1.0)
    began = time.monotonic()
    flowgraph.stop()
    flowgraph.wait()
    assert time.monotonic() - began < max_batch * seconds_a_frame + 1 + 2  # 2 s: a busy machine
    assert 0 < block.frames_in() <= framer.frames()
    assert block.frames_in() == accounted(block)
    assert block.frames_solved() == len(sink.reports)
    assert block.frames_dropped() > 0
    return source.overflows


def test_an_overloaded_receiver_does_not_make_a_radio_overflow():
    # A busy machine may let any radio overflow now and then; a receiver that blocks does so every time.
    assert any(overloaded_radio() == 0 for _ in range(10))


def test_stopping_solves_at_most_one_batch_more():
    estimator = Held(BOOK)
    block = receiver(BOOK, 1, estimator, on_overload="drop", max_backlog=1000, max_batch=10)
    flowgraph, _ = frames_into(block, received(500))
    flowgraph.start()
    wait_for(lambda: block.frames_in() == 500)
    flowgraph.stop()
    wait_for(lambda: block.frames_dropped() > 0)
    estimator.release()
    flowgraph.wait()
    assert sum(estimator.batches) <= 20
    assert accounted(block) == 500


def test_in_block_mode_stopping_waits_for_one_batch_only():
    estimator = Held(BOOK)
    block = receiver(BOOK, 1, estimator, max_batch=10)
    flowgraph, _ = frames_into(block, np.tile(received(100), (50, 1, 1)))
    flowgraph.start()
    assert estimator.busy.wait(PATIENCE)
    flowgraph.stop()
    estimator.release()
    flowgraph.wait()
    assert sum(estimator.batches) <= 20
    assert accounted(block) == block.frames_in()


def endless(block):
    flowgraph, sink = gr.top_block(), collector()
    vector = blocks.vector_source_c(received(50).ravel().tolist(), True, LENGTH)
    flowgraph.connect(vector, blocks.head(8 * LENGTH, 10**9), block)
    sink.listen_to(flowgraph, block)
    return flowgraph, sink


def test_settings_change_at_a_frame_boundary_while_it_runs():
    block = receiver(BOOK, 1, matched_filter(BOOK), max_batch=5)
    flowgraph, sink = endless(block)
    flowgraph.start()
    wait_for(lambda: block.frames_solved() > 20)
    block.set_false_alarm(1e-5)
    block.set_noise_var(0.5)
    block.set_estimator("pc_admm", {"tol": 1e-2})
    after = block.frames_in()
    wait_for(lambda: block.frames_solved() > after + 20)
    flowgraph.stop()
    flowgraph.wait()
    names = [report.estimator for report in sink.reports]
    changed = names.index("pc_admm")
    assert set(names[:changed]) == {"estimator"}
    assert set(names[changed:]) == {"pc_admm"}
    assert sink.reports[-1].threshold == pytest.approx(5.0)
    assert sink.reports[-1].noise_var == 0.5
    assert sink.reports[0].threshold == pytest.approx(3.0)
    assert [report.frame_id for report in sink.reports] == list(range(len(names)))


def test_settings_from_many_threads():
    block = receiver(BOOK, 1, matched_filter(BOOK), max_batch=2)
    flowgraph, sink = endless(block)

    def change(number):
        for step in range(30):
            block.set_false_alarm(10.0 ** -(1 + (number + step) % 5))
            block.set_noise_var(0.1 * (1 + step))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    flowgraph.start()
    wait_for(lambda: block.frames_solved() > 0)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = block.frames_in()
    wait_for(lambda: block.frames_solved() > after + 2)
    flowgraph.stop()
    flowgraph.wait()
    assert accounted(block) == block.frames_in()
    assert block.frames_bad() == 0
    assert sink.reports[-1].noise_var == pytest.approx(3.0)


def test_the_new_estimator_is_built_in_the_thread_that_asks(monkeypatch):
    threads = []

    def make(name, pilots, **options):
        threads.append(threading.current_thread())
        return matched_filter(pilots)

    monkeypatch.setattr(sys.modules["gr_jadce.blocks.receiver"], "make_estimator", make)
    block = receiver(BOOK, 1)
    flowgraph, _ = endless(block)
    flowgraph.start()
    block.set_estimator("other")
    flowgraph.stop()
    flowgraph.wait()
    assert set(threads) == {threading.current_thread()}
    assert len(threads) == 2


def test_a_refused_setting_changes_nothing():
    block = receiver(BOOK, 1)
    with pytest.raises(ValueError, match="false_alarm"):
        block.set_false_alarm(2.0)
    with pytest.raises(ValueError, match="noise_var"):
        block.set_noise_var(-1.0)
    with pytest.raises(ValueError, match="estimator"):
        block.set_estimator("magic")
    with pytest.raises(ValueError, match="pc_admm"):
        block.set_estimator("pc_admm", {"colour": "red"})
    status = block.status_dict()
    assert (status["estimator"], status["false_alarm"]) == ("unrolled", 1e-3)


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


@pytest.mark.parametrize("on_overload", ["block", "drop"])
def test_a_flowgraph_can_run_again(on_overload):
    frames = received(20)
    block, sink, flowgraph = receiver(BOOK, 1, on_overload=on_overload), collector(), gr.top_block()
    vector = blocks.vector_source_c(frames.ravel().tolist(), False, LENGTH)
    flowgraph.connect(vector, block)
    sink.listen_to(flowgraph, block)
    for total in (20, 40):
        flowgraph.run()
        vector.rewind()
        assert block.frames_in() == accounted(block) == total
        assert len(sink.reports) == total
        assert sink.statuses[-1]["final"]
    assert [report.frame_id for report in sink.reports] == list(range(40))


@pytest.mark.parametrize("form", ["book", "array", "path", "text"])
def test_pilots_in_any_form(form, tmp_path):
    path = tmp_path / "book.npz"
    BOOK.save(path)
    pilots = {"book": BOOK, "array": BOOK.matrix, "path": path, "text": str(path)}[form]
    block = receiver(pilots, 1)
    assert len(run(block, received(3)).reports) == block.frames_solved() == 3


def test_frames_of_another_size_cannot_be_connected():
    flowgraph = gr.top_block()
    with pytest.raises(ValueError, match="itemsize"):
        flowgraph.connect(pilot_framer(LENGTH + 1, 1, 50), receiver(BOOK, 1))


def test_devices_out_of_step_are_found_with_their_delays():
    rng = np.random.default_rng(8)
    book = make_pilots("qpsk", n_devices=40, pilot_length=32, seed=2)
    active, late = np.array([3, 17, 31]), np.array([-0.3, 0.0, 0.45])
    bursts = Waveform(4).bursts(book.matrix[:, active], late + 1)[:, None]  # one symbol late as a whole
    samples = np.sum(bursts * complex_normal(rng, (2, 3)), axis=2)
    samples = samples + 0.01 * complex_normal(rng, samples.shape)
    filtered = np.stack([np.convolve(antenna, Waveform(4).taps) for antenna in samples.T])
    frame = filtered[:, Waveform(4).offset + 4 :: 4][:, :32].T.astype(np.complex64)
    block = receiver(book, 2, asynchrony={"max_delay": 0})
    [report] = run(block, frame[None]).reports
    assert report.device.tolist() == active.tolist()
    assert report.delay == pytest.approx(late, abs=0.05)
    assert report.carrier_offset == pytest.approx(0, abs=1e-3)
    block.set_estimator("pc_admm")
    assert block.status_dict()["estimator"] == "pc_admm"


def test_names_of_devices_are_told(tmp_path):
    names = [f"sensor-{device}" for device in range(50)]
    named = make_pilots("gaussian", n_devices=50, pilot_length=LENGTH, seed=3, device_id=names)
    for report in run(receiver(named, 1), received(10)).reports:
        assert report.device_id == tuple(names[device] for device in report.device)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pilots", np.zeros(5)),
        ("n_antennas", 0),
        ("estimator", "magic"),
        ("estimator", 5),
        ("false_alarm", 0.0),
        ("noise_var", -1.0),
        ("on_overload", "panic"),
        ("max_backlog", 0),
        ("max_batch", 0),
        ("clip_level", -1.0),
    ],
)
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        receiver(**({"pilots": BOOK, "n_antennas": 1} | {name: value}))


@pytest.mark.parametrize("on_overload", ["block", "drop"])
def test_tags_that_no_framer_makes_are_left_out(on_overload):
    no_text = gr.tag_t()
    no_text.offset, no_text.key, no_text.value = 3, pmt.deserialize_str(b"\x02\x00\x02\xff\xfe"), pmt.PMT_T
    tags = [
        no_text,
        tag(5, "framer", pmt.to_pmt({"samples": "x"})),
        tag(6, "slot_period", pmt.from_uint64(2**64 - 1)),
        tag(7, "frame_id", pmt.from_uint64(70)),
    ]
    block = receiver(BOOK, 1, matched_filter(BOOK), on_overload=on_overload)
    sink = run(block, received(10), tags)
    assert [report.frame_id for report in sink.reports] == [*range(7), 70, 71, 72]
    assert sink.statuses[-1]["samples"] == 0


def told_noise(estimator, told):
    """The estimator, and a list of the noise variances that it is told."""

    def telling(frames, noise_var=None):
        told.append(noise_var)
        return estimator(frames, noise_var)

    return telling


def test_the_estimator_is_told_the_noise_of_the_frames_before():
    told, uplink = [], simulate(Scenario(BOOK, 4, snr_db=20.0, activity_rate=0.06), 60, 5)
    estimator = told_noise(make_estimator("pc_admm", BOOK), told)
    block = receiver(BOOK, 4, estimator, max_batch=10, noise_memory=32)
    sink = run(block, uplink.received)
    assert told[0] is None
    assert 10 * np.log10(told[-1] / uplink.noise_var) == pytest.approx(0, abs=1)
    status = sink.statuses[-1]
    assert 10 * np.log10(status["noise_var"] / uplink.noise_var) == pytest.approx(0, abs=1)
    last = [len(report.device) for report in sink.reports[-32:]]
    assert status["active_per_frame"] == pytest.approx(sum(last) / 32)


def test_frames_are_solved_by_themselves_without_a_memory():
    told = []
    block = receiver(BOOK, 1, told_noise(matched_filter(BOOK), told), max_batch=10)
    sink = run(block, received(60))
    assert set(told) == {None}
    assert sink.statuses[-1]["noise_var"] > 0


def test_measured_guards_take_precedence():
    told = []
    tags = [tag(offset, "noise_var", pmt.from_double(0.125)) for offset in range(0, 40)]
    tags.append(tag(41, "noise_var", pmt.intern("malformed")))
    block = receiver(BOOK, 1, told_noise(matched_filter(BOOK), told), max_batch=10, noise_memory=8)
    run(block, received(60), tags)
    assert told[-1] == pytest.approx(0.125)
    assert block.frames_solved() == 60


def test_a_wrong_noise_memory_is_named():
    with pytest.raises(ValueError, match="noise_memory: expected an integer"):
        receiver(BOOK, 1, noise_memory=-1)
