# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of the activity monitor, in short: two processes, and every count exact."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("PyQt5.QtWidgets")  # before pyqtgraph, which takes the Qt that is loaded
pytest.importorskip("pyqtgraph")
PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "monitor.py"


@pytest.mark.parametrize("options", [[], ["--no-truth"]])
def test_every_count_is_exact(options):
    command = ["/usr/bin/python3", PROGRAM, "--rate", "300", "--seconds", "1", *options]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "every count exact" in result.stdout
