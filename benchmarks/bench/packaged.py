# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (xii): the kernel as packages hold it, of the best level here, against one built for this machine."""

import os
import subprocess
from pathlib import Path
from time import thread_time

import numpy as np
from instruction_sets import WORKLOADS, level_of

import gr_jadce
from gr_jadce.backend import kernel_for

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, BUDGET_S = 16, 3.0


def run(quick=False, say=print):
    """Seconds by workload and build, and the packaged one's share of the speed; quick: without a native
    build, which takes compiling."""
    level = level_of(kernel_for("kernel"))
    levels = [level] if quick else [level, "native"]
    if not quick:
        build_native(say)
    workloads = {}
    for name, make in WORKLOADS.items():
        times = workloads[name] = in_turn(make, levels, *((1, 0.02) if quick else (ROUNDS, BUDGET_S)))
        share = "" if quick else f": {times['native'] / times[level]:.1%} of a native build's speed"
        say(f"  {name:26} {level} {1e6 * times[level]:9.1f} µs{share}")
    return {"level": level, "workloads": workloads} | ({} if quick else _shares(workloads, level, say))


def _shares(workloads, level, say):
    shares = [times["native"] / times[level] for times in workloads.values()]
    mean, least = float(np.exp(np.mean(np.log(shares)))), min(shares)
    say(
        f"  {level} has {mean:.1%} of the speed of a native build in the mean, {least:.1%} where it has least"
    )
    return {"share": {"mean": mean, "least": least}}


def in_turn(make, levels, rounds, budget):
    """The shortest time of each level, one call of each after the other.

    Solvers are made anew for every round: where their memory happens to lie is worth some per cent.
    """
    best = dict.fromkeys(levels, np.inf)
    for _ in range(rounds):
        solvers = make(levels)
        for solve in solvers.values():
            solve()
        spent, calls = 0.0, 0
        while calls < 3 or spent < budget / rounds:
            for level, solve in solvers.items():
                took = _thread_seconds(solve)
                best[level], spent = min(best[level], took), spent + took
            calls += 1
    return best


def _thread_seconds(solve):
    began = thread_time()
    solve()
    return thread_time() - began


def build_native(say):
    """A kernel for this machine, in build/native, where the package then finds it."""
    build = ROOT / "build" / "native"
    say(f"  compiling {build.relative_to(ROOT)}")
    for arguments in (
        ("-S", ROOT, "-B", build, "-Wno-dev", "-DJADCE_KERNELS=native"),
        ("--build", build, "--target", "_kernel_native", "--parallel", str(os.cpu_count())),
    ):
        subprocess.run(["cmake", *arguments], check=True, capture_output=True)
    gr_jadce.__path__.append(str(build / "python" / "gr_jadce" / "kernel"))
