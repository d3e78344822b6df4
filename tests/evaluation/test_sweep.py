# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gr_jadce
from gr_jadce import Scenario, make_pilots, metrics, pc_admm, simulate
from gr_jadce.evaluation import sweep as module
from gr_jadce.evaluation.plan import make_plan
from gr_jadce.evaluation.results import read_result
from gr_jadce.evaluation.sweep import sweep
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS

SMALL = {"n_devices": 40, "pilot_length": 20, "n_antennas": 2}
ESTIMATORS = {
    "lasso": ("pc_admm", {}),
    "vamp": ("vamp", {"max_iter": 10}),
    "bound": ("oracle_mmse", {}),
}


def plan_of(axis="snr_db", values=(0, 10), estimators=ESTIMATORS, frames=230, **options):
    return make_plan(axis, values, estimators, scenario=SMALL, frames=frames, **options)


def counts(result):
    """All that was counted, with sums of floats rounded so far that batches do not show."""
    return [
        {
            label: (
                {name: float(f"{value:.9g}") for name, value in entry["tally"]["sums"].items()},
                entry["figures"]["miss_at_false_alarm"],
            )
            for label, entry in point["estimators"].items()
        }
        for point in result["points"]
    ]


def test_a_point_is_what_the_library_gives_on_the_same_frames():
    result = sweep(plan_of(values=[5], seed=3))
    scenario = Scenario(make_pilots("gaussian", 40, 20, 0), 2, snr_db=5)
    uplink = simulate(scenario, 230, seed=3)
    estimate = pc_admm(scenario.pilots)(uplink.received, uplink.noise_var)
    figures = result["points"][0]["estimators"]["lasso"]["figures"]
    assert figures["nmse_db"] == pytest.approx(metrics.nmse_db(estimate.channel, uplink.channel), abs=1e-5)
    assert result["points"][0]["frames"] == 230
    assert "miss_probability" not in result["points"][0]["estimators"]["bound"]["figures"]


def test_results_do_not_depend_on_batches_or_processes(tmp_path):
    plan = plan_of(values=[0, 4], errors=40, frames=1000)
    alone = sweep(plan, batch=7)
    assert all(point["frames"] < 1000 for point in alone["points"])
    assert counts(sweep(plan, batch=100)) == counts(alone)
    together = sweep(plan, tmp_path / "two.json", processes=2, batch=7)
    assert together == alone
    assert read_result(tmp_path / "two.json") == alone


def test_a_dask_cluster_gives_the_same():
    pytest.importorskip("distributed", reason="python3-distributed is not installed")
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    program = f"""
import json, sys
sys.path.insert(0, {package!r})
from distributed import LocalCluster
from gr_jadce.evaluation.sweep import sweep
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        print(json.dumps(sweep(json.loads(sys.argv[1]), scheduler=cluster.scheduler_address)))
"""
    plan = plan_of()
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, json.dumps(plan)],
        capture_output=True, text=True, env=environment(package),
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert counts(json.loads(process.stdout.splitlines()[-1])) == counts(sweep(plan))


def environment(package):
    return os.environ | {"PYTHONPATH": package, "OPENBLAS_NUM_THREADS": "1"}


def test_an_interrupted_sweep_goes_on(tmp_path, monkeypatch):
    plan, path = plan_of(), tmp_path / "result.json"

    def interrupt(done, _):
        if done >= 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(plan, path, progress=interrupt)
    assert [point["frames"] for point in read_result(path)["points"]] == [230, 100]
    calls = []
    original = module.run_round
    monkeypatch.setattr(module, "run_round", lambda *call: calls.append(call[1:3]) or original(*call))
    assert sweep(plan, path) == sweep(plan)
    assert calls[:2] == [(1, 100), (1, 200)]


def test_frames_can_be_added_but_nothing_else_changed(tmp_path):
    path = tmp_path / "result.json"
    sweep(plan_of(frames=100), path)
    assert sweep(plan_of(frames=200), path) == sweep(plan_of(frames=200))
    with pytest.raises(ValueError, match=r"holds another sweep \(seed: 0, now 1\)"):
        sweep(plan_of(frames=200, seed=1), path)
    sweep(plan_of(frames=130), tmp_path / "odd.json")
    with pytest.raises(ValueError, match="in the middle of 100 frames"):
        sweep(plan_of(frames=200), tmp_path / "odd.json")


def test_it_stops_at_the_errors_wanted():
    result = sweep(plan_of(values=[0], errors=10, frames=1000))
    assert result["points"][0]["frames"] == 100


def test_options_can_be_swept_and_reach_those_who_take_them():
    estimators = {"fista": ("fista", {}), "somp": ("somp", {})}
    result = sweep(plan_of("max_iter", [1, 50], estimators, frames=50))
    few, many = (point["estimators"] for point in result["points"])
    assert few["fista"]["figures"]["iterations"] == 1
    assert many["fista"]["figures"]["nmse_db"] < few["fista"]["figures"]["nmse_db"]
    assert many["somp"] == few["somp"]


def test_a_weight_file_is_an_estimator():
    estimators = {"shipped": ("unrolled", {}), "file": (str(DEFAULT_WEIGHTS), {})}
    for point in sweep(plan_of("n_layers", [2, 5], estimators, frames=20))["points"]:
        assert point["estimators"]["file"] == point["estimators"]["shipped"]


@pytest.mark.parametrize(
    ("axis", "values"),
    [("n_devices", [30, 50]), ("pilot_kind", ["dft", "qpsk"]), ("n_active", [1, 4]), ("n_antennas", [1, 3])],
)
def test_the_scenario_can_be_swept(axis, values):
    first, second = sweep(plan_of(axis, values, {"lasso": ("pc_admm", {})}, frames=20))["points"]
    assert first["estimators"] != second["estimators"]


def test_what_estimators_know():
    def nmse(known):
        result = sweep(plan_of(values=[5], known=known, frames=100))["points"][0]["estimators"]
        return {label: entry["figures"]["nmse_db"] for label, entry in result.items()}

    blind, noise, prior = nmse([]), nmse(["noise_var"]), nmse(["noise_var", "activity_rate"])
    assert blind["bound"] == noise["bound"] == prior["bound"]
    assert blind["lasso"] != noise["lasso"] == prior["lasso"]
    assert noise["vamp"] != prior["vamp"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axis": "snr"}, "axis: expected one of pilot_kind"),
        ({"values": []}, "values: expected at least one"),
        ({"estimators": {}}, "estimators"),
        (
            {"estimators": {"x": ("nobody", {})}},
            "estimators: estimator: expected one of pc_admm.*got 'nobody'; or a bound: oracle_ls",
        ),
        ({"estimators": {"x": ("vamp", {"maxiter": 3})}}, "maxiter"),
        ({"known": ["all"]}, "known: expected one of noise_var"),
        ({"false_alarm": 0}, "false_alarm"),
        ({"frames": 0}, "frames"),
        ({"axis": "activity_rate", "values": [2]}, "activity_rate"),
    ],
)
def test_a_bad_plan_is_refused(change, message):
    arguments = {"axis": "snr_db", "values": [0], "estimators": ESTIMATORS} | change
    with pytest.raises(ValueError, match=message):
        make_plan(**arguments)


def test_a_file_that_is_no_result_is_refused(tmp_path):
    for text in ("nonsense", "{}", '{"plan": {"axis": 1}, "points": []}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match=r"x\.json: expected the result of a sweep"):
            sweep(plan_of(), tmp_path / "x.json")
