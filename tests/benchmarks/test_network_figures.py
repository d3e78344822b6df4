# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the shipped network beside others, with few frames."""

import json
import subprocess
import sys
from pathlib import Path

import gr_jadce

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "figures" / "network.py"
PACKAGE_PATH = str(Path(gr_jadce.__file__).resolve().parents[1])


def test_the_table_names_its_command_and_holds_every_cell(tmp_path):
    options = ["--quick", "--parts", "ground", "--output", tmp_path, "--work", tmp_path / "work"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": PACKAGE_PATH}
    ended = subprocess.run(
        [sys.executable, SCRIPT, *options], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "network.json").read_text())
    assert result["origin"]["command"].startswith("network.py --quick")
    assert result["origin"]["weights"]["command"].startswith("jadce-train")
    for cell in result["parts"]["ground"].values():
        assert [point["frames"] for point in cell.values()] == [10] * 6
        assert cell["20"]["network"]["nmse_db"] < cell["20"]["LASSO 0.7σ√M"]["nmse_db"]
    table = (tmp_path / "network.md").read_text().splitlines()
    assert sum(line.startswith(("| S |", "| A, M")) for line in table) == 18
