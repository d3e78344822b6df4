# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel of the best instruction set is loaded, or that of JADCE_KERNEL; all compute the same."""

import os
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from time import thread_time

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, backend, make_pilots, pc_admm, simulate

LOADED = compiled_kernel(allow_module_level=True)
LEVELS = backend._levels_here()
TESTS = Path(__file__).resolve().parents[1]
COMPUTED = ("kernel/test_pc_admm.py", "kernel/test_network.py", "detection/test_decide.py")
PILOTS = make_pilots("gaussian", 200, 64, seed=1)


def python(*arguments, level):
    environment = os.environ | {"JADCE_KERNEL": level}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, text=True)


def test_the_best_that_is_installed_and_runs_here_is_loaded(monkeypatch):
    monkeypatch.setenv("JADCE_KERNEL", "")
    assert backend.kernel_for("auto").__name__ == f"gr_jadce._kernel_{LEVELS[0]}"
    assert sorted(LEVELS, key=backend._LEVELS.index) == LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_the_environment_forces_one(monkeypatch, level):
    monkeypatch.setenv("JADCE_KERNEL", level)
    assert backend.kernel_for("kernel").__name__ == f"gr_jadce._kernel_{level}"


@pytest.mark.parametrize("level", [level for level in LEVELS if not LOADED.__name__.endswith(f"_{level}")])
def test_each_passes_the_tests_of_what_kernels_compute(level):
    files = [TESTS / name for name in COMPUTED]
    result = python("-m", "pytest", "-q", "-p", "no:cacheprovider", *files, level=level)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_unknown_one_is_refused(monkeypatch):
    monkeypatch.setenv("JADCE_KERNEL", "v5")
    with pytest.raises(
        ValueError, match="JADCE_KERNEL: expected one of native, v4, v3, v2, generic, got 'v5'"
    ):
        pc_admm(PILOTS)


def test_one_that_the_processor_lacks_is_refused(monkeypatch):
    monkeypatch.setenv("JADCE_KERNEL", "v4")
    backend._load.cache_clear()
    monkeypatch.setattr(import_module("gr_jadce._processor"), "levels", lambda: ["v2", "generic"])
    here = ", ".join(level for level in LEVELS if level not in ("v4", "v3")) or "there is none"
    with pytest.raises(ValueError, match=rf"JADCE_KERNEL: expected a kernel that .* \({here}\), got 'v4'"):
        pc_admm(PILOTS)


def test_a_refusal_leaves_numpy_and_the_package_alone():
    code = """if True:
        from importlib.util import find_spec

        from gr_jadce import make_pilots, pc_admm

        if find_spec("gnuradio"):
            from gr_jadce import blocks
        pc_admm(make_pilots("dft", 8, 4), backend="numpy")"""
    result = python("-c", code, level="v5")
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="levels are of x86-64")
def test_what_the_processor_runs_is_what_the_dynamic_linker_finds():
    told = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "--help"], capture_output=True, text=True).stdout
    known = import_module("gr_jadce._processor").levels()
    assert [level for level in ("v4", "v3", "v2") if f"x86-64-{level} (supported" in told] == known[:-1]
    assert known[-1] == "generic"


def test_the_default_is_the_fastest():
    received = simulate(Scenario(PILOTS, 8, activity_rate=0.1, snr_db=15), 8, seed=2).received
    rotated = pc_admm(PILOTS)._rotated
    solvers = [solver_of(level, rotated) for level in LEVELS]
    shortest = [np.inf] * len(LEVELS)
    for _ in range(20):  # in turn, so that whatever else runs slows all of them
        for i, solver in enumerate(solvers):
            start = thread_time()
            solver.solve(received, np.zeros(8), 8, 1)
            shortest[i] = min(shortest[i], thread_time() - start)
    assert shortest[0] <= 1.1 * min(shortest), dict(zip(LEVELS, shortest, strict=True))


def solver_of(level, rotated):
    kernel = import_module(f"gr_jadce._kernel_{level}")
    options = {"lam_ratio": 0.1, "screen": 0.9}
    return kernel.PcAdmm(rotated.B, rotated.Q, rotated.s, rotated.pilot_energy, options)
