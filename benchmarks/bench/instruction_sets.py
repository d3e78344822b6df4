# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (viii): the kernel that is loaded by default against one built for this machine, and other levels."""

import os
import subprocess
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from timing import seconds

import gr_jadce
from gr_jadce import Scenario, decide, make_pilots, pc_admm, simulate
from gr_jadce.backend import kernel_for
from gr_jadce.unrolled.inference import unrolled

ROOT = Path(__file__).resolve().parents[2]
BATCH = 64


def run(quick=False, say=print):
    """Seconds by workload and level; quick: without the native one, which takes compiling."""
    default = level_of(kernel_for("kernel"))
    levels = [default, *(level for level in ("v4", "v3", "v2") if level != default and is_here(level))]
    if not quick:
        build_native(say)
        levels.append("native")
    results = {"default": default, "workloads": {}}
    for name, make in WORKLOADS.items():
        times = results["workloads"][name] = measure(make, levels, *((1, 0.02) if quick else (12, 0.5)))
        say(f"  {name:26} {_line(times)}")
    if not quick:
        results["share"] = _share(results["workloads"], default)
        say("  {} has {:.1%} of the speed of a native build in the mean, {:.1%} where it has least".format(
            default, *results["share"].values()))  # fmt: skip
    return results


def _line(times):
    """Seconds of the last level, and the speed of the others over its."""
    last, took = list(times.items())[-1]
    shares = ", ".join(f"{level} {took / other:6.1%}" for level, other in times.items() if level != last)
    return f"{last} {1e6 * took:9.1f} µs; of its speed: {shares or 'no other'}"


def _share(workloads, default):
    shares = [times["native"] / times[default] for times in workloads.values()]
    return {"mean": float(np.exp(np.mean(np.log(shares)))), "least": min(shares)}


def level_of(kernel):
    return kernel.__name__.rpartition("_")[2]


def is_here(level):
    try:
        with forced(level):
            return kernel_for("kernel") is not None
    except ValueError:
        return False


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


@contextmanager
def forced(level):
    before = os.environ.get("JADCE_KERNEL", "")
    os.environ["JADCE_KERNEL"] = level
    try:
        yield
    finally:
        os.environ["JADCE_KERNEL"] = before


def received_of(book, antennas, frames):
    scenario = Scenario(book, n_antennas=antennas, activity_rate=0.1, snr_db=15)
    return simulate(scenario, frames, seed=2).received.astype(np.complex64)


def each(levels, make):
    """The solver of each level; it keeps the kernel that was loaded when it was made."""
    solvers = {}
    for level in levels:
        with forced(level):
            solvers[level] = make()
    return solvers


def lasso(levels, pilots, antennas, frames, precision=np.complex64):
    book = make_pilots(*pilots, seed=1)
    received = received_of(book, antennas, frames).astype(precision)
    estimators = each(levels, lambda: pc_admm(book, lam_ratio=0.1, backend="kernel"))
    return {level: lambda e=e: e(received) for level, e in estimators.items()}


def network(levels, frames):
    book = make_pilots("gaussian", 200, 64, seed=1)
    received = received_of(book, 4, frames)
    estimators = each(levels, lambda: unrolled(book, backend="kernel"))
    return {level: lambda e=e: e(received) for level, e in estimators.items()}


def decisions(levels):
    return {level: deciding(level) for level in levels}


def deciding(level):
    book = make_pilots("gaussian", 200, 64, seed=1)  # of its own: the kernel's form of it is kept
    received = received_of(book, 4, BATCH)
    estimate = unrolled(book)(received)

    def solve():
        with forced(level):
            return decide(estimate, received, book, backend="kernel")

    return solve


# By name, what makes the solvers of a frame or a batch with the kernel of each level.
WORKLOADS = {
    "PC-ADMM A8, batch": partial(lasso, pilots=("gaussian", 200, 64), antennas=8, frames=BATCH),
    "PC-ADMM A8, double": partial(
        lasso, pilots=("gaussian", 200, 64), antennas=8, frames=BATCH, precision=np.complex128
    ),
    "PC-ADMM S, batch": partial(lasso, pilots=("gaussian", 100, 40), antennas=1, frames=BATCH),
    "PC-ADMM dft 9216, batch": partial(lasso, pilots=("dft", 9216, 512), antennas=2, frames=2),
    "PC-ADMM hadamard, batch": partial(lasso, pilots=("hadamard", 2048, 512), antennas=4, frames=2),
    "PC-ADMM zadoff_chu, batch": partial(lasso, pilots=("zadoff_chu", 2000, 509), antennas=4, frames=2),
    "network, single frame": partial(network, frames=1),
    "network, batch": partial(network, frames=BATCH),
    "decisions, batch": decisions,
}


def measure(make, levels, rounds, budget):
    """The shortest time of each level, in turn, so that whatever else runs slows all of them.

    Solvers are made anew for every round, each level first in some of them: where their memory happens
    to lie is worth some per cent.
    """
    best = dict.fromkeys(levels, np.inf)
    for i in range(rounds):
        first = i % len(levels)
        for level, solve in make([*levels[first:], *levels[:first]]).items():
            best[level] = min(best[level], seconds(solve, budget / rounds, 3))
    return best
