# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive: every frame accounted for, from recordings and simulations, up to its last signal."""

import json
import re
import signal
import subprocess

import numpy as np
import pytest

from gr_jadce import Scenario, simulate
from gr_jadce.estimators import make_estimator
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.recordings.times import time_after
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.reports.json_lines import from_json
from gr_jadce.uplink import simulate_slots

N_SLOTS, PERIOD, RATE = 60, 40, 1e6
START = (1_700_000_000, 0.25)


@pytest.fixture
def scenario(book):
    return Scenario(book, n_antennas=3, activity_rate=0.1, snr_db=20.0)


@pytest.fixture
def record(scenario, tmp_path):
    """Record slots; `gaps` are (first, length) of samples that were lost."""

    def write(gaps=(), change=None, datatype="cf32_le"):
        samples, uplink = simulate_slots(scenario, PERIOD, N_SLOTS, seed=2)
        if change is not None:
            change(samples)
        if datatype == "ci16_le":
            samples *= np.float32(0.05)
        edges = [0, *(edge for first, length in gaps for edge in (first, first + length)), len(samples)]
        with RecordingWriter(tmp_path / "up", 3, RATE, datatype=datatype) as writer:
            for first, stop in zip(edges[::2], edges[1::2], strict=True):
                writer.write(samples[first:stop], time_after(START, first, RATE))
        return uplink

    return write


@pytest.fixture
def receive(app):
    def run(*options):
        process = app(
            "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD,
            "--recording", "up.sigmf-meta", "--json", "out.jsonl", *options,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process

    return run


def counts_of(process):
    line = next(line for line in process.stderr.splitlines() if line.startswith("frames="))
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


def reports_of(tmp_path):
    return [from_json(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def test_the_noise_measured_in_the_guards_is_used(receive, record, tmp_path):
    record()
    receive()
    alone = reports_of(tmp_path)
    options = ("--guard-start", 30, "--guard-length", 10, "--noise-memory", 16)
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


def test_a_recording_that_could_not_be_written_is_an_error(app, book, tmp_path):
    (tmp_path / "up.sigmf-data").symlink_to("/dev/full")
    process = app("jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 50, "--record", "up")
    assert process.returncode == 1
    assert counts_of(process)["solved"] == 50
    assert "samples were not recorded: [Errno 28] No space left" in process.stderr


def test_a_recording_is_not_overwritten_by_its_replay(record, app):
    record()
    process = app("jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD,
                  "--recording", "up.sigmf-meta", "--record", "up")  # fmt: skip
    assert (process.returncode, "--record goes with" in process.stderr) == (2, True)


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


def test_json_to_standard_output_is_nothing_but_json(app, record):
    record(change=lambda samples: samples.__setitem__(5 * PERIOD, np.nan))  # the receiver logs this frame
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD, "--recording", "up", "--json", "-"
    )
    frames = [json.loads(line)["frame_id"] for line in process.stdout.splitlines()]
    assert frames == list(range(N_SLOTS))
    assert counts_of(process)["lines"] == N_SLOTS


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(start_app, book, number):
    process = start_app(
        "jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 10_000_000, "--json", "-"
    )  # fmt: skip
    first = process.stdout.readline()
    process.send_signal(number)
    # communicate() would forget what readline() has buffered
    rest, text = process.stdout.read(), process.stderr.read()
    process.wait(60)
    frames = [json.loads(line)["frame_id"] for line in [first, *rest.splitlines()]]
    counts = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}
    assert process.returncode == 0, text
    assert frames == list(range(len(frames)))
    assert counts["lines"] == counts["solved"] == len(frames)
    assert counts["frames"] == counts["solved"] + counts["unread"]
    assert "Traceback" not in text


def test_reports_that_could_not_be_written_are_told(app, fails, record):
    record()
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD,
        "--recording", "up", "--json", "/dev/full",
    )  # fmt: skip
    fails(process, "60 of 60 reports were not written")
    assert counts_of(process)["solved"] == N_SLOTS


def test_a_closed_pipe_is_no_crash(start_app, record):
    record()
    process = start_app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD, "--recording", "up", "--json", "-"
    )  # fmt: skip
    process.stdout.close()
    text = process.stderr.read()
    assert process.wait(60) == 1
    assert "reports were not written" in text
    assert "Traceback" not in text


def truncate(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recording", "absent"], ["absent", "No such file"]),
        (["--recording", "cut"], ["cut.sigmf-meta", "truncated"]),
        (["--recording", "book.npz"], ["book.npz"]),
        (["--antennas", "2"], ["n_antennas", "3", "2"]),
        (["--pilots", "absent.npz"], ["absent.npz", "No such file"]),
        (["--pilots", "up.sigmf-data"], ["up.sigmf-data", "pilot book"]),
        (["--slot-period", "20"], ["slot-period", "24", "20"]),
        (["--offset=-99"], ["offset", "-99"]),
        (["--slot-origin=-1"], ["slot_origin", "-1"]),
        (["--slot-period", "9" * 30], ["slot_period", "4294967296"]),
        (["--estimator", "guess"], ["estimator", "pc_admm", "guess"]),
        (["--estimator", "unrolled:sweep=5"], ["estimator", "unrolled", "'sweep'"]),
        (["--estimator", "unrolled:5"], ["estimator", "unrolled:5", "NAME:option=value"]),
        (["--false-alarm", "0"], ["false_alarm"]),
        (["--noise-var=-1"], ["noise_var"]),
        (["--json", "no/out.jsonl"], ["no/out.jsonl", "No such file"]),
    ],
)
def test_mistakes_are_explained(app, fails, record, tmp_path, options, words):
    record()
    for suffix in ("sigmf-meta", "sigmf-data"):
        (tmp_path / f"cut.{suffix}").write_bytes((tmp_path / f"up.{suffix}").read_bytes())
    truncate(tmp_path / "cut.sigmf-data")
    usual = {"--pilots": "book.npz", "--slot-period": PERIOD, "--recording": "up"}
    rest = [part for name, value in usual.items() if name not in options for part in (name, value)]
    fails(app("jadce-receive", *rest, *options), *words)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--simulate", "--recording", "up"],
        ["--recording", "up"],
        ["--usrp", "addr=1", "--slot-period", "40"],
        ["--simulate", "--slot-origin", "now"],
        ["--simulate", "--slot-origin", "1/0"],
        ["--simulate", "--slot-origin", "1e999999999"],
        ["--simulate", "--slots", "0"],
    ],
)
def test_wrong_usage_is_code_2(app, fails, book, options):
    fails(app("jadce-receive", "--pilots", "book.npz", *options), code=2)


@pytest.mark.parametrize("option", [("--snr-db", 4000), ("--seed", 2**64), ("--antennas", 2**17)])
def test_a_simulation_that_cannot_be_is_refused(app, fails, book, option):
    fails(app("jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 3, *option), "expected")


def test_an_absent_radio_is_one_line(app, fails, book):
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", 40, "--rate", 1e6, "--freq", 1e9,
        "--usrp", "type=b200,serial=0",
    )  # fmt: skip
    fails(process, "usrp", "type=b200,serial=0", "No devices found")


def test_it_shows_progress_on_a_terminal_only(environment, book, tmp_path):
    command = "jadce-receive --pilots book.npz --simulate --slots 5000"
    run = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60}
    assert "a second" not in subprocess.run(["bash", "-c", command], **run).stderr
    assert "a second" in subprocess.run(["script", "-qec", command, "/dev/null"], **run).stdout


def test_an_output_that_is_an_input_is_refused(app, fails, record, tmp_path):
    record()
    before = [(tmp_path / name).read_bytes() for name in ("book.npz", "up.sigmf-data", "up.sigmf-meta")]
    options = ("--pilots", "book.npz", "--slot-period", PERIOD, "--recording", "up")
    for name in ("book.npz", "up.sigmf-data", "up.sigmf-meta"):
        fails(app("jadce-receive", *options, "--json", name), "--json: expected another file than", name)
    assert before == [
        (tmp_path / name).read_bytes() for name in ("book.npz", "up.sigmf-data", "up.sigmf-meta")
    ]


def test_it_ends_when_nobody_reads_on(start_app, book):
    process = start_app(
        "jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 10**9, "--json", "-"
    )
    assert process.stdout.readline().startswith('{"frame_id": 0,')
    process.stdout.close()
    assert process.wait(30) == 1
    assert "reports were not written" in process.stderr.read()


def test_samples_without_a_slot_are_pointed_out(receive, record):
    record()
    process = receive("--slot-origin", "4000000000")
    assert process.returncode == 0
    assert "no slot had its pilot in these samples: see --slot-origin" in process.stderr
