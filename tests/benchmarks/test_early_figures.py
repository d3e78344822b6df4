# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of frames decided early, with few frames."""

import json
import subprocess
import sys
from pathlib import Path

import gr_jadce

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "figures" / "early.py"
PACKAGE_PATH = str(Path(gr_jadce.__file__).resolve().parents[1])


def test_the_table_holds_every_cell(tmp_path):
    options = ["--frames", "8", "--parts", "ground", "--output", tmp_path]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": PACKAGE_PATH}
    ended = subprocess.run(
        [sys.executable, SCRIPT, *options], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "early.json").read_text())
    assert result["origin"]["command"].startswith("early.py --frames 8")
    assert len(result["parts"]["ground"]) == 18
    assert all(cell["settled"] == 0 for name, cell in result["parts"]["ground"].items() if name[0] == "S")
    assert result["parts"]["ground"]["A, M = 4, 20 dB"]["settled"] > 0
    assert "settled frames, the decisions of" in (tmp_path / "early.md").read_text()
