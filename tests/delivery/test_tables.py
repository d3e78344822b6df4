# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as CSV and MAT, read back by others' readers."""

import csv

import numpy as np
import pytest
from reports import make_report, make_taps
from scipy.io import loadmat

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.delivery.tables import write_csv, write_mat, write_taps_csv
from gr_jadce.reports.truth import truth_report

SCENARIO = Scenario(make_pilots("gaussian", 20, 9, seed=1), n_antennas=2, activity_rate=0.1)


@pytest.fixture
def reports():
    uplink = simulate(SCENARIO, 12, seed=3)
    made = [truth_report(SCENARIO, uplink, k, k + 5, (100 + k, 0.25)) for k in range(12)]
    assert {len(report.device) for report in made} >= {0, 1}
    return made


def test_csv(tmp_path, reports):
    assert write_csv(tmp_path / "x.csv", reports) == 12
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(max(len(report.device), 1) for report in reports)
    for report in reports:
        mine = [row for row in rows if int(row["frame_id"]) == report.frame_id]
        assert {float(row["rx_time"]) for row in mine} == {report.rx_time[0] + 0.25}
        found = [row for row in mine if row["device"]]
        assert [int(row["device"]) for row in found] == report.device.tolist()
        for row, channel in zip(found, report.channel, strict=True):
            parts = [complex(float(row[f"h{m}_re"]), float(row[f"h{m}_im"])) for m in (1, 2)]
            np.testing.assert_allclose(parts, channel, rtol=1e-6)


def test_mat(tmp_path, reports):
    assert write_mat(tmp_path / "x.mat", reports) == 12
    mat = loadmat(tmp_path / "x.mat", squeeze_me=True)
    assert (mat["n_devices"], mat["n_antennas"]) == (20, 2)
    np.testing.assert_array_equal(mat["frame_id"], np.arange(5, 17))
    np.testing.assert_array_equal(mat["rx_time"], [report.rx_time for report in reports])
    np.testing.assert_array_equal(mat["n_active"], [len(report.device) for report in reports])
    np.testing.assert_array_equal(mat["device"], np.concatenate([report.device for report in reports]))
    np.testing.assert_array_equal(mat["device_frame"], np.repeat(mat["frame_id"], mat["n_active"]))
    np.testing.assert_array_equal(mat["channel"], np.concatenate([report.channel for report in reports]))


@pytest.fixture
def responding():
    steps = {"delay": [1.5, -0.25], "carrier_offset": [1e-3, 0]}
    return [
        make_report(2, device=[3, 5], frame_id=7, taps=make_taps([2, 1]), **steps),
        make_report(0, frame_id=8, delay=[], carrier_offset=[]),
        make_report(2, device=[4, 6], frame_id=9, **steps),
        make_report(1, device=[2], frame_id=10),
    ]


def test_csv_of_devices_out_of_step(tmp_path, responding):
    write_csv(tmp_path / "x.csv", responding)
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["delay"] for row in rows if row["device"]] == ["1.5", "-0.25", "1.5", "-0.25", None]
    assert [row["carrier_offset"] for row in rows if row["frame_id"] == "7"] == ["0.00100000005", "0"]


def test_csv_of_taps(tmp_path, responding):
    assert write_taps_csv(tmp_path / "x.csv", responding) == 4
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame_id"], row["device"]) for row in rows] == [
        *(("7", "3"), ("7", "3"), ("7", "5"), ("9", "4"), ("9", "6"))
    ]
    taps = responding[0].taps
    np.testing.assert_allclose([float(row["delay"]) for row in rows[:3]], taps.delay, rtol=1e-6)
    np.testing.assert_allclose([float(row["h2_im"]) for row in rows[:3]], taps.gain[:, 1].imag, rtol=1e-6)
    assert [float(row["delay"]) for row in rows[3:]] == [1.5, -0.25]


def test_mat_of_devices_out_of_step(tmp_path, responding):
    write_mat(tmp_path / "x.mat", responding)
    mat = loadmat(tmp_path / "x.mat", squeeze_me=True)
    np.testing.assert_array_equal(mat["delay"], np.float32([1.5, -0.25, 1.5, -0.25, np.nan]))
    assert mat["n_taps"].tolist() == [2, 1, 1, 1, 0]
    taps = responding[0].taps
    np.testing.assert_array_equal(mat["tap_delay"], [*taps.delay, 1.5, -0.25])
    np.testing.assert_array_equal(mat["tap_gain"][:3], taps.gain)
    np.testing.assert_array_equal(mat["tap_gain"][3:], responding[2].channel)


@pytest.mark.parametrize("write", [write_csv, write_mat])
def test_other_antennas_are_refused(tmp_path, reports, write):
    other = Scenario(SCENARIO.pilots, n_antennas=1, activity_rate=0.1)
    stranger = truth_report(other, simulate(other, 1, seed=1), 0, 77, (0, 0.0))
    with pytest.raises(
        ValueError, match="n_antennas: expected 2 as in the first report, got 1 in that of frame 77"
    ):
        write(tmp_path / "x", [*reports, stranger])
    assert list(tmp_path.iterdir()) == []


def test_no_reports(tmp_path):
    assert write_csv(tmp_path / "x.csv", []) == 0
    with pytest.raises(ValueError, match="reports: expected at least one, got none"):
        write_mat(tmp_path / "x.mat", [])
