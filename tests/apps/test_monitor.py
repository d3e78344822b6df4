# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-monitor: in a terminal and without one, until it is told to stop."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from reports import make_report
from waiting import LIMIT_S

from gr_jadce.reports.json_lines import to_json

APPS = Path(__file__).resolve().parents[2] / "apps"


@pytest.fixture
def reports(tmp_path):
    for name, estimator in (("out", "pc_admm"), ("truth", "truth")):
        lines = [to_json(make_report(frame_id=k, estimator=estimator)) + "\n" for k in range(30)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return tmp_path


def test_once_tells_what_is_in_a_file(app, reports):
    process = app("jadce-monitor", "--json", "out.jsonl", "--once", "--truth", "truth.jsonl")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.count("\n") == 1
    assert "Frames: 30 " in process.stdout and "Missed: 0 (0 %)" in process.stdout


def test_standard_input_ends_it(app, reports):
    with open(reports / "out.jsonl") as file:
        process = app("jadce-monitor", "--json", "-", stdin=file)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1].endswith("source: ended")


@pytest.mark.parametrize("name", ["\ud800", "\x1b[2J", "a\nb"], ids=["surrogate", "escape", "newline"])
def test_names_from_the_network_neither_end_it_nor_reach_the_terminal(app, tmp_path, name):
    (tmp_path / "out.jsonl").write_text(to_json(make_report(frame_id=1, estimator=name)) + "\n")
    process = app("jadce-monitor", "--json", "out.jsonl", "--once")
    assert (process.returncode, process.stderr, process.stdout.count("\n")) == (0, "", 1)
    assert f"Estimator: {repr(name)[1:-1]}" in process.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_it_prints_a_line_a_second_until_a_signal(start_app, reports, number):
    process = start_app("jadce-monitor", "--json", "out.jsonl")
    assert "Frames: 30 " in process.stdout.readline()
    process.send_signal(number)
    assert process.wait() == 0
    assert process.stderr.read() == ""


class Session:
    """The program in a terminal."""

    def __init__(self, environment, *arguments, cwd):
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (30, 100))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, APPS / "jadce-monitor", *arguments], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, env=environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}, cwd=cwd,
            preexec_fn=self.own_terminal,
        )  # fmt: skip
        self.text = ""

    def own_terminal(self):
        os.setsid()
        os.close(os.open(os.ttyname(self.slave), os.O_RDWR))  # the first it opens controls it

    def read_until(self, words, seconds=LIMIT_S):
        give_up = time.monotonic() + seconds
        while words not in self.text and time.monotonic() < give_up:
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")
        return words in self.text


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "Ctrl-C"])
def test_in_a_terminal_it_draws_follows_the_size_and_leaves_all_as_it_was(environment, reports, key):
    session = Session(environment, "--json", "out.jsonl", "--truth", "truth.jsonl", cwd=reports)
    assert session.read_until("q quits") and session.read_until("▀")
    session.text = ""
    termios.tcsetwinsize(session.slave, (8, 20))
    assert session.read_until("\x1b[H")
    assert session.read_until("\x1b[J")
    os.write(session.master, key)
    assert session.read_until("\x1b[?1049l"), session.text
    assert session.process.wait() == 0
    assert termios.tcgetattr(session.slave) == session.before
    assert "Traceback" not in session.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "absent.jsonl"], ["absent.jsonl", "No such file"]),
        (["--json", "out.jsonl", "--once", "--truth", "absent"], ["absent", "No such file"]),
        (["--json", "out.jsonl", "--once", "--truth", "broken"], ["broken", "no frame_id"]),
        (["--zmq", "here"], ["address", "'here'"]),
    ],
)
def test_mistakes_are_explained(app, fails, reports, options, words):
    (reports / "broken").write_text("[]\n")
    fails(app("jadce-monitor", *options), *words)


@pytest.mark.parametrize("options", [[], ["--json", "a", "--zmq", "5"], ["--zmq", "5", "--once"]])
def test_wrong_usage_is_code_2(app, fails, options):
    fails(app("jadce-monitor", *options), code=2)
