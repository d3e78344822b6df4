# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver's reports and its estimator are told."""

from functools import partial

import numpy as np
import pmt
import pytest
from estimators import Slow, matched_filter, raising
from gnuradio import gr
from receivers import BOOK, LENGTH, received, run, tag

from gr_jadce.blocks import receiver
from gr_jadce.detection.asynchrony import Delayed
from gr_jadce.estimators import make_estimator
from gr_jadce.pilots import make_pilots
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.simulation import complex_normal
from gr_jadce.waveform import Waveform


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
    assert report.estimator == "path_search"
    block.set_estimator("pc_admm")  # which such devices do without
    assert block.status_dict()["estimator"] == "path_search"
    with pytest.raises(ValueError, match="^estimator: expected one of"):
        block.set_estimator("no such")


def test_an_estimator_that_is_not_used_is_not_set_up(monkeypatch):
    monkeypatch.setattr("gr_jadce.blocks.support.estimator_setup.make_estimator", pytest.fail)
    receiver(BOOK, 1, asynchrony={"max_delay": 0})


def test_names_of_devices_are_told(tmp_path):
    names = [f"sensor-{device}" for device in range(50)]
    named = make_pilots("gaussian", n_devices=50, pilot_length=LENGTH, seed=3, device_id=names)
    for report in run(receiver(named, 1), received(10)).reports:
        assert report.device_id == tuple(names[device] for device in report.device)


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


@pytest.mark.parametrize("dead", [[2], [0, 1, 3]])
def test_dead_antennas_are_left_out_counted_and_told(dead):
    frames = received(40, 4).copy()
    frames[10:30, :, dead] = 0
    block = receiver(BOOK, 4, "pc_admm", max_batch=7)
    sink = run(block, frames)
    assert block.frames_solved() == 40
    assert sink.statuses[-1]["frames_with_dead_antennas"] == 20
    for report in sink.reports:
        told = report.antennas_dead
        assert (None if told is None else told.tolist()) == (dead if 10 <= report.frame_id < 30 else None)
        if told is not None:
            assert not report.channel[:, dead].any()


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (make_estimator("pc_admm", BOOK), "pc_admm"),
        (make_estimator("unrolled", BOOK), "unrolled"),
        (make_estimator("somp", BOOK), "somp"),
        (matched_filter(BOOK), "estimator"),
        (partial(raising), "raising"),
        (Slow(BOOK, 0.0), "Slow"),
    ],
)
def test_an_estimator_that_is_given_is_reported_by_its_name(estimator, name):
    block = receiver(BOOK, 1, estimator)
    assert {report.estimator for report in run(block, received(3)).reports} == {name}
    block.set_estimator("pc_admm")
    block.set_estimator(estimator)
    assert block.status_dict()["estimator"] == name


def test_options_may_be_numpy_scalars():
    block = receiver(
        BOOK, np.int64(2), "pc_admm", false_alarm=np.float32(0.01), noise_var=np.float64(0.1),
        max_backlog=np.int64(9), max_batch=np.int32(5), clip_level=np.float32(9), noise_memory=np.int64(3),
        threads=np.int64(1),
    )  # fmt: skip
    sink = run(block, received(12, 2))
    assert len(sink.reports) == 12
    assert sink.statuses[-1]["false_alarm"] == pytest.approx(0.01)


def test_the_decisions_of_devices_out_of_step_have_the_threads(monkeypatch):
    threads = []

    def decide_rows(self, *arguments, **options):
        threads.append(options["threads"])
        return searched(self, *arguments, **options)

    searched = Delayed.decide_rows
    monkeypatch.setattr(Delayed, "decide_rows", decide_rows)
    run(receiver(BOOK, 1, "pc_admm", asynchrony={"max_delay": 0}, threads=3), received(5))
    assert set(threads) == {3}
