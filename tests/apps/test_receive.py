# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive: every frame of recordings and simulations accounted for."""

import re
from pathlib import Path

import numpy as np
from received import N_SLOTS, PERIOD, RATE, START, counts_of, reports_of

from gr_jadce import simulate
from gr_jadce.estimators import make_estimator
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.recordings.times import time_after
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.reports.json_lines import from_json
from gr_jadce.uplink import simulate_slots

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_noise_measured_in_the_guards_is_used(receive, record, tmp_path):
    record()
    patient = ("--estimator", "unrolled:settle=False")  # decisions of frames that settle do not depend on it
    receive(*patient)
    alone = reports_of(tmp_path)
    options = (*patient, "--guard-start", 30, "--guard-length", 10, "--noise-memory", 16)
    assert counts_of(receive(*options))["solved"] == N_SLOTS
    told = reports_of(tmp_path)
    assert any(not np.array_equal(a.channel, b.channel) for a, b in zip(alone, told, strict=True))


def test_what_was_recorded_is_received_again(app, book, tmp_path):
    simulation = ["--pilots", "book.npz", "--antennas", 2, "--slots", 50, "--slot-period", PERIOD]
    options = ["--json", "live.jsonl", "--record", "up"]
    process = app("jadce-receive", *simulation, "--simulate", *options)
    assert process.returncode == 0, process.stderr
    assert counts_of(process)["recorded"] == 50 * PERIOD
    app("jadce-receive", *simulation, "--recording", "up.sigmf-meta", "--json", "out.jsonl")
    live = [from_json(line) for line in (tmp_path / "live.jsonl").read_text().splitlines()]
    replayed = reports_of(tmp_path)
    assert len(live) == len(replayed) == 50
    for one, other in zip(live, replayed, strict=True):
        np.testing.assert_array_equal(one.device, other.device)


def test_every_slot_of_a_recording_is_answered(record, receive, tmp_path):
    uplink = record()
    counts = counts_of(receive())
    assert counts["frames"] == counts["solved"] == counts["lines"] == N_SLOTS
    assert counts["samples"] == N_SLOTS * PERIOD
    reports = reports_of(tmp_path)
    assert [report.frame_id for report in reports] == list(range(N_SLOTS))
    assert reports[7].rx_time == time_after(START, 7 * PERIOD, RATE)
    wrong = sum(
        len(np.setxor1d(report.device, np.flatnonzero(active)))
        for report, active in zip(reports, uplink.activity, strict=True)
    )
    assert wrong <= 0.01 * uplink.activity.size


def test_reports_equal_those_without_gnu_radio(record, receive, tmp_path, book, scenario):
    record()
    receive("--false-alarm", 1e-2)
    frames = simulate(scenario, N_SLOTS, seed=2).received
    solver = FrameReceiver(book, make_estimator("unrolled", book), "unrolled", false_alarm=1e-2)
    offline, error = solver.solve(frames, [(k, (0, 0.0)) for k in range(N_SLOTS)])
    assert error is None
    for report, expected in zip(reports_of(tmp_path), offline, strict=True):
        np.testing.assert_array_equal(report.device, expected.device)
        np.testing.assert_allclose(report.channel, expected.channel, rtol=1e-5, atol=1e-5)


def test_int16_gives_the_same_decisions(record, receive, tmp_path):
    record()
    receive()
    expected = [report.device.tolist() for report in reports_of(tmp_path)]
    record(datatype="ci16_le")
    receive()
    assert [report.device.tolist() for report in reports_of(tmp_path)] == expected


def test_lost_samples_cost_the_slots_they_touch(record, receive, tmp_path):
    record()
    receive()
    whole = {report.frame_id: report.device.tolist() for report in reports_of(tmp_path)}
    # In a pilot; in a guard; over three slots.
    record(gaps=[(5 * PERIOD + 3, 2), (11 * PERIOD + 30, 4), (20 * PERIOD + 10, 2 * PERIOD)])
    counts = counts_of(receive())
    reports = {report.frame_id: report.device.tolist() for report in reports_of(tmp_path)}
    assert set(whole) - set(reports) == {5, 20, 21, 22}
    assert all(whole[frame_id] == reports[frame_id] for frame_id in reports)
    assert (counts["gaps"], counts["slots_lost"]) == (3, 4)


def test_a_bad_frame_is_counted_and_reported(record, receive, tmp_path):
    record(change=lambda samples: samples.__setitem__(5 * PERIOD + 1, np.inf))
    counts = counts_of(receive())
    assert (counts["solved"], counts["bad"], counts["lines"]) == (N_SLOTS - 1, 1, N_SLOTS)
    assert [r.frame_id for r in reports_of(tmp_path) if r.status == "bad_input"] == [5]


def test_a_partial_frame_is_counted(receive, tmp_path, scenario):
    samples, _ = simulate_slots(scenario, PERIOD, 3)
    with RecordingWriter(tmp_path / "up", 3, RATE) as writer:
        writer.write(samples[:-30])
    counts = counts_of(receive())
    assert (counts["frames"], counts["partial_frames"], counts["samples"]) == (2, 1, 90)


def test_an_empty_recording_is_no_failure(receive, tmp_path, book):
    RecordingWriter(tmp_path / "up", 3, RATE).close()
    assert counts_of(receive())["frames"] == 0


def test_slots_and_duration_end_it(record, receive):
    record()
    assert counts_of(receive("--slots", 7))["frames"] == 7
    assert counts_of(receive("--duration", 12 * PERIOD / RATE))["frames"] == 12


def test_a_device_time_as_origin_numbers_the_slots(record, receive, tmp_path):
    record()
    receive()
    expected = [report.device.tolist() for report in reports_of(tmp_path)]
    receive("--slot-origin", "1699999999.25004")  # a second earlier, and one slot later
    reports = reports_of(tmp_path)
    assert reports[0].frame_id == 1_000_000 // PERIOD - 1
    assert [report.device.tolist() for report in reports] == expected


def test_offset_finds_the_pilot_later_in_the_slot(receive, tmp_path, scenario):
    samples, uplink = simulate_slots(scenario, PERIOD, N_SLOTS, seed=2)
    with RecordingWriter(tmp_path / "up", 3, RATE) as writer:
        writer.write(np.roll(samples, 11, axis=0))
    receive("--offset", 11)
    found = sum(
        np.isin(np.flatnonzero(active), report.device).sum()
        for report, active in zip(reports_of(tmp_path), uplink.activity, strict=True)
    )
    assert found >= 0.9 * uplink.activity.sum()


def test_a_simulation_is_scored_as_its_recording_is(app, book, tmp_path):
    options = ["--pilots", "book.npz", "--antennas", 2, "--slots", 50, "--slot-period", PERIOD, "--seed", 4]
    process = app("jadce-receive", "--simulate", *options, "--n-active", 3, "--snr-db", 8)
    assert process.returncode == 0, process.stderr
    app("jadce-simulate", *options, "--n-active", 3, "--snr-db", 8, "-o", "up")
    app("jadce-receive", *options[:2], "--slot-period", PERIOD, "--recording", "up", "--json", "out.jsonl")
    score = app("jadce-score", "up.truth.jsonl", "out.jsonl").stdout.splitlines()
    figures = [line for line in score if "95 %" in line]
    assert len(figures) == 4
    assert [line for line in process.stderr.splitlines() if "95 %" in line] == figures


def test_samples_without_a_slot_are_pointed_out(receive, record):
    record()
    process = receive("--slot-origin", "4000000000")
    assert process.returncode == 0
    assert "no slot had its pilot in these samples: see --slot-origin" in process.stderr


def test_the_noise_of_each_antenna_is_reported_on_demand(app, book, tmp_path):
    simulation = ["--pilots", "book.npz", "--antennas", 3, "--slots", 20, "--simulate", "--json", "out.jsonl"]
    assert app("jadce-receive", *simulation, "--noise", "antennas").returncode == 0
    assert all(report.noise_vars.shape == (3,) for report in reports_of(tmp_path))
    assert app("jadce-receive", *simulation, "--noise", "white").returncode == 0
    assert all(report.noise_vars is None for report in reports_of(tmp_path))


def test_ones_own_estimator_is_taken_from_a_module_here(app, book, tmp_path):
    (tmp_path / "own_estimator.py").write_text((EXAMPLES / "own_estimator.py").read_text())
    options = ["--pilots", "book.npz", "--antennas", 4, "--slots", 60, "--simulate", "--json", "out.jsonl"]
    process = app("jadce-receive", *options, "--estimator", "own_estimator:correlation")
    assert process.returncode == 0, process.stderr
    assert {report.estimator for report in reports_of(tmp_path)} == {"own_estimator:correlation"}
    missed = re.search(r"^miss probability +(\S+)", process.stderr, re.MULTILINE)
    assert float(missed.group(1)) < 0.1


def test_preambles_are_received_from_a_recording_of_a_base_station(app, fails, tmp_path):
    make = ("--kind", "nr_prach", "--root", 22, "--cyclic-shift", 13)
    process = app("jadce-pilots", "make", *make, "-o", "c.npz")
    assert process.returncode == 0, process.stderr
    send = ("--devices", "all", "--activity", 0.02, "--backoff-db", 30, "--slot-period", 4000, "--slots", 20)
    options = ("--recording", "air", "--rate", 1.92e6, "--truth", "sent.jsonl")
    process = app("jadce-transmit", "--pilots", "c.npz", *send, *options)
    assert process.returncode == 0, process.stderr
    process = app(
        "jadce-receive", "--pilots", "c.npz", "--slot-period", 4000, "--recording", "air.sigmf-meta",
        "--json", "out.jsonl",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    sent = [from_json(line) for line in (tmp_path / "sent.jsonl").read_text().splitlines()]
    found = reports_of(tmp_path)
    assert len(sent) == len(found) == 20
    assert [list(one.device) for one in found] == [list(one.device) for one in sent]
    assert all(abs(delay) < 0.1 for one in found for delay in one.delay)
    shifted = ("--slot-period", 4000, "--recording", "air.sigmf-meta", "--first-subcarrier", 600)
    fails(app("jadce-receive", "--pilots", "c.npz", *shifted), "rate: expected at least")
