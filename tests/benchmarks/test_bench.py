# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark in short: every part runs, and everyone in it solves the problem; no times are judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from compiled import compiled_kernel

import gr_jadce

compiled_kernel(allow_module_level=True)
PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "bench" / "make.py"


def bench(part, tmp_path):
    """The results of one part, and what it said."""
    output = tmp_path / "bench.json"
    command = ["/usr/bin/python3", PROGRAM, "--quick", "--only", part, "-o", output]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    results = json.loads(output.read_text())
    assert set(results) == {"version", "commit", "machine", part}
    return results[part], result.stdout


def test_every_contestant_gets_there_or_is_said_to_be_missing(tmp_path):
    results, said = bench("solver", tmp_path)
    assert set(results) == {"A8", "S"}
    for table in results.values():
        assert {"kernel, batch", "kernel, single frame", "numpy backend, batch"} <= set(table)
        for name, entry in table.items():
            assert name in said
            if "missing" not in entry:
                assert entry["objective"]["reached"] <= 1e-4
                assert entry["objective"]["amortised"] > 0
                assert name.startswith("sklearn") or entry["gap"]["reached"] <= 1e-4


def test_networks_agree(tmp_path):
    results, _ = bench("network", tmp_path)
    assert all(took > 0 for took in results.pop("hard frames").values())
    assert {"kernel", "numpy"} <= set(results)
    assert all(entry["error"] <= 1e-4 for entry in results.values())


def test_the_product_loop_is_measured_against_sgemm(tmp_path):
    results, said = bench("peak", tmp_path)
    most = 20 if "Prescott" in said else 1.5  # an older BLAS takes new processors for that one
    for name in ("A8", "S"):
        assert 0 < results[name]["share"] < most
        assert results[name]["iterations"] <= results[name]["plain_iterations"] + 1


def test_devices_out_of_step_are_measured_against_the_same_in_step(tmp_path):
    results, _ = bench("out_of_step", tmp_path)
    assert results["in step"]["ratio"] == 1
    assert all(entry["ratio"] > 0 for name, entry in results.items() if name != "cell")


def test_the_flowgraph_of_devices_out_of_step_answers_every_frame(tmp_path):
    pytest.importorskip("gnuradio")
    results, _ = bench("shaped", tmp_path)
    for name in ("framer and receiver", "with matched filters"):
        assert results[name]["missing"] == 0
        assert 0 < results[name]["processor_s"]
    assert {"search", "reports", "to messages"} <= set(results["stages"])


def test_every_level_is_measured(tmp_path):
    results, _ = bench("instruction_sets", tmp_path)
    for times in results["workloads"].values():
        assert results["default"] in times
        assert all(took > 0 for took in times.values())


def test_the_packaged_kernel_is_measured(tmp_path):
    results, _ = bench("packaged", tmp_path)
    assert all(times[results["level"]] > 0 for times in results["workloads"].values())


def test_memory_is_of_processes_of_their_own(tmp_path):
    results, _ = bench("memory", tmp_path)
    for name, entry in results.items():
        most = 500 if name == "out of step" else 300  # MB
        assert entry["imported"] <= entry["set_up"] <= entry["solved"] < most


def test_a_gpu_is_measured_where_there_is_one(tmp_path):
    results, said = bench("gpu", tmp_path)
    if "missing" in results:
        assert f"not measured: {results['missing']}" in said
    else:
        assert all(entry["error"] < 1e-3 for entry in results.values())


def test_what_a_gpu_is_measured_with_runs_on_a_processor(monkeypatch):
    pytest.importorskip("torch", reason="needs torch: make torch")
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    import gpu

    said = []
    [entry] = gpu.measure({"small": (100, 32, 4, 5, 3)}, "cpu", said.append).values()
    assert entry["error"] < 1e-4
    assert entry["torch_ms"] > 0
    assert "torch on cpu" in said[0]


def test_decisions_are_timed_beside_those_of_another_package(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    monkeypatch.delitem(sys.modules, "decisions", raising=False)
    import decisions

    monkeypatch.setattr(decisions, "build", lambda tree: Path(gr_jadce.__file__).parents[1])
    said = []
    cells = decisions.run(True, said.append)["cells"]
    assert len(cells) == len(said) == 5
    for cell in cells.values():
        assert cell["ratio"] == pytest.approx(cell["now_s"] / cell["before_s"])
        assert cell["missed"][0] == cell["missed"][1] < 0.2


def test_a_part_that_fails_is_said_to(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for path in PROGRAM.parent.glob("*.py"):  # other tests import modules of the same names
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    import make

    def fails(quick, say):
        raise RuntimeError("no such luck")

    monkeypatch.setitem(make.PARTS, "memory", ("(vi)", fails))
    monkeypatch.setattr(sys, "argv", ["make.py", "--only", "memory", "-o", os.devnull])
    assert make.main() == 1
    assert "no such luck" in capsys.readouterr().err


def test_packets_behind_the_pilots_are_timed(tmp_path):
    results, _ = bench("payload", tmp_path)
    assert results["slots_per_s_packets"] > results["slots_per_s"] > 0
