# SPDX-License-Identifier: GPL-3.0-or-later
"""The conformance table of random access preambles, with few occasions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gr_jadce

FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "figures"
sys.path.insert(0, str(FIGURES))
import prach  # noqa: E402
import prach_cells  # noqa: E402
import prach_crowds  # noqa: E402


def test_the_table_has_its_cells_and_their_figures(tmp_path):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    options = ("--quick", "--only", "C0", "--output", tmp_path, "--work", tmp_path / "work", "--no-crowds")
    ended = subprocess.run(
        [sys.executable, FIGURES / "prach.py", *options],
        env=os.environ | {"PYTHONPATH": package}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    counts = json.loads((tmp_path / "work" / "cell-C0-15-2-awgn-60.json").read_text())
    assert counts["occasions"] == 60 and counts["correct"] >= 58 and counts["margin_db"] > 0


def test_every_cell_of_the_standard_is_there():
    cells = prach_cells.cells()
    assert len(cells) == 7 * 4 + 6 * 4
    assert cells[0].required_db == -14.5 and cells[0].preambles.roots.tolist() == [1]
    assert {cell.preambles.n_roots for cell in cells if cell.name != "0"} == {11, 22}
    assert cells[0].timing(3) == pytest.approx(6.5 * 800e-6 / 839 + 0.3e-6)


def test_margins_lie_between_the_snrs_tried():
    assert prach.between(-3.0, 0.1, -2.0, 0.001) == pytest.approx(2.5)
    assert prach.between(-3.0, 0.02, -2.0, 0.0) == pytest.approx(2.87, abs=0.01)


def test_what_does_not_pass_is_named(capsys, tmp_path):
    cell = prach_cells.cells()[0]
    noise = {"occasions": 1000, "false": 1}
    good = {"occasions": 100, "correct": 99, "noise": noise}
    crowd = {
        "format": "A2",
        "channel": "awgn",
        "active": 8,
        "occasions": 10,
        "missed": 0,
        "false": 0,
        "occasions_false": 0,
    }
    args = prach.parse(["--output", str(tmp_path)])
    assert prach.report([cell], [good], [crowd], {"1": (6.0, 5.0)}, args) == 0
    assert prach.report([cell], [good | {"correct": 98}], [crowd], {"1": (6.0, 5.0)}, args) == 1
    assert (
        prach.report([cell], [good | {"noise": noise | {"false": 2}}], [crowd], {"1": (6.0, 5.0)}, args) == 1
    )
    assert prach.report([cell], [good], [crowd | {"missed": 1}], {"1": (9.0, 11.0)}, args) == 1
    complaints = capsys.readouterr().err
    assert "0, 1.25 kHz, 2 rx, awgn" in complaints and "8 preambles of format A2" in complaints
    assert "real time with 1 preambles" in complaints


def test_crowds_are_counted():
    entry = prach_crowds.crowd("A2", "awgn", 4, 3)
    assert entry["occasions"] == 3 and entry["missed"] == 0 and entry["false"] == 0
    assert prach_crowds.rates(entry) == (0, 0, 0)
