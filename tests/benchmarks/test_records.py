# SPDX-License-Identifier: GPL-3.0-or-later
"""Results are written in few lines, and nothing of them is lost; those that are committed are so written."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import records  # noqa: E402

COMMITTED = [
    *(ROOT / "benchmarks").glob("figures/results/*.json"),
    ROOT / "benchmarks/comparators/results.json",
]
DRAWINGS = sorted((ROOT / "benchmarks" / "figures" / "results").glob("*.svg"))


def test_a_row_of_figures_is_one_line():
    rows = [{"nmse_db": -1 / 3, "interval": [0.1, None], "σ²": f"{i:0900}"} for i in range(3)]
    text = records.dumps({"cells": rows, "empty": []})
    assert json.loads(text) == {"cells": rows, "empty": []}
    assert len(text.splitlines()) == 8


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_committed_results_are_written_so(path):
    text = path.read_text(encoding="utf-8")
    assert text == records.dumps(json.loads(text)) + "\n"


def test_a_drawing_keeps_all_that_it_draws(tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.add_subplot(title="miss probability & σ²").plot([1, 3, 2], label="PC-ADMM")
    figure.savefig(tmp_path / "a.svg")
    lines, drawn = (tmp_path / "a.svg").read_text().count("\n"), elements(tmp_path / "a.svg")
    records.compact_svg(tmp_path / "a.svg")
    assert elements(tmp_path / "a.svg") == drawn
    assert (tmp_path / "a.svg").read_text().count("\n") < lines / 5


def elements(path):
    """Tag and attributes of every element, white space apart."""
    return [
        (element.tag, {key: value.split() for key, value in element.attrib.items()})
        for element in ElementTree.parse(path).iter()
    ]


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_committed_drawings_are_written_so(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    records.compact_svg(copy)
    assert copy.read_bytes() == path.read_bytes()
    assert elements(copy)
