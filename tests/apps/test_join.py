# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-join: what publishers send, be it what it may, becomes lines in the order of frames."""

import json
import re
import signal
import threading

import pytest
from reports import make_report

from gr_jadce.delivery.publishing import Publisher
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.status import status_to_json


@pytest.fixture
def join(start_app, tmp_path):
    """Start jadce-join and give it lines, again and again until it takes them; its process."""
    publishers = []

    def start(*lines, options=("--json", "all.jsonl", "--patience", 0.5)):
        publisher = Publisher(f"ipc://{tmp_path}/reports")
        publishers.append(publisher)
        process = start_app("jadce-join", "--zmq", publisher.address, *options)
        stop = threading.Event()
        thread = threading.Thread(target=repeat, args=(publisher, lines, stop))
        thread.start()
        return process, stop, thread

    yield start
    for publisher in publishers:
        publisher.close()


def repeat(publisher, lines, stop):
    while not stop.wait(0.05):
        for line in lines:
            publisher.send(line)


def report(frame_id):
    return to_json(make_report(frame_id=frame_id, rx_time=(frame_id, 0.0)))


def counts_of(text):
    line = next(line for line in text.splitlines() if line.startswith("joined="))
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def finish(process, stop, thread, path):
    """Wait for a line, then end the program: what it said."""
    while not path.exists() or b"\n" not in path.read_bytes():
        assert process.poll() is None, process.communicate()
    stop.set()
    thread.join()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    return said


@pytest.mark.parametrize("value", ["null", '"7"', "-3", "1e300", "[]"])
def test_a_status_that_is_none_is_left_out(join, tmp_path, value):
    bad = f'{{"receiver_status": {{"frames_dropped": {value}, "slots_lost": {value}}}}}'
    good = status_to_json({"frames_dropped": 3, "slots_lost": 4})
    running = join(good, bad, report(5))
    said = finish(*running, tmp_path / "all.jsonl")
    assert running[0].returncode == 0, said
    assert "a line left out: receiver_status: frames_dropped: expected" in said
    assert (counts_of(said)["dropped"], counts_of(said)["slots_lost"]) == (3, 4)


def test_new_lines_between_tokens_and_escapes_stay_out_of_file_and_terminal(join, tmp_path):
    broken = report(5).replace(", ", ",\n")
    escape = '{"frame_id": "\x1b[31m\u009b"}'
    said = finish(*join(escape, broken), tmp_path / "all.jsonl")
    assert "\x1b" not in said and "\x9b" not in said
    (line,) = (tmp_path / "all.jsonl").read_text().splitlines()
    assert json.loads(line) == json.loads(report(5))


def test_a_reader_that_stands_still_does_not_keep_it_from_its_end(join):
    process, stop, thread = join(*map(report, range(2000)), options=("--patience", 0.5))
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    code = process.wait()
    stop.set()
    thread.join()
    said = process.stderr.read()
    assert (code, "Traceback" in said) in [(0, False), (1, False)]
    assert (code == 1) == (counts_of(said)["unwritten"] > 0)
