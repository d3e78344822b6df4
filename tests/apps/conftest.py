# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs, run as their users run them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from received import N_SLOTS, PERIOD, RATE, START

import gr_jadce
from gr_jadce import Scenario, make_pilots
from gr_jadce.recordings.times import time_after
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.uplink import simulate_slots

APPS = Path(__file__).resolve().parents[2] / "apps"
PACKAGE_PATH = str(Path(gr_jadce.__file__).resolve().parents[1])


@pytest.fixture(scope="session", autouse=True)
def hangups_are_noticed():
    """Programs inherit what a signal does; under nohup they would go on without their terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def environment():
    """Environment variables with which a checkout's programs find the package under test."""
    paths = [PACKAGE_PATH, os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PATH": f"{APPS}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
    }


@pytest.fixture
def app(environment, tmp_path):
    """Run a program in the test's directory; returns the finished process, output as text."""

    def run(name, *arguments, **options):
        command = [sys.executable, APPS / name, *map(str, arguments)]
        options = {"capture_output": True, "text": True, "cwd": tmp_path} | options
        return subprocess.run(command, env=environment, **options)

    return run


@pytest.fixture
def start_app(environment, tmp_path):
    """Start a program with pipes; what still runs at the end of the test is killed."""
    started = []

    def start(name, *arguments):
        command = [sys.executable, APPS / name, *map(str, arguments)]
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def book(tmp_path):
    """A small pilot book, saved as book.npz in the test's directory."""
    pilots = make_pilots("gaussian", n_devices=30, pilot_length=24, seed=5)
    pilots.save(tmp_path / "book.npz")
    return pilots


@pytest.fixture
def fails():
    """Check that a process failed with one line of explanation, and no traceback."""

    def check(process, *words, code=1):
        lines = process.stderr.strip().splitlines()
        assert process.returncode == code, process.stderr
        assert "Traceback" not in process.stderr
        assert "error: " in lines[-1]
        for word in words:
            assert word in lines[-1]

    return check


@pytest.fixture
def scenario(book):
    return Scenario(book, n_antennas=3, activity_rate=0.1, snr_db=20.0)


@pytest.fixture
def record(scenario, tmp_path):
    """Record slots; `gaps` are (first, length) of samples that were lost."""

    def write(gaps=(), change=None, datatype="cf32_le"):
        samples, uplink = simulate_slots(scenario, PERIOD, N_SLOTS, seed=2)
        if change is not None:
            change(samples)
        if datatype == "ci16_le":
            samples *= np.float32(0.05)
        edges = [0, *(edge for first, length in gaps for edge in (first, first + length)), len(samples)]
        with RecordingWriter(tmp_path / "up", 3, RATE, datatype=datatype) as writer:
            for first, stop in zip(edges[::2], edges[1::2], strict=True):
                writer.write(samples[first:stop], time_after(START, first, RATE))
        return uplink

    return write


@pytest.fixture
def receive(app):
    def run(*options):
        process = app(
            "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD,
            "--recording", "up.sigmf-meta", "--json", "out.jsonl", *options,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process

    return run
