# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive publishes its reports and statuses."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import LIMIT_S

from gr_jadce.delivery.publishing import Publisher, Subscriber
from gr_jadce.reports.status import read_line

CLIENT = Path(__file__).resolve().parents[2] / "examples" / "zmq_client.py"


@pytest.fixture
def address(tmp_path):
    return f"ipc://{tmp_path}/zmq"


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


def test_the_truth_of_a_simulation_comes_before_its_reports(start_app, book, address):
    subscriber = Subscriber([address])
    options = ("--simulate", "--slots", 10**7, "--zmq", address, "--zmq-truth")
    process = start_app("jadce-receive", "--pilots", "book.npz", *options)
    told, answered, give_up = set(), set(), time.monotonic() + LIMIT_S
    while len(answered) < 20 and time.monotonic() < give_up:
        for report in map(read_line, (line for _, line in subscriber.lines())):
            if isinstance(report, dict):
                continue
            if report.estimator == "truth":
                told.add(report.frame_id)
            elif told and report.frame_id >= min(told):  # others came before the connection
                answered.add(report.frame_id)
                assert report.frame_id in told
    process.terminate()
    process.communicate()
    subscriber.close()
    assert len(answered) >= 20


def test_only_a_simulation_knows_the_truth(app, fails, book):
    options = ("--pilots", "book.npz", "--zmq-truth")
    fails(app("jadce-receive", *options, "--simulate"), "--zmq-truth goes with --zmq", code=2)
    recorded = ("--recording", "up", "--slot-period", 40, "--zmq", 5555)
    fails(app("jadce-receive", *options, *recorded), "--zmq-truth goes with --zmq", code=2)
