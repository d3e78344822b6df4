# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive: what it writes is whole, and what could not be written is an error."""

import json
import re
import signal
import subprocess

import numpy as np
import pytest
from received import N_SLOTS, PERIOD, counts_of


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


def test_json_to_standard_output_is_nothing_but_json(app, record):
    record(change=lambda samples: samples.__setitem__(5 * PERIOD, np.nan))  # the receiver logs this frame
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD, "--recording", "up", "--json", "-"
    )
    frames = [json.loads(line)["frame_id"] for line in process.stdout.splitlines()]
    assert frames == list(range(N_SLOTS))
    assert counts_of(process)["lines"] == N_SLOTS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(start_app, book, number):
    process = start_app(
        "jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 10_000_000, "--json", "-"
    )  # fmt: skip
    first = process.stdout.readline()
    process.send_signal(number)
    # communicate() would forget what readline() has buffered
    rest, text = process.stdout.read(), process.stderr.read()
    process.wait()
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
    assert process.wait() == 1
    assert "reports were not written" in text
    assert "Traceback" not in text


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
    assert process.wait() == 1
    assert "reports were not written" in process.stderr.read()
