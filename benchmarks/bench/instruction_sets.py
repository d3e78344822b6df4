# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (viii): the kernel that is loaded by default, and those of lower levels of x86-64."""

import os
from contextlib import contextmanager
from functools import partial

import numpy as np
from timing import seconds

from gr_jadce import Scenario, decide, make_pilots, pc_admm, simulate
from gr_jadce.backend import kernel_for
from gr_jadce.unrolled.inference import unrolled

BATCH = 64


def run(quick=False, say=print):
    """Seconds by workload and level."""
    default = level_of(kernel_for("kernel"))
    levels = [default, *(level for level in ("v4", "v3", "v2") if level != default and is_here(level))]
    workloads = {}
    for name, make in WORKLOADS.items():
        times = workloads[name] = measure(make, levels, *((1, 0.02) if quick else (12, 0.5)))
        say(f"  {name:26} {_line(times)}")
    return {"default": default, "workloads": workloads}


def _line(times):
    """Seconds of the first level, and the speed of the others over its."""
    first, took = next(iter(times.items()))
    shares = ", ".join(f"{level} {took / other:6.1%}" for level, other in times.items() if level != first)
    return f"{first} {1e6 * took:9.1f} µs; of its speed: {shares or 'no other'}"


def level_of(kernel):
    return kernel.__name__.rpartition("_")[2]


def is_here(level):
    try:
        with forced(level):
            return kernel_for("kernel") is not None
    except ValueError:
        return False


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
