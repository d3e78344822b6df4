# SPDX-License-Identifier: GPL-3.0-or-later
"""`make calibration`, in quick mode, and the tables that are committed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gr_jadce
from gr_jadce import simulate

PARTS = [
    "calibration",
    *(f"calibration-{part}" for part in ("load", "few-samples", "crowded", "out-of-step", "noise")),
]
RARE = ("0.0001", "1e-05")
FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "figures"
sys.path.insert(0, str(FIGURES))
import calibration_cells  # noqa: E402
import cell_counts  # noqa: E402
import false_alarms  # noqa: E402
import steps_told  # noqa: E402


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
    tables = (output / f"{part}.md").read_text().split("Cells together:")
    result = json.loads((output / f"{part}.json").read_text())
    for table, key in zip(tables, ("cells", "pooled"), strict=True):
        rows = [line for line in table.splitlines() if line.startswith("| ")]
        assert len(rows) == 2 + len(result[key])


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


@pytest.mark.parametrize("n_active", [0, 3])
def test_frames_that_are_drawn_at_once_are_those_of_the_simulator(n_active):
    part = calibration_cells.PARTS["few-samples"]
    cell = next(c for c in part.cells if (c["n_active"], c["n_antennas"]) == (n_active, 4))
    scenario = cell_counts.scenario_of(part.settings(cell))
    one, other = (
        cell_counts.draw_frames(scenario, 4000, np.random.default_rng(1)),
        simulate(scenario, 1000, seed=1),
    )
    assert one.received.dtype == other.received.dtype and one.noise_var == other.noise_var
    assert (one.activity.sum(axis=1) == n_active).all()
    assert one.activity.mean(axis=0) == pytest.approx(n_active / one.activity.shape[1], abs=0.03)
    np.testing.assert_array_equal(one.channel.any(axis=2), one.activity)
    powers = [np.mean(np.abs(frames.received) ** 2) for frames in (one, other)]
    assert powers[0] == pytest.approx(powers[1], rel=0.1)
    noise = one.received - scenario.pilots.matrix @ one.channel
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(one.noise_var, rel=0.02)


def test_all_kinds_of_pilots_are_measured_with_few_samples():
    cells = calibration_cells.PARTS["few-samples"].cells
    assert {cell["pilots"] for cell in cells} == set(calibration_cells.PILOT_KINDS)
    assert {cell["n_antennas"] for cell in cells} == {1, 2, 4, 16, 64}
    assert {8, 64, 256} <= {cell["pilot_length"] for cell in cells}


def test_cells_are_taken_together_by_each_value_of_what_varies(output):
    result = json.loads((output / "calibration-few-samples.json").read_text())
    nobody, one = result["cells"]
    pools = {pool["n_active"]: pool for pool in result["pooled"]}
    assert pools.keys() == {0, 1} and pools[0]["1e-05"] == nobody["1e-05"]
    noise = json.loads((output / "calibration-noise.json").read_text())
    inactive = [sum(entry["0.01"]["inactive"] for entry in noise[key]) for key in ("cells", "pooled")]
    assert inactive[0] == inactive[1] > one["0.01"]["inactive"]


def test_a_heavy_load_is_decided_with_the_noise_told_and_unknown(output):
    unknown, told = json.loads((output / "calibration-load.json").read_text())["cells"]
    assert told["0.01"]["noise_var_error_db"] == 0
    assert told["0.01"]["nmse_db"] < -10 and unknown["0.01"]["nmse_db"] < -8


def test_noise_of_any_covariance_is_decided_beside_a_receiver_that_is_told_it(output):
    for cell in json.loads((output / "calibration-noise.json").read_text())["cells"]:
        assert 1 / 1.6 < cell["0.01"]["ratio"] < 1.6
        assert cell["0.01"]["told_miss_probability"] < 0.05
        assert cell["0.01"]["miss_probability"] < cell["0.01"]["told_miss_probability"] + 0.03


def test_devices_out_of_step_are_decided_beside_one_who_is_told_their_steps(output):
    for cell in json.loads((output / "calibration-out-of-step.json").read_text())["cells"]:
        assert cell["0.01"]["told_miss_probability"] <= cell["0.01"]["miss_probability"] + 0.01
        assert 1 / 1.6 < cell["0.01"]["told_ratio"] < 1.6
        assert cell["0.001"]["told_nmse_db"] < cell["0.001"]["least_nmse_db"] < cell["0.001"]["nmse_db"]


@pytest.mark.parametrize("steps", [name for name in cell_counts.RANGES if name])
def test_the_steps_that_are_told_are_those_of_the_frames(steps):
    cell = next(cell for cell in calibration_cells.PARTS["out-of-step"].cells if cell["range"] == steps)
    settings = calibration_cells.PARTS["out-of-step"].settings(cell | {"n_active": 10})
    scenario = cell_counts.scenario_of(settings)
    uplink, table = simulate(scenario, 1, 3, first_frame=5), cell_counts.delayed(scenario.pilots, steps).table
    delay, offset = steps_told.steps_of_all(scenario, 3, 5)
    noise = uplink.received[0] - table.at(np.arange(200), delay, offset) @ uplink.channel[0]
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(uplink.noise_var, rel=0.2)


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


def committed(part):
    return json.loads((FIGURES / "results" / f"calibration-{part}.json").read_text())


def test_the_guide_tells_what_the_tables_of_few_samples_tell():
    guide = " ".join((FIGURES.parents[1] / "docs" / "choosing.md").read_text().split())
    few = committed("few-samples")
    for wanted, text in (("0.01", "a factor 1.5 in {}"), ("0.001", "a factor 2 in {}")):
        assert text.format(f"{few['summary'][wanted]['holds']} of {len(few['cells'])}") in guide
    unknown, one_antenna = (
        [next(pool[wanted]["ratio"] for pool in few["pooled"] if pool.get(key) == value) for wanted in RARE]
        for key, value in (("noise_var", "unknown"), ("n_antennas", 1))
    )
    assert "unknown {:.2f} times a wanted 1e-4 came, and {:.2f} times a wanted 1e-5".format(*unknown) in guide
    assert "one antenna and any noise variance, {:.2f} and {:.2f}".format(*one_antenna) in guide
    ratios = [cell["0.1"]["ratio"] for cell in few["cells"]]
    assert f"{min(ratios):.2f} to {max(ratios):.2f} times a wanted 1e-1" in guide


def test_the_guide_tells_what_the_table_of_crowded_frames_tells():
    guide = " ".join((FIGURES.parents[1] / "docs" / "choosing.md").read_text().split())
    cells = committed("crowded")["cells"]
    wide = [cell["0.01"]["ratio"] for cell in cells if not cell["n_active"]]
    assert f"down to {min(wide):.2f} times a wanted 1e-2" in guide
    for noise_var, text in (("unknown", "times a wanted 1e-4"), ("told", "times if the noise")):
        ratios = [cell["0.0001"]["ratio"] for cell in cells if cell["noise_var"] == noise_var]
        assert f"up to {max(ratios):.0f} {text}" in guide


def test_few_samples_keep_what_is_promised():
    few = committed("few-samples")
    for wanted in ("0.01", "0.001", *RARE):
        assert few["summary"][wanted]["fails"] <= 0.03 * len(few["cells"])
        for pool in (pool[wanted] for pool in few["pooled"]):
            assert 1 / 2 < pool["ratio"] < 2 or pool["events_expected"] < 20
            assert false_alarms.verdict(pool, 2.0) != "fails"


def test_the_committed_table_keeps_what_is_promised():
    for wanted in json.loads((FIGURES / "results" / "calibration.json").read_text())["summary"].values():
        assert wanted["of_these_within"] == wanted["cells_with_miss_below_0.1"]
        assert wanted["of_others_within"] >= 0.7 * wanted["other_cells"]
        assert 1 / 4 < wanted["smallest_ratio"] and wanted["largest_ratio"] < 3
        assert wanted["largest_noise_var_error_db_with_miss_below_0.1"] < 0.6
