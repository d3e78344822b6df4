# SPDX-License-Identifier: GPL-3.0-or-later
"""The notebooks, scripts in percent format, run as they are, and hold no outputs."""

import os
import re
import subprocess
import sys

import pytest
from tracked import ROOT, tracked

NOTEBOOKS = tracked("examples/notebooks/*")
ENVIRONMENT = os.environ | {"MPLBACKEND": "agg"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a notebook as a script; what it prints."""

    def run(name):
        command = [sys.executable, "-W", "error", "-W", "ignore:FigureCanvasAgg is non-interactive"]
        result = subprocess.run(
            [*command, ROOT / "examples" / "notebooks" / f"{name}.py"],
            cwd=tmp_path_factory.mktemp(name), env=ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_the_first_detection_finds_the_devices(run):
    printed = run("first_detection")
    missed, false_alarms = re.search(r"missed (\S+), false alarms (\S+),", printed).groups()
    assert float(missed) < 0.02 and float(false_alarms) < 5e-3


def test_ones_own_estimator_is_compared_with_ours(run):
    printed = run("own_estimator")
    assert "'hard thresholding': [" in printed and "'unrolled': [" in printed


def test_training_on_a_recording_gives_weights(run):
    pytest.importorskip("torch", reason="training needs torch: make torch")
    printed = run("training")
    assert "200 frames of 2 antennas" in printed and "layers of the new estimator: 1" in printed


def test_all_notebooks_are_scripts_in_percent_format_and_are_run():
    assert {path.name for path in NOTEBOOKS} == {"first_detection.py", "own_estimator.py", "training.py"}
    for path in NOTEBOOKS:
        assert path.read_text().count("\n# %%") >= 5
