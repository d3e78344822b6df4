# SPDX-License-Identifier: GPL-3.0-or-later
"""Receivers on simulated USRPs: the same decisions as from a recording of the same samples."""

import json
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_until

from gr_jadce.recordings.reader import read_recording

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
SLOT_PERIOD, RATE = 10_000, 1e6
N_SLOTS = 60
SPARE_SLOTS = 40  # streamed after those that count, so that the stream does not end with them


@dataclass(frozen=True)
class Uplink:
    """A simulated uplink: its pilot book, recording and truth, and the same samples for each radio."""

    book: Path
    recording: Path
    truth: list
    iq_files: list


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"
    return result


def app(name, *arguments):
    return run(PYTHON, ROOT / "apps" / name, *map(str, arguments))


def read_reports(path):
    return {report["frame_id"]: report for report in map(json.loads, path.read_text().splitlines())}


def simulate(folder, n_devices, pilot_length, n_antennas, snr_db):
    book = folder / "book.npz"
    app("jadce-pilots", "make", "--kind", "gaussian", "--devices", n_devices, "--length", pilot_length,
        "--seed", 3, "-o", book)  # fmt: skip
    app("jadce-simulate", "--pilots", book, "--antennas", n_antennas, "--activity-rate", 0.05,
        "--snr-db", snr_db, "--slots", N_SLOTS + SPARE_SLOTS, "--slot-period", SLOT_PERIOD, "--rate", RATE,
        "--seed", 4, "--datatype", "ci16_le", "-o", folder / "uplink")  # fmt: skip
    samples = np.fromfile(folder / "uplink.sigmf-data", "<i2").reshape(-1, n_antennas, 2)
    iq_files = [folder / f"{antenna}.iq" for antenna in range(n_antennas)]
    for antenna, iq_file in enumerate(iq_files):
        samples[:, antenna].tofile(iq_file)
    truth = [set(report["device"]) for report in read_reports(folder / "uplink.truth.jsonl").values()]
    return Uplink(book, folder / "uplink.sigmf-meta", truth, iq_files)


def receive_recording(uplink, folder, recording=None):
    app("jadce-receive", "--pilots", uplink.book, "--recording", recording or uplink.recording,
        "--slot-period", SLOT_PERIOD, "--json", folder / "recording.jsonl")  # fmt: skip
    return read_reports(folder / "recording.jsonl")


def receive_usrps(uplink, radios, folder, n_reports=N_SLOTS, *, option="--usrp"):
    """The reports of jadce-receive about the slots that count, and the counts it prints."""
    printed = run_until(folder / "usrp.jsonl", n_reports, ROOT / "apps" / "jadce-receive",
                        *usrp_arguments(uplink, radios, folder, option))  # fmt: skip
    counts = {name: int(value) for name, value in re.findall(r"\b(\w+)=(\d+)\b", printed)}
    return dict(list(read_reports(folder / "usrp.jsonl").items())[:n_reports]), counts


def usrp_arguments(uplink, radios, folder, option="--usrp"):
    return ("--pilots", uplink.book, option, radios, "--subdev", "A:0", "--antennas", len(uplink.iq_files),
            "--rate", RATE, "--freq", 2.45e9, "--gain", 30, "--time-source", "external",
            "--slot-period", SLOT_PERIOD, "--json", folder / "usrp.jsonl")  # fmt: skip


def receive_flowgraph(uplink, radios, folder, name="usrp_receiver_4", *options):
    """The reports of a compiled example, and what it prints."""
    run("grcc", "-o", folder, ROOT / "examples" / f"{name}.grc")
    printed = run_until(folder / "flowgraph.jsonl", N_SLOTS, folder / f"{name}.py",
                        "--usrp-args", radios, "--pilot-file", uplink.book, "--slot-period", SLOT_PERIOD,
                        "--json-path", folder / "flowgraph.jsonl", *options)  # fmt: skip
    assert "dropped 0, bad 0" in printed
    return read_reports(folder / "flowgraph.jsonl"), printed


def run_until(json_path, n_lines, program, *arguments):
    """Run a program, end it with Ctrl-C once it has written enough; what it printed."""
    command = [PYTHON, program, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, text=True, **pipes)
    try:
        wait_for_lines(process, json_path, n_lines)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, printed
    return printed


def wait_for_lines(process, path, n_lines):
    def has_lines():
        return path.exists() and path.read_bytes().count(b"\n") >= n_lines

    wait_until(lambda: process.poll() is not None or has_lines(), f"line {n_lines} of {path.name}")


def assert_same_decisions(reports, expected):
    for frame_id, report in reports.items():
        assert report["device"] == expected[frame_id]["device"]
        # UHD and SigMF differ by 1 in 32768 in what they call full scale.
        np.testing.assert_allclose(report["channel"], expected[frame_id]["channel"], rtol=1e-3, atol=1e-5)


def error_rate(reports, truth):
    """Share of all devices whose activity was decided wrongly."""
    wrong = sum(len(truth[frame_id] ^ set(report["device"])) for frame_id, report in reports.items())
    return wrong / sum(report["n_devices"] for report in reports.values())


@pytest.fixture(scope="module")
def one_antenna(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("one"), n_devices=100, pilot_length=40, n_antennas=1, snr_db=25)


@pytest.fixture(scope="module")
def two_antennas(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("two"), n_devices=100, pilot_length=40, n_antennas=2, snr_db=20)


@pytest.fixture(scope="module")
def four_antennas(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("four"), n_devices=200, pilot_length=64, n_antennas=4, snr_db=15)


@pytest.fixture(scope="module")
def four_expected(four_antennas, tmp_path_factory):
    return receive_recording(four_antennas, tmp_path_factory.mktemp("expected"))


def test_one_usrp(start_radios, one_antenna, tmp_path):
    reports, counts = receive_usrps(one_antenna, start_radios(one_antenna.iq_files), tmp_path)
    assert list(reports) == list(range(N_SLOTS))
    assert (counts["dropped"], counts["bad"], counts["gaps"]) == (0, 0, 0)
    assert_same_decisions(reports, receive_recording(one_antenna, tmp_path))
    assert error_rate(reports, one_antenna.truth) < 0.01


def test_a_given_number_of_slots(start_radios, one_antenna, tmp_path):
    radios = start_radios(one_antenna.iq_files)
    ended = app("jadce-receive", *usrp_arguments(one_antenna, radios, tmp_path), "--slots", 20)
    assert list(read_reports(tmp_path / "usrp.jsonl")) == list(range(20))
    assert f"samples={20 * SLOT_PERIOD} " in ended.stderr


@pytest.mark.parametrize("lost", [None, (21 * SLOT_PERIOD + 30, SLOT_PERIOD + 4000)])
def test_two_usrps_live_recorded_and_replayed(lost, start_radios, two_antennas, tmp_path):
    radios = start_radios(two_antennas.iq_files, lost and {1: f"{lost[0]}:{lost[1]}"})
    ended = app("jadce-receive", *usrp_arguments(two_antennas, radios, tmp_path), "--slots", N_SLOTS,
                "--record", tmp_path / "record")  # fmt: skip
    assert f"recorded={N_SLOTS * SLOT_PERIOD} unrecorded=0" in ended.stderr
    live = read_reports(tmp_path / "usrp.jsonl")
    replayed = receive_recording(two_antennas, tmp_path, tmp_path / "record.sigmf-meta")
    first = next(iter(live))
    assert sorted(set(range(first, first + N_SLOTS)) - set(live)) == ([21, 22] if lost else [])
    assert error_rate(live, two_antennas.truth) < 0.01
    assert list(live) == list(replayed)
    for frame_id, report in live.items():
        assert_same_report(report, replayed[frame_id])
    assert_recorded(read_recording(tmp_path / "record"), two_antennas, lost)


def assert_same_report(report, other):
    for name in ("device", "status", "rx_time", "n_devices", "n_antennas"):
        assert report[name] == other[name]
    atol = 1e-5 * np.abs(report["channel"]).max(initial=0.0)
    np.testing.assert_allclose(report["channel"], other["channel"], rtol=0, atol=atol)


def assert_recorded(recording, uplink, lost):
    """The samples are those of the radios, each at its time."""
    sent = np.stack([np.fromfile(file, "<i2").reshape(-1, 2) for file in uplink.iq_files], axis=1) / 32767
    start = recording.segments[0].rx_time
    assert len(recording.segments) == (2 if lost else 1)
    for segment in recording.segments:
        seconds, fraction = segment.rx_time
        first = round((seconds - start[0] + fraction - start[1]) * RATE)
        parts = sent[first : first + segment.stop - segment.start]
        np.testing.assert_allclose(
            recording.read(segment.start, segment.stop), parts[..., 0] + 1j * parts[..., 1], atol=1e-6
        )
        assert segment.frequency == pytest.approx(2.45e9, abs=1e3)


def test_four_usrps(start_radios, four_antennas, four_expected, tmp_path):
    radios = start_radios(four_antennas.iq_files)
    reports, counts = receive_usrps(four_antennas, radios, tmp_path)
    assert list(reports) == list(range(N_SLOTS))
    assert (counts["dropped"], counts["bad"], counts["gaps"]) == (0, 0, 0)
    assert_same_decisions(reports, four_expected)
    assert error_rate(reports, four_antennas.truth) < 0.005
    reports, _ = receive_flowgraph(four_antennas, radios, tmp_path)
    reports = dict(list(reports.items())[:N_SLOTS])
    first = round(5.0 * RATE / SLOT_PERIOD)  # the flowgraph starts at 5 s and counts slots from 0 s
    assert list(reports) == list(range(first, first + N_SLOTS))
    assert_same_decisions({frame_id - first: report for frame_id, report in reports.items()}, four_expected)


def test_four_usrps_recorded_by_a_flowgraph(start_radios, four_antennas, tmp_path):
    radios, record = start_radios(four_antennas.iq_files), tmp_path / "record.sigmf-meta"
    live, printed = receive_flowgraph(
        four_antennas, radios, tmp_path, "usrp_recorder_4", "--recording-path", record
    )
    assert re.search(r"samples written to \S+: (\d+) of \1\n", printed)
    run("grcc", "-o", tmp_path, ROOT / "examples" / "recording_receiver.grc")
    run(PYTHON, tmp_path / "recording_receiver.py", "--recording-path", record,
        "--pilot-file", four_antennas.book, "--slot-period", str(SLOT_PERIOD),
        "--json-path", tmp_path / "replayed.jsonl", stdin=subprocess.DEVNULL)  # fmt: skip
    replayed = read_reports(tmp_path / "replayed.jsonl")
    live = dict(list(live.items())[:N_SLOTS])
    assert set(live) <= set(replayed)
    assert_same_decisions(live, replayed)


def test_packets_lost_on_one_radio(start_radios, four_antennas, four_expected, tmp_path):
    lost = f"{41 * SLOT_PERIOD + 30}:{SLOT_PERIOD + 4000}"  # from within pilot 41 into the guard of slot 42
    radios = start_radios(four_antennas.iq_files, {2: lost})
    reports, counts = receive_usrps(four_antennas, radios, tmp_path, n_reports=N_SLOTS - 2)
    assert sorted(set(range(N_SLOTS)) - set(reports)) == [41, 42]
    assert (counts["gaps"], counts["slots_lost"], counts["dropped"], counts["bad"]) == (1, 2, 0, 0)
    assert_same_decisions(reports, four_expected)
