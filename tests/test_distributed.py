# SPDX-License-Identifier: GPL-3.0-or-later
"""One radio, two receivers, one joiner: each a process. One receiver is killed, the others go on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gr_jadce import make_pilots

ROOT = Path(__file__).resolve().parents[1]
N_FRAMES = 3000


@pytest.fixture
def start(tmp_path):
    """Start a process; what still runs at the end of the test is killed."""
    make_pilots("gaussian", 100, 40).save(tmp_path / "book.npz")
    subprocess.run(["grcc", "-o", tmp_path, ROOT / "examples" / "distributed_radio.grc"], check=True)
    started = []

    def run(*command):
        if isinstance(command[0], str) and command[0].startswith("jadce-"):
            command = (ROOT / "apps" / command[0], *command[1:])
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=tmp_path, env=environment, **pipes
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def frames_in(path):
    return [json.loads(line)["frame_id"] for line in path.read_text().splitlines() if line.endswith("}")]


def wait_until(condition, seconds=60):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.parametrize("kill", [False, True])
def test_three_processes_and_a_joiner(start, tmp_path, kill):
    frames, *reports = (f"ipc://{tmp_path}/{name}" for name in ("frames", "a", "b"))
    joiner = start("jadce-join", "--zmq", reports[0], "--zmq", reports[1], "--json", "all.jsonl", "--idle", 8)
    receivers = [
        start(
            "jadce-receive", "--pilots", "book.npz", "--frames", frames, "--json", f"{k}.jsonl",
            "--zmq", address, "--idle", 5,
        )
        for k, address in enumerate(reports)
    ]  # fmt: skip
    wait_until(lambda: all((tmp_path / f"{k}.jsonl").exists() for k in (0, 1)))
    time.sleep(1)  # until the joiner listens to both
    start("distributed_radio.py", "--address", frames, "--n-slots", N_FRAMES)  # until Enter is pressed
    if kill:
        wait_until(lambda: len(frames_in(tmp_path / "0.jsonl")) > 100)
        receivers[0].send_signal(signal.SIGSTOP)  # some bunches of frames go to it all the same
        answered = len(frames_in(tmp_path / "1.jsonl"))
        wait_until(lambda: len(frames_in(tmp_path / "1.jsonl")) > answered + 300)
        receivers[0].send_signal(signal.SIGKILL)
    counts = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", joiner.stderr.read())}
    assert joiner.wait(30) == 0
    joined, first, second = (frames_in(tmp_path / name) for name in ("all.jsonl", "0.jsonl", "1.jsonl"))
    assert joined == sorted(set(joined))
    assert joined[-1] - joined[0] + 1 == counts["joined"] + counts["missing"]
    assert (len(joined), counts["late"], counts["slots_lost"]) == (counts["joined"], 0, 0)
    assert len(first) > 100 and len(second) > 100
    assert set(second) <= set(joined)  # whatever the other receiver suffers
    if kill:
        assert 0 < counts["missing"] < N_FRAMES / 2
        assert second[-1] == joined[-1] == N_FRAMES - 1
    else:
        assert joined == list(range(joined[0], N_FRAMES))  # all since it listens to both
        assert sorted(first + second) == list(range(N_FRAMES))
        assert [process.wait(30) for process in receivers] == [0, 0]
