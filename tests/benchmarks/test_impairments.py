# SPDX-License-Identifier: GPL-3.0-or-later
"""`make impairments`, with few frames."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gr_jadce

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "benchmarks" / "figures" / "impairments.py"


def test_curves_and_the_points_where_each_breaks(tmp_path):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": package, "PATH": f"{ROOT / 'apps'}:{os.environ['PATH']}"}
    subprocess.run(
        [sys.executable, PROGRAM, "--frames", "40", "--output", tmp_path, "--work", tmp_path],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    text = (tmp_path / "impairments.md").read_text()
    for option in ("max-offset", "max-delay", "power-spread-db", "rician-k-db", "antenna-correlation"):
        assert f"## `--{option}`" in text
        assert list(tmp_path.glob(f"impairment-{option}-*.svg"))
        result = json.loads((tmp_path / f"impairment-{option}.json").read_text())
        assert set(result["points"][0]["estimators"]) == {"pc_admm", "unrolled"}
    (network,) = [line for line in text.splitlines() if line.startswith("| the network")][1:2]
    assert float(network.split("|")[-2]) <= 0.5  # delays of half a symbol are too much for pilots in step
