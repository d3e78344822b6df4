# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-check-radio on recordings."""

import json

import numpy as np
import pytest

from gr_jadce.radio.check import MIN_SAMPLES
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.uplink.simulation import complex_normal


@pytest.fixture
def record(tmp_path):
    """``record(scale)`` writes live.sigmf-*: two antennas that hear one source, scaled."""

    def write(scale=(1, 1), n=4 * MIN_SAMPLES):
        rng = np.random.default_rng(1)
        samples = 0.1 * complex_normal(rng, (n, 1)) + 0.03 * complex_normal(rng, (n, 2))
        writer = RecordingWriter(tmp_path / "live", 2, 1e6)
        writer.write((samples * scale).astype(np.complex64), rx_time=(1, 0.0))
        writer.close()

    return write


def test_a_clean_recording_passes(app, record):
    record()
    process = app("jadce-check-radio", "--recording", "live.sigmf-meta")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert len(lines) == 9
    assert all(line.startswith("ok  ") for line in lines)


def test_a_fault_is_named_with_what_to_do(app, record):
    record(scale=(1, 0.6))
    process = app("jadce-check-radio", "--recording", "live")
    assert process.returncode == 1
    lines = process.stdout.splitlines()
    bad = [i for i, line in enumerate(lines) if line.startswith(("fail", "warn"))]
    assert len(bad) == 1
    assert lines[bad[0]].split()[:2] == ["fail", "gain"]
    assert "what to do: set the gains" in lines[bad[0] + 1]


def test_json(app, record):
    record(scale=(0, 1))
    process = app("jadce-check-radio", "--recording", "live", "--beacon-period", 10_000, "--json")
    assert process.returncode == 1
    told = json.loads(process.stdout)
    verdicts = {check["name"]: check["verdict"] for check in told["checks"]}
    assert not told["passed"]
    assert verdicts["silence"] == "fail"
    assert verdicts["clock"] == "warn"  # there is no beacon
    assert all(check["remedy"] for check in told["checks"] if check["verdict"] != "ok")


def test_errors(app, fails, record):
    record(n=MIN_SAMPLES - 1)
    fails(app("jadce-check-radio", "--recording", "live"), str(MIN_SAMPLES))
    fails(app("jadce-check-radio", "--recording", "none"), "none")
    record()
    fails(app("jadce-check-radio", "--recording", "live", "--beacon-period", 3), "period")
    fails(app("jadce-check-radio", "--usrp", ""), "--rate", code=2)
    fails(app("jadce-check-radio", "--recording", "live", "--duration", 1), "--duration", code=2)
