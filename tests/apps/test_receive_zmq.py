# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive publishes its reports, takes frames of a framer elsewhere, and notices dead blocks."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq
from gnuradio import gr, zeromq
from waiting import LIMIT_S

from gr_jadce import Scenario
from gr_jadce.blocks import pilot_framer, uplink_source
from gr_jadce.delivery.publishing import Publisher, Subscriber
from gr_jadce.reports.status import read_line

CLIENT = Path(__file__).resolve().parents[2] / "examples" / "zmq_client.py"
N_SLOTS, PERIOD = 200, 40


@pytest.fixture
def address(tmp_path):
    return f"ipc://{tmp_path}/zmq"


@pytest.fixture
def send_frames(book, address):
    """Start a flowgraph of an uplink, its framer and GNU Radio's ZMQ PUSH Sink."""
    running = []

    def start(n_slots=N_SLOTS, n_antennas=1):
        scenario = Scenario(book, n_antennas=n_antennas, activity_rate=0.1, snr_db=20.0)
        source = uplink_source(
            book,
            n_antennas,
            scenario.activity_rate,
            snr_db=scenario.snr_db,
            slot_period=PERIOD,
            n_slots=n_slots,
        )
        framer = pilot_framer(book.pilot_length, n_antennas, PERIOD, tag_every_frame=True)
        size = book.pilot_length * n_antennas
        sink = zeromq.push_sink(gr.sizeof_gr_complex, size, address, 100, True, 2)
        flowgraph = gr.top_block()
        for antenna in range(n_antennas):
            flowgraph.connect((source, antenna), (framer, antenna))
        flowgraph.connect(framer, sink)
        flowgraph.start()
        running.append((flowgraph, sink))

    yield start
    for flowgraph, _ in running:
        flowgraph.stop()
        flowgraph.wait()


def summary(process):
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", process.stderr)}


def test_reports_and_statuses_are_published(start_app, book, address):
    subscriber = Subscriber([address])
    process = start_app(
        "jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 10**7, "--zmq", address
    )
    lines, give_up = [], time.monotonic() + LIMIT_S
    while not any("receiver_status" in line for line in lines) and time.monotonic() < give_up:
        lines += [line for _, line in subscriber.lines()]
    process.terminate()
    while process.poll() is None:
        lines += [line for _, line in subscriber.lines()]
    lines += [line for _, line in subscriber.lines(0.3)]
    text = process.stderr.read()
    subscriber.close()
    assert process.returncode == 0, text
    *reports, last = [read_line(line) for line in lines]
    assert last["final"]
    frames = [report.frame_id for report in reports if not isinstance(report, dict)]
    assert (np.diff(frames) > 0).all()
    counts = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}
    assert last["frames_solved"] == counts["solved"]
    assert last["lines_published"] + 1 == counts["published"]
    assert "overflows" in counts


def test_the_example_client_prints_who_is_active(address, tmp_path):
    publisher = Publisher(address)
    client = subprocess.Popen([sys.executable, CLIENT, address], stdout=subprocess.PIPE, text=True)
    line = json.dumps({"frame_id": 7, "device": [3, 5]})
    stop = threading.Event()

    def publish():
        while not stop.wait(0.02):
            publisher.send_status({"frames_in": 1})
            publisher.send(line)

    thread = threading.Thread(target=publish)
    thread.start()
    first = client.stdout.readline()
    stop.set()
    thread.join()
    client.kill()
    client.communicate()
    publisher.close()
    assert first == "7 [3, 5]\n"


def test_an_address_in_use_or_wrong_is_told_before_anything_runs(app, fails, book):
    options = ["--pilots", "book.npz", "--simulate", "--slots", 3, "--zmq"]
    taken = Publisher("tcp://127.0.0.1:*")
    fails(app("jadce-receive", *options, taken.address), taken.address, "in use")
    taken.close()
    fails(app("jadce-receive", *options, "here"), "address", "tcp://HOST:PORT", "'here'")


def test_frames_from_elsewhere_are_reported_as_those_from_here(app, book, send_frames, address, tmp_path):
    send_frames()
    options = ["--pilots", "book.npz", "--json"]
    process = app("jadce-receive", *options, "there.jsonl", "--frames", address, "--slots", N_SLOTS)
    assert process.returncode == 0, process.stderr
    counts = summary(process)
    assert (counts["frames"], counts["solved"], counts["gaps"]) == (N_SLOTS, N_SLOTS, 0)
    assert counts["samples"] == (N_SLOTS - 1) * PERIOD + book.pilot_length
    app(
        "jadce-receive", *options, "here.jsonl", "--simulate", "--slots", N_SLOTS, "--slot-period", PERIOD,
        "--snr-db", 20, "--seed", 0,
    )  # fmt: skip
    here, there = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("here.jsonl", "there.jsonl")
    )
    for ours, theirs in zip(here, there, strict=True):
        assert (ours["frame_id"], ours["rx_time"]) == (theirs["frame_id"], theirs["rx_time"])
        assert ours["device"] == theirs["device"]


@pytest.mark.parametrize("n_antennas", [1, 2])
def test_frames_of_another_shape_are_refused(app, book, send_frames, address, n_antennas):
    send_frames(n_antennas=4)
    process = app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--antennas", n_antennas)
    assert process.returncode == 1, process.stderr
    assert f"error: n_antennas: the frames have 4, this receiver is for {n_antennas}" in process.stderr
    assert summary(process)["solved"] == 0


def test_frames_end_when_none_has_come_for_long(app, book, send_frames, address):
    send_frames(n_slots=20)
    process = app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--idle", 2)
    assert process.returncode == 0, process.stderr
    assert summary(process)["frames"] == 20


def test_a_block_that_died_is_an_error_not_a_standstill(start_app, book, address):
    """GNU Radio's ZMQ PULL Source dies of a message that does not hold whole frames."""
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.bind(address)
    process = start_app("jadce-receive", "--pilots", "book.npz", "--frames", address)
    socket.send(b"not frames")
    text = process.stderr.read()
    context.destroy(linger=0)
    assert process.wait() == 1
    assert "error: 'pull_source' has died" in text.splitlines()[-1]


@pytest.mark.parametrize(
    "options",
    [
        ["--frames", "5", "--slot-period", "40"],
        ["--frames", "5", "--duration", "4"],
        ["--frames", "5", "--record", "x"],
        ["--simulate", "--idle", "3"],
    ],
)
def test_options_that_do_not_go_together(app, fails, book, options):
    fails(app("jadce-receive", "--pilots", "book.npz", *options), code=2)


def test_a_wrong_address_of_frames_is_told(app, fails, book):
    fails(app("jadce-receive", "--pilots", "book.npz", "--frames", "here"), "address", "'here'")
