# SPDX-License-Identifier: GPL-3.0-or-later
"""One radio, two receivers, one joiner: each a process. One receiver is killed, the others go on."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

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
    if not path.exists():
        return []
    return [json.loads(line)["frame_id"] for line in path.read_text().splitlines() if line.endswith("}")]


def is_connected(address):
    """Whether a process has connected to an ipc:// address: its socket is there beside the listening one."""
    sockets = Path("/proc/net/unix").read_text().split()
    return sockets.count(address.removeprefix("ipc://")) > 1


@pytest.mark.parametrize("kill", [False, True])
def test_three_processes_and_a_joiner(start, tmp_path, kill):
    frames, *reports = (f"ipc://{tmp_path}/{name}" for name in ("frames", "a", "b"))
    joiner = start(
        "jadce-join", "--zmq", reports[0], "--zmq", reports[1], "--json", "all.jsonl",
        "--patience", 10,  # seconds, for frames before the first and those of a killed receiver
    )  # fmt: skip
    receivers = [
        start("jadce-receive", "--pilots", "book.npz", "--frames", frames, "--json", f"{k}.jsonl",
              "--zmq", address)
        for k, address in enumerate(reports)
    ]  # fmt: skip
    both, first, second = (tmp_path / name for name in ("all.jsonl", "0.jsonl", "1.jsonl"))
    wait_until(lambda: all(map(is_connected, reports)), "the joiner at both receivers")
    start("distributed_radio.py", "--address", frames, "--n-slots", N_FRAMES)  # until Enter is pressed
    if kill:
        wait_until(lambda: len(frames_in(first)) > 100, "a hundred frames of the first receiver")
        receivers[0].send_signal(signal.SIGSTOP)  # some bunches of frames go to it all the same
        answered = len(frames_in(second))
        wait_until(lambda: len(frames_in(second)) > answered + 300, "more frames of the second receiver")
        receivers[0].send_signal(signal.SIGKILL)
    wait_until(lambda: frames_in(both)[-1:] == [N_FRAMES - 1], "the last frame, joined")
    counts, codes = end(joiner), [ended_by_a_signal(process) for process in receivers[kill:]]
    assert codes == [0] * len(codes)
    check(counts, frames_in(both), frames_in(first), frames_in(second), kill)


def end(joiner):
    """End the joiner; its counts."""
    joiner.send_signal(signal.SIGINT)
    counts = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", joiner.stderr.read())}
    assert joiner.wait() == 0
    return counts


def ended_by_a_signal(process):
    process.send_signal(signal.SIGINT)
    return process.wait()


def check(counts, joined, first, second, kill):
    assert joined == sorted(set(joined))
    assert joined[-1] - joined[0] + 1 == counts["joined"] + counts["missing"]
    assert (len(joined), counts["late"], counts["slots_lost"]) == (counts["joined"], 0, 0)
    assert len(first) > 100 and len(second) > 100
    begin = max(min(set(joined) & set(frames)) for frames in (first, second))  # it hears both
    if kill:
        assert set(second) - set(range(begin)) <= set(joined)  # whatever the other receiver suffers
        assert 0 < counts["missing"] < N_FRAMES / 2
        assert second[-1] == N_FRAMES - 1
    else:
        assert joined[joined.index(begin) :] == list(range(begin, N_FRAMES))
        assert sorted(first + second) == list(range(N_FRAMES))
