# SPDX-License-Identifier: GPL-3.0-or-later
"""`make figures`, in quick mode."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gr_jadce

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "figures" / "make.py"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    directory = tmp_path_factory.mktemp("figures")
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    process = subprocess.run(
        [
            sys.executable,
            PROGRAM,
            "--quick",
            "--processes",
            "1",
            "--output",
            directory,
            "--work",
            directory / "w",
        ],
        env=os.environ | {"PYTHONPATH": package},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return directory


def rows(text, title):
    """Cells of a table's rows by their first cell."""
    part = next(part for part in text.split("\n## ") if part.startswith(title))
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", part, re.M)
    ]
    return {row[0]: row[1:] for row in cells[2:]}


def test_every_figure_is_drawn_and_its_origin_recorded(output):
    assert len(list(output.glob("*.svg"))) == 9
    for name in ("single-antenna", "four-antennas", "blind-receiver", "iterations"):
        result = json.loads((output / f"{name}.json").read_text())
        assert result["origin"]["command"] == "make figures (quick mode)"
        assert result["origin"].keys() == {"command", "version", "commit"}
        assert all(entry["nmse_db"] for point in result["points"] for entry in point["estimators"].values())


def test_published_rows_are_reproduced(output):
    text = (output / "tables.md").read_text()
    several, eight = rows(text, "(a)"), rows(text, "(e)")
    for name in ("BISTA", "FastBISTA"):
        assert float(several[name][5]) == pytest.approx(float(several[name][6]), abs=0.4)
    ours, theirs = (list(map(float, half)) for half in (eight["ISTA"][:4], eight["ISTA"][4:]))
    assert ours == pytest.approx(theirs, abs=1.5)  # ten frames
    assert rows(text, "(b)")["AMP"][0] in map(str, range(20, 31))
    assert "LASSO, best λ" in rows(text, "Four antennas")
