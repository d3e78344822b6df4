# SPDX-License-Identifier: GPL-3.0-or-later
"""`decide` beside that of an older commit, which is built under build/: times a frame, one thread, in turn.

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
CELLS = {  # of `decided`: kind, N, L, K, M, dB, whether σ² is told
    "K = 20": ("gaussian", 200, 64, 20, 4, 10, False),
    "K = 20, σ² told": ("gaussian", 200, 64, 20, 4, 10, True),
    "K = 12": ("gaussian", 200, 64, 12, 4, 10, False),
    "K = 12, σ² told": ("gaussian", 200, 64, 12, 4, 10, True),
    "N = 65,536": ("dft", 65536, 8192, 100, 1, 15, False),
}
_MEASURE = "import decisions, json; print(json.dumps(decisions.measure({quick!r})))"


def run(quick, say):
    trees = {"before": build(ROOT / "build" / f"against-{BEFORE}"), "now": None}
    turns = [
        {name: _measured(tree, quick) for name, tree in trees.items()} for _ in range(1 if quick else TURNS)
    ]
    result = {}
    for cell in turns[0]["now"]:
        before, now = (min(turn[name][cell] for turn in turns) for name in ("before", "now"))
        result[cell] = {"before_s": before, "now_s": now, "ratio": now / before}
        say(f"  {cell:16} {before * 1e6:9.1f} → {now * 1e6:9.1f} µs a frame, {now / before:.2f} ×")
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
    """Seconds a frame of every cell, by the package that is imported."""
    return {name: _seconds(*cell, quick) for name, cell in CELLS.items() if not (quick and cell[1] > 1000)}


def _measured(package, quick):
    path = [str(package), str(Path(__file__).parent)] if package else [str(Path(__file__).parent)]
    path += [] if package else [os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-c", _MEASURE.format(quick=quick)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    return json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


def _seconds(kind, n_devices, length, n_active, n_antennas, snr_db, told, quick):
    from time import thread_time

    from gr_jadce import Scenario, decide, make_estimator, make_pilots, simulate

    book, count = make_pilots(kind, n_devices, length, seed=1), 200 if n_devices < 1000 else 2
    uplink = simulate(Scenario(book, n_antennas, n_active=n_active, snr_db=snr_db), count, seed=1)
    noise_var = uplink.noise_var if told else None
    estimate = make_estimator("unrolled", book)(uplink.received, noise_var=noise_var)
    best = float("inf")
    for _ in range(2 if quick or n_devices > 1000 else 10):
        began = thread_time()
        decide(estimate, uplink.received, book, 1e-3, noise_var)
        best = min(best, thread_time() - began)
    return best / count
