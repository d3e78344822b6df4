# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive on recordings that are pipes, archives, of other programs, or too wide."""

import json
import os
import tarfile

import numpy as np
import pytest

from gr_jadce.recordings.writer import RecordingWriter

RECEIVE = ["jadce-receive", "--pilots", "book.npz", "--slot-period", 40, "--recording"]


@pytest.fixture
def simulated(app, book):
    process = app("jadce-simulate", "--pilots", "book.npz", "--slots", 30, "--slot-period", 40, "-o", "up")
    assert process.returncode == 0, process.stderr


def counts(process):
    line = next(line for line in process.stderr.splitlines() if line.startswith("frames="))
    return dict(pair.split("=") for pair in line.split())


def test_samples_from_a_pipe_are_refused(app, fails, simulated, tmp_path):
    (tmp_path / "up.sigmf-data").unlink()
    os.mkfifo(tmp_path / "up.sigmf-data")
    fails(app(*RECEIVE, "up.sigmf-meta"), "expected a file, got a pipe")


def test_an_archive_is_received(app, simulated, tmp_path):
    with tarfile.open(tmp_path / "up.sigmf", "w") as file:
        for suffix in ("sigmf-meta", "sigmf-data"):
            file.add(tmp_path / f"up.{suffix}", f"up/up.{suffix}")
    process = app(*RECEIVE, "up.sigmf", "--json", "out.jsonl")
    assert (process.returncode, counts(process)["frames"]) == (0, "30"), process.stderr
    assert process.stderr.count("error") == 0


def test_an_archive_is_not_overwritten(app, fails, simulated, tmp_path):
    with tarfile.open(tmp_path / "up.sigmf", "w") as file:
        file.add(tmp_path / "up.sigmf-meta", "up.sigmf-meta")
    fails(app(*RECEIVE, "up.sigmf", "--json", "up.sigmf"), "--json: expected another file")


@pytest.mark.parametrize("digits", [0, 3])
def test_rounded_dates_neither_move_nor_restart_the_slots(app, simulated, tmp_path, digits):
    meta = json.loads((tmp_path / "up.sigmf-meta").read_text())
    meta["captures"] = [
        {"core:sample_start": n, "core:datetime": f"2024-02-29T12:00:{10.010025 + n / 1e6:.{digits}f}Z"}
        for n in range(0, 1200, 100)
    ]
    (tmp_path / "up.sigmf-meta").write_text(json.dumps(meta))
    process = app(*RECEIVE, "up.sigmf-meta", "--json", "out.jsonl")
    assert process.returncode == 0, process.stderr
    assert "tells no gap before 11 capture segments" in process.stdout + process.stderr
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame_id"] for line in lines] == list(range(30))


def test_a_recording_of_65_536_channels_is_refused(app, fails, book, tmp_path):
    with RecordingWriter(tmp_path / "wide", 65_536, 1e6) as writer:
        writer.write(np.ones((50, 65_536), np.complex64))
    fails(app(*RECEIVE, "wide.sigmf-meta"), "antennas to replay: expected an integer from 1 to 1024")
