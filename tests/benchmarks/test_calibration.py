# SPDX-License-Identifier: GPL-3.0-or-later
"""`make calibration`, in quick mode, and the tables that are committed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gr_jadce

PARTS = [
    "calibration",
    *(f"calibration-{part}" for part in ("load", "few-samples", "crowded", "out-of-step", "noise")),
]
FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "figures"
sys.path.insert(0, str(FIGURES))
import calibration_cells  # noqa: E402
import false_alarms  # noqa: E402


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


@pytest.mark.parametrize(
    ("verdict", "events", "ratio", "interval"),
    [
        ("holds", 100, 1.9, (1.6, 2.2)),
        ("fails", 100, 2.1, (1.8, 2.4)),
        ("holds", 30, 1.2, (0.8, 1.7)),
        ("undecided", 30, 1.4, (0.9, 2.1)),
        ("undecided", 3, 0.0, (0.0, 1.2)),
        ("fails", 3, 6.0, (2.1, 13.0)),
        ("fails", 20, 0.1, (0.0, 0.4)),
    ],
)
def test_a_ratio_holds_by_enough_events_or_by_its_whole_interval(verdict, events, ratio, interval):
    entry = {"events_expected": events, "ratio": ratio, "ratio_interval": list(interval)}
    assert false_alarms.verdict(entry, 2.0) == verdict


def test_large_probabilities_take_few_frames(output):
    for cell in json.loads((output / "calibration-few-samples.json").read_text())["cells"]:
        assert cell["frames"] >= cell["1e-05"]["inactive"] / cell["n_devices"]
    part = calibration_cells.PARTS["few-samples"]._replace(decisions=1e6, events=100)
    cell = part.cells[0]
    assert [part.decisions_about(cell, wanted) for wanted in part.wanted] == [1e3, 1e4, 1e5, 1e6, 1e6]


def test_all_kinds_of_pilots_are_measured_with_few_samples():
    cells = calibration_cells.PARTS["few-samples"].cells
    assert {cell["pilots"] for cell in cells} == set(calibration_cells.PILOT_KINDS)
    assert {cell["n_antennas"] for cell in cells} == {1, 2, 4, 16, 64}
    assert {8, 64, 256} <= {cell["pilot_length"] for cell in cells}


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


def test_frames_that_others_explain_as_well_are_measured_apart(output):
    (cell,) = json.loads((output / "calibration-crowded.json").read_text())["cells"]
    assert (cell["n_active"], cell["pilot_length"]) == (3, 8)
    for cell in calibration_cells.PARTS["few-samples"].cells:
        assert cell["n_active"] <= cell["pilot_length"] / 8
        assert cell["n_devices"] == 3 * cell["pilot_length"]


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
