# SPDX-License-Identifier: GPL-3.0-or-later
"""`make calibration`, in quick mode, and the tables that are committed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gr_jadce

PARTS = ("calibration", "calibration-load", "calibration-few-samples", "calibration-noise")
FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "figures"


def run(directory):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    options = ["--quick", "--processes", "1", "--output", directory, "--work", directory / "work"]
    return subprocess.run(
        [sys.executable, FIGURES / "calibration.py", *options],
        env=os.environ | {"PYTHONPATH": package},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    directory = tmp_path_factory.mktemp("calibration")
    process = run(directory)
    assert process.returncode == 0, process.stderr
    return directory


def test_false_alarms_are_measured_with_intervals(output):
    result = json.loads((output / "calibration.json").read_text())
    assert result["origin"]["command"] == "make calibration (quick mode)"
    for cell in result["cells"]:
        low, high = cell["0.01"]["ratio_interval"]
        assert low < cell["0.01"]["ratio"] < high
        assert 1 / 1.5 < cell["0.01"]["ratio"] < 1.5
        assert cell["0.01"]["miss_probability"] < 0.1
        assert abs(cell["0.01"]["noise_var_error_db"]) < 0.5


@pytest.mark.parametrize("part", PARTS)
def test_a_table_has_a_row_for_every_cell(output, part):
    rows = [line for line in (output / f"{part}.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(json.loads((output / f"{part}.json").read_text())["cells"])


def test_probabilities_without_events_have_an_interval_that_says_so(output):
    for cell in json.loads((output / "calibration-few-samples.json").read_text())["cells"]:
        rare = cell["1e-05"]
        assert rare["events_expected"] == pytest.approx(1e-5 * rare["inactive"], abs=0.1)
        assert rare["ratio_interval"][0] <= rare["ratio"]
        assert rare["ratio_interval"][1] > 3 / rare["events_expected"]


def test_a_heavy_load_is_decided_with_the_noise_told_and_unknown(output):
    unknown, told = json.loads((output / "calibration-load.json").read_text())["cells"]
    assert told["0.01"]["noise_var_error_db"] == 0
    assert told["0.01"]["nmse_db"] < -10 and unknown["0.01"]["nmse_db"] < -8


def test_noise_of_any_covariance_is_decided_beside_a_receiver_that_is_told_it(output):
    for cell in json.loads((output / "calibration-noise.json").read_text())["cells"]:
        assert 1 / 1.6 < cell["0.01"]["ratio"] < 1.6
        assert cell["0.01"]["told_miss_probability"] < 0.05
        assert cell["0.01"]["miss_probability"] < cell["0.01"]["told_miss_probability"] + 0.03


def test_a_second_run_goes_on_from_the_counts(output):
    before = (output / "calibration.md").read_text()
    kept = {path: path.stat().st_mtime_ns for path in (output / "work").iterdir()}
    assert len(kept) == len(PARTS)
    assert run(output).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (output / "work").iterdir()} == kept
    assert (output / "calibration.md").read_text() == before


def test_the_readme_tells_what_the_committed_table_tells():
    summary = json.loads((FIGURES / "results" / "calibration.json").read_text())["summary"]
    readme = " ".join((FIGURES.parents[1] / "README.md").read_text().split())
    for wanted, text in (("0.01", "1.5 of a wanted 1e-2 in"), ("0.001", "2 of 1e-3 in")):
        cells = summary[wanted]
        assert f"{text} {cells['of_these_within']} of {cells['cells_with_miss_below_0.1']}" in readme


def test_the_committed_table_keeps_what_is_promised():
    for wanted in json.loads((FIGURES / "results" / "calibration.json").read_text())["summary"].values():
        assert wanted["of_these_within"] == wanted["cells_with_miss_below_0.1"]
        assert wanted["of_others_within"] >= 0.7 * wanted["other_cells"]
        assert 1 / 4 < wanted["smallest_ratio"] and wanted["largest_ratio"] < 3
        assert wanted["largest_noise_var_error_db_with_miss_below_0.1"] < 0.6
