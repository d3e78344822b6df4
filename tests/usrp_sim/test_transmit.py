# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-transmit on a simulated USRP: the samples and times that reach the radio are those asked for."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_until

from gr_jadce.pilots import make_pilots
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.uplink.bursts import Bursts
from gr_jadce.waveform import Waveform

ROOT = Path(__file__).resolve().parents[2]
PERIOD, RATE, N_SLOTS = 10_000, 1_000_000, 60
WAVEFORM = Waveform(4, 0.3, cyclic_prefix=3)
SHAPE = ("--samples-per-symbol", 4, "--roll-off", 0.3, "--cyclic-prefix", 3)


@pytest.fixture
def radio(start_radios, tmp_path):
    """UHD's address of a radio that writes what it transmits to tx.iq, and a pilot book, book.npz."""
    (tmp_path / "rx.iq").write_bytes(bytes(8000))
    make_pilots("qpsk", 20, 16, seed=1).save(tmp_path / "book.npz")
    return start_radios([tmp_path / "rx.iq"], capture={0: tmp_path / "tx.iq"})


def command(name, folder, *options):
    program = ["/usr/bin/python3", ROOT / "apps" / name, "--pilots", folder / "book.npz"]
    return [*program, "--slot-period", str(PERIOD), *map(str, (*SHAPE, *options))]


def transmit(radio, folder, *options, by="--usrp"):
    return command(
        "jadce-transmit", folder, by, radio, "--subdev", "A:0", "--rate", RATE, "--freq", 2.45e9,
        "--devices", "all", "--backoff-db", 20, "--truth", folder / "truth.jsonl", *options,
    )  # fmt: skip


def run(arguments):
    process = subprocess.run(arguments, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stderr


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def captured(folder):
    """[(tick, samples (n, 2) int16, whether its end is marked)] of the bursts on the wire."""
    packets, bursts, at = read_lines(folder / "tx.iq.jsonl"), [], 0
    samples = np.fromfile(folder / "tx.iq", "<i2").reshape(-1, 2)  # written before their line
    for packet in packets:
        part, at = samples[at : at + packet["n_samples"]], at + packet["n_samples"]
        if packet["tick"] is not None:
            bursts.append((packet["tick"], part, packet["eob"]))
    assert at <= len(samples)
    return bursts


def ticks(report):
    return report["rx_time"]["seconds"] * RATE + round(report["rx_time"]["fraction"] * RATE)


@pytest.mark.parametrize(("by", "driver"), [("--usrp", ""), ("--soapy", "driver=uhd,")])
def test_samples_and_times_are_those_asked_for(radio, tmp_path, by, driver):
    if driver:
        pytest.importorskip("SoapySDR", reason="needs python3-soapysdr and soapysdr-module-uhd")
    said = run(transmit(driver + radio, tmp_path, "--slots", N_SLOTS, "--activity", 0.1, by=by))
    assert f"slots={N_SLOTS} scaled=0 unsent=0 late=0 underflow=0 lost=0 lines={N_SLOTS}" in said
    truth = read_lines(tmp_path / "truth.jsonl")
    assert [report["frame_id"] for report in truth] == list(range(N_SLOTS))
    assert truth[0]["rx_time"]["fraction"] == 0.0
    expected = [report for report in truth if report["device"]]
    bursts = Bursts(make_pilots("qpsk", 20, 16, seed=1), WAVEFORM, range(20), 20)
    sent = captured(tmp_path)
    assert [tick for tick, _, _ in sent] == [ticks(report) for report in expected]
    for (_, samples, _), report in zip(sent, expected, strict=True):
        exact = bursts.of(np.array(report["device"]))[0].view(np.float32).reshape(-1, 2)
        assert np.abs(samples - 32767 * exact.astype(float)).max() <= 0.51
    # UHD forgets the end of a stream's first send: its cached start of burst takes its place.
    assert all(ended for _, _, ended in sent[1:])


def test_truth_and_reports_agree_slot_by_slot(radio, tmp_path):
    origin = int(time.time()) - 100
    grid = ("--slot-origin", f"{origin}.003")
    run(transmit(radio, tmp_path, *grid, "--slots", N_SLOTS, "--activity", 10))
    truth = {report["frame_id"]: report for report in read_lines(tmp_path / "truth.jsonl")}
    assert min(truth) > 100 * RATE // PERIOD  # the grid began in the past, the first slot is ahead
    record(tmp_path, captured(tmp_path), start=ticks(truth[min(truth)]) - PERIOD // 3)
    run(command("jadce-receive", tmp_path, *grid, "--recording", tmp_path / "air.sigmf-meta",
                "--false-alarm", 1e-7, "--json", tmp_path / "reports.jsonl"))  # fmt: skip
    reports = {report["frame_id"]: report for report in read_lines(tmp_path / "reports.jsonl")}
    assert sorted(reports) == sorted(truth)
    for slot, report in reports.items():
        assert report["device"] == truth[slot]["device"]
        assert ticks(report) == ticks(truth[slot])


def record(folder, bursts, start):
    """Write bursts on a continuous time line, with a little noise, as a receiver's recording."""
    line = np.zeros((PERIOD // 3 + N_SLOTS * PERIOD, 1), np.complex64)
    for tick, samples, _ in bursts:
        line[tick - start : tick - start + len(samples), 0] = samples @ [1, 1j] / 32768
    line += (np.random.default_rng(1).normal(0, 1e-3, (len(line), 2)) @ [[1], [1j]]).astype(np.complex64)
    with RecordingWriter(folder / "air", 1, RATE) as writer:
        writer.write(line, (start // RATE, start % RATE / RATE))


def test_the_flowgraph_sends_in_its_slots(radio, tmp_path):
    run(["grcc", "-o", tmp_path, ROOT / "examples" / "usrp_transmitter.grc"])
    program = ["/usr/bin/python3", tmp_path / "usrp_transmitter.py", "--usrp-args", radio]
    program += [
        "--pilot-file",
        tmp_path / "book.npz",
        "--activity",
        "1",
        "--truth-path",
        tmp_path / "t.jsonl",
    ]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        wait_for_samples(process, tmp_path)
        said, _ = process.communicate("\n")
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert re.search(r"slots \d+, scaled down 0\n", said)
    expected = [ticks(report) for report in read_lines(tmp_path / "t.jsonl")]
    assert expected[0] == 5 * RATE
    sent = [tick for tick, _, _ in captured(tmp_path)]
    assert sent == expected[: len(sent)]


def wait_for_samples(process, folder):
    sent = folder / "tx.iq"
    wait_until(lambda: process.poll() is not None or (sent.exists() and sent.stat().st_size), "a sample sent")
    assert process.poll() is None, process.communicate()


def test_a_signal_ends_it_cleanly(radio, tmp_path):
    process = subprocess.Popen(transmit(radio, tmp_path), stderr=subprocess.PIPE, text=True)
    try:
        wait_for_samples(process, tmp_path)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert f"lines={len(read_lines(tmp_path / 'truth.jsonl'))}\n" in said
