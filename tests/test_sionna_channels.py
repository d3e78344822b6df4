# SPDX-License-Identifier: GPL-3.0-or-later
"""The example that makes channels with Sionna; SIONNA_PYTHON names the Python that has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gr_jadce.uplink.impulse_responses import load_impulse_responses

ROOT = Path(__file__).resolve().parents[1]
PYTHON = os.environ.get("SIONNA_PYTHON", sys.executable)


def has_sionna():
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('sionna') is None)"
    return subprocess.run([PYTHON, "-c", code]).returncode == 0


@pytest.mark.skipif(not has_sionna(), reason="needs Sionna: SIONNA_PYTHON=…/bin/python of a venv that has it")
@pytest.mark.parametrize("cell", ["uma", "umi"])
def test_a_file_is_what_the_simulation_reads(tmp_path, cell):
    path = tmp_path / "cell.npz"
    script = ROOT / "examples" / "sionna_channels.py"
    options = ["--slots", "2", "--active", "3", "5", "--antennas", "2", "--cell", cell, "-o", path]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run([PYTHON, script, *options], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    responses = load_impulse_responses(path)
    assert (responses.n_slots, responses.n_antennas, responses.carrier) == (2, 2, 3.5e9)
    paths = responses(0)
    assert 3 <= len(paths.device) <= 5
    power = (abs(paths.gain) ** 2).sum(axis=(1, 2))
    assert 0 < power.min() and power.max() < 1e-5  # there is path loss
    assert 0 < paths.delay[:, 0].max() < 20e-6
