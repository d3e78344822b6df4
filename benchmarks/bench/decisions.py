# SPDX-License-Identifier: GPL-3.0-or-later
"""`decide` beside that of an older commit, which is built under build/: times a frame, one thread, in turn.

With one antenna the estimate is timed, too, and how many devices are missed is told.

Both packages are run by this file, in processes of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "dcbe623"  # decisions by projection, before those by covariance
TURNS = 3
CELLS = {  # kind, N, L, K, M, dB, whether σ² is told
    "K = 20": ("gaussian", 200, 64, 20, 4, 10, False),
    "K = 20, σ² told": ("gaussian", 200, 64, 20, 4, 10, True),
    "K = 12": ("gaussian", 200, 64, 12, 4, 10, False),
    "K = 12, σ² told": ("gaussian", 200, 64, 12, 4, 10, True),
    "one antenna": ("gaussian", 100, 40, 10, 1, 15, False),
    "N = 65,536": ("dft", 65536, 8192, 100, 1, 15, False),
}
WHOLE = "one antenna"  # is timed with the estimate
_MEASURE = "import decisions, json; print(json.dumps(decisions.measure({quick!r})))"


def run(quick, say):
    trees = {"before": build(ROOT / "build" / f"against-{BEFORE}"), "now": None}
    turns = [
        {name: _measured(tree, quick) for name, tree in trees.items()} for _ in range(1 if quick else TURNS)
    ]
    result = {}
    for cell in turns[0]["now"]:
        before, now = (min(turn[name][cell]["s"] for turn in turns) for name in ("before", "now"))
        missed = [turns[0][name][cell]["miss"] for name in ("before", "now")]
        result[cell] = {"before_s": before, "now_s": now, "ratio": now / before, "missed": missed}
        say(
            f"  {cell:16} {before * 1e6:9.1f} → {now * 1e6:9.1f} µs a frame, {now / before:.2f} ×; "
            f"missed {missed[0]:.4f} → {missed[1]:.4f}"
        )
    return {"before": BEFORE, "cells": result}


def build(tree):
    """The older package, built in a folder of its own once; where it is staged."""
    if not tree.exists():
        tree.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", BEFORE], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    subprocess.run([str(tree / "tools" / "stage.sh")], check=True)
    (package,) = (tree / "build" / "stage").glob("lib/python3*/dist-packages")
    return package


def measure(quick):
    """Seconds a frame and share of missed devices of every cell, by the package that is imported."""
    cells = {name: cell for name, cell in CELLS.items() if not (quick and cell[1] > 1000)}
    return {name: _measured_cell(*cell, name == WHOLE, quick) for name, cell in cells.items()}


def _measured(package, quick):
    path = [str(package), str(Path(__file__).parent)] if package else [str(Path(__file__).parent)]
    path += [] if package else [os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-c", _MEASURE.format(quick=quick)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    return json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


def _measured_cell(kind, n_devices, length, n_active, n_antennas, snr_db, told, whole, quick):
    from time import thread_time

    from gr_jadce import Scenario, decide, make_estimator, make_pilots, simulate

    book, count = make_pilots(kind, n_devices, length, seed=1), 200 if n_devices < 1000 else 2
    uplink = simulate(Scenario(book, n_antennas, n_active=n_active, snr_db=snr_db), count, seed=1)
    noise_var = uplink.noise_var if told else None
    estimator = make_estimator("unrolled", book)
    estimate = estimator(uplink.received, noise_var=noise_var)
    best = float("inf")
    for _ in range(2 if quick or n_devices > 1000 else 10):
        began = thread_time()
        proposal = estimator(uplink.received, noise_var=noise_var) if whole else estimate
        decision = decide(proposal, uplink.received, book, 1e-3, noise_var)
        best = min(best, thread_time() - began)
    return {"s": best / count, "miss": float(1 - decision.activity[uplink.activity].mean())}
