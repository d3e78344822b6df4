# SPDX-License-Identifier: GPL-3.0-or-later
"""How programs end: by any signal, with streams closed, without a home, under attack, with stuck readers."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from gr_jadce.recordings.reader import read_recording

ENDLESS = ("jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 10**9)
SHORT = ("jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 30)
SEND = ("jadce-transmit", "--pilots", "book.npz", "--devices", 3, "--slot-period", 300, "--recording", "sent")


def counts_of(text):
    line = next(line for line in text.splitlines() if re.match("frames=|slots=|joined=", line))
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


def wait_for(condition, process=None):
    give_up = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < give_up
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)


def has_data(path):
    return path.exists() and path.stat().st_size > 0


@pytest.fixture
def patch(environment, tmp_path):
    """Run code at the start of every program."""

    def write(code):
        (tmp_path / "sitecustomize.py").write_text(code)
        environment["PYTHONPATH"] = f"{tmp_path}:{environment['PYTHONPATH']}"

    return write


@pytest.mark.parametrize("signals", [[signal.SIGHUP], [signal.SIGHUP] * 3, [signal.SIGTERM]])
def test_a_lost_connection_leaves_counts_and_a_finished_recording(start_app, book, tmp_path, signals):
    process = start_app(*ENDLESS, "--record", "up", "--json", "out.jsonl")
    wait_for(lambda: has_data(tmp_path / "out.jsonl") and has_data(tmp_path / "up.sigmf-data"), process)
    for number in signals:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    counts = counts_of(said)
    assert process.returncode == 0, said
    assert counts["recorded"] == read_recording(tmp_path / "up.sigmf-meta").n_samples
    assert counts["lines"] == len((tmp_path / "out.jsonl").read_text().splitlines())


def test_a_lost_connection_ends_a_transmission_cleanly(start_app, book, tmp_path):
    process = start_app(*SEND, "--slots", 10**9, "--truth", "sent.jsonl")
    wait_for(lambda: has_data(tmp_path / "sent.jsonl"), process)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert counts_of(said)["recorded"] == read_recording(tmp_path / "sent.sigmf-meta").n_samples


@pytest.mark.parametrize("command", [ENDLESS, (*SEND, "--slots", 10)])
def test_a_start_that_hangs_is_ended_by_a_signal(start_app, book, tmp_path, patch, command):
    patch(
        "import threading\nfrom pathlib import Path\nfrom gr_jadce.programs import supervisor\n"
        "def run(self):\n    Path('hangs').touch()\n    threading.Event().wait()\n"
        "supervisor.Supervisor._run = run\n"
    )
    process = start_app(*command)
    wait_for((tmp_path / "hangs").exists, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: the flowgraph was stopped while its start hung" in said


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("options", ["", "--json - "])
def test_closed_standard_streams_are_no_failure(environment, book, tmp_path, redirection, options):
    command = f"{' '.join(map(str, SHORT))} {options} {redirection}"
    run = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert (run.returncode, "Traceback" in run.stderr) == (0, False), run.stderr


def test_a_user_without_a_home_can_receive(app, book, environment, tmp_path):
    environment |= {"HOME": "/nonexistent", "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    process = app(*SHORT)
    assert process.returncode == 0, process.stderr
    assert not list((tmp_path / "tmp").iterdir())


def test_a_reader_that_stands_still_does_not_keep_a_program_from_its_end(start_app, book, tmp_path):
    process = start_app(*ENDLESS, "--json", "-", "--record", "up")
    assert process.stdout.readline()
    wait_for(lambda: has_data(tmp_path / "up.sigmf-data"), process)
    samples = -1
    while samples < (samples := (tmp_path / "up.sigmf-data").stat().st_size):
        time.sleep(2)  # until the simulation waits for the reader, too
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 1
    said = process.stderr.read()
    counts = counts_of(said)
    assert "reports were not written" in said
    assert counts["recorded"] == read_recording(tmp_path / "up.sigmf-meta").n_samples


def test_a_slow_reader_of_a_simulation_gets_every_report(start_app, book):
    n_slots = 6000
    process = start_app(*SHORT[:-1], n_slots, "--json", "-")
    frames = []
    for line in process.stdout:
        frames.append(json.loads(line)["frame_id"])
        if len(frames) < 100:
            time.sleep(0.01)
    assert process.wait() == 0, process.stderr.read()
    assert frames == list(range(n_slots))


def test_a_fifo_without_a_reader_does_not_keep_a_program_from_running(start_app, book, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    process = start_app(*ENDLESS, "--json", "fifo", "--record", "up")
    wait_for(lambda: has_data(tmp_path / "up.sigmf-data"), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 1
    assert "reports were not written" in process.stderr.read()


def test_many_connections_do_not_end_a_receiver(start_app, book, tmp_path, environment):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 2048 and limits[1] != resource.RLIM_INFINITY:
        pytest.skip("needs more than 2048 files")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    try:
        process = start_app(*ENDLESS, "--zmq", port, "--record", "up", "--json", "out.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2048), limits[1]))
    wait_for(lambda: has_data(tmp_path / "out.jsonl"), process)
    strangers = []
    try:
        for _ in range(1100):
            strangers.append(socket.create_connection(("127.0.0.1", port)))
        size = (tmp_path / "out.jsonl").stat().st_size
        wait_for(lambda: (tmp_path / "out.jsonl").stat().st_size > size, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        for stranger in strangers:
            stranger.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert process.returncode == 0, said
    assert counts_of(said)["recorded"] == read_recording(tmp_path / "up.sigmf-meta").n_samples


@pytest.mark.parametrize("command", [SHORT, (*SEND, "--slots", 10)])
def test_threads_that_cannot_be_looked_at_are_no_death(app, book, patch, command):
    patch("import pathlib, gr_jadce.blocks.support.watchdog as w\nw._TASKS = pathlib.Path('/nonexistent')\n")
    process = app(*command)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(("command", "recording"), [((*ENDLESS, "--record", "up"), "up"), (SEND, "sent")])
def test_an_exception_while_it_runs_closes_the_files_and_is_reported(
    app, book, tmp_path, patch, command, recording
):
    patch(
        "import gr_jadce.programs.supervisor as s\n"
        "def look(blocks, looks=[]):\n"
        "    looks.append(1)\n"
        "    return [] if len(looks) < 5 else 1 / 0\n"
        "s.dead_blocks = look\n"
    )
    process = app(*command, *([] if "--slots" in command else ["--slots", 10**9]))
    assert process.returncode == 1
    assert "too large or too small" in process.stderr.splitlines()[-1]
    assert (
        counts_of(process.stderr)["recorded"]
        == read_recording(tmp_path / f"{recording}.sigmf-meta").n_samples
    )


def test_a_thread_that_still_works_does_not_crash_the_end(app, book, patch):
    """In the kernel: a thread of NumPy's ends quietly with the interpreter."""
    patch(
        "import threading, numpy\nfrom gr_jadce import make_pilots, pc_admm\n"
        "from gr_jadce.programs import receive\n"
        "report = receive._say_counts\n"
        "solve = pc_admm(make_pilots('gaussian', 200, 100, seed=1))\n"
        "frames = numpy.random.default_rng(1).standard_normal((20, 100, 2)).astype('c8')\n"
        "def work():\n    while True: solve(frames)\n"
        "def say(reception):\n"
        "    [threading.Thread(target=work, daemon=True).start() for _ in range(4)]\n"
        "    report(reception)\n"
        "receive._say_counts = say\n"
    )
    process = app(*SHORT)
    assert process.returncode == 0, process.stderr
