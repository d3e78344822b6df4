# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus's own parser reads the numbers, which are those of the status and of the reports."""

import json
import re

import numpy as np
import pytest
from documents import ROOT
from slot_reports import push_slots, slot_report

parser = pytest.importorskip("prometheus_client.parser")
from gr_jadce.monitoring.antennas import AntennaLevels  # noqa: E402
from gr_jadce.monitoring.monitor import Monitor  # noqa: E402
from gr_jadce.monitoring.prometheus import exposition  # noqa: E402

STATUS = {
    "frames_in": 1234, "frames_solved": 1200, "frames_dropped": 30, "frames_bad": 4, "slots_lost": 17,
    "gaps": 3,
}  # fmt: skip


@pytest.fixture
def monitor():
    return Monitor()


def families(monitor):
    return {
        family.name: family for family in parser.text_string_to_metric_families(exposition(monitor).decode())
    }


def values(monitor):
    """{name and labels: value} of all samples."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(monitor).values()
        for sample in family.samples
    }


def test_counts_are_those_of_the_status(monitor):
    push_slots(monitor, range(10))
    monitor.push_status(STATUS | {"solve_time_p50": 1e-3, "final": True})
    found = values(monitor)
    assert {name: found[f"jadce_{name}_total",] for name in STATUS} == STATUS


def test_without_a_status_counts_are_those_of_the_reports(monitor):
    monitor.push(slot_report(1, [3], frames_dropped=5))
    monitor.push(slot_report(2, frames_dropped=6, status="bad_input"))
    found = values(monitor)
    names = ("in", "solved", "dropped", "bad")
    assert [found[f"jadce_frames_{name}_total",] for name in names] == [8, 1, 6, 1]


def test_detections_are_those_of_the_monitor(monitor):
    push_slots(monitor, range(50))
    counts, found = monitor.counts(), values(monitor)
    for name in ("detections", "active", "missed", "inactive", "false_alarms", "frames_scored"):
        assert found[f"jadce_{name}_total",] == getattr(counts, name) > 0


def test_the_histogram_has_every_frame(monitor):
    times = [4e-5, 3e-3, 0.2, 7.0]
    for k, time in enumerate(times):
        monitor.push(slot_report(k, solve_time=time))
    found = values(monitor)
    for edge in ("2.5e-05", "5e-05", "0.001", "0.005", "0.5"):
        assert found["jadce_solve_time_seconds_bucket", edge] == np.sum(np.array(times) <= float(edge))
    assert found["jadce_solve_time_seconds_bucket", "+Inf"] == found["jadce_solve_time_seconds_count",] == 4
    assert found["jadce_solve_time_seconds_sum",] == pytest.approx(sum(times))


def test_levels_are_those_of_the_last_frames(monitor):
    reports = [slot_report(k, [3], noise_vars=np.float32([0.1, 0.2, k])) for k in (1, 2)]
    for report in reports:
        monitor.push(report)
    found, levels = values(monitor), AntennaLevels.of(reports)
    for name, expected in (("noise_variance", levels.noise_var), ("signal_power", levels.signal_power)):
        assert [found[f"jadce_antenna_{name}", antenna] for antenna in "012"] == pytest.approx(expected)
    assert (found["jadce_active_devices",], found["jadce_devices",], found["jadce_antennas",]) == (1, 200, 3)
    assert found["jadce_noise_variance",] == pytest.approx(0.1)
    assert found["jadce_slot_period_seconds",] == pytest.approx(0.01)


def test_what_is_not_known_is_left_out(monitor):
    assert "jadce_active_devices" not in families(monitor)
    monitor.push(slot_report(1, noise_var=np.nan, snr_db=np.nan, antennas_dead=np.uint32([1])))
    found = values(monitor)
    assert ("jadce_snr_db",) not in found and ("jadce_antenna_noise_variance", "0") not in found
    assert [found["jadce_antenna_dead", antenna] for antenna in "012"] == [0, 1, 0]


def test_the_dashboard_asks_for_numbers_that_are_there(monitor):
    dashboard = json.loads((ROOT / "examples" / "grafana_dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"jadce_\w+", expression)}
    push_slots(monitor, range(3))
    assert len(names) > 10 and names <= {name for name, *_ in values(monitor)}


def test_kinds_and_meanings_are_told(monitor):
    push_slots(monitor, range(3))
    found = families(monitor)
    kinds = {name: found[f"jadce_{name}"].type for name in ("frames_in", "solve_time_seconds", "snr_db")}
    assert kinds == {"frames_in": "counter", "solve_time_seconds": "histogram", "snr_db": "gauge"}
    assert all(family.documentation.endswith(".") for family in found.values())
