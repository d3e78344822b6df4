# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (vi): memory, in processes of their own that import gr_jadce and nothing else.

A process prints the peak of its resident memory after the import, after set-up (of pilots and solver)
and after the frames are solved; the frames come from a file.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

DELAYED = "delays to "  # in place of an estimator: symbols, behind a prefix of as many
CASES = {  # estimator, pilots, N, L, M, frames
    "pc_admm": ("pc_admm", "gaussian", 200, 64, 4, 64),
    "unrolled": ("unrolled", "gaussian", 200, 64, 4, 64),
    "pc_admm, fast": ("pc_admm", "dft", 65_536, 8192, 8, 4),
    "out of step": (f"{DELAYED}16", "gaussian", 1000, 128, 8, 4),
}
STAGES = ("imported", "set_up", "solved")


def run(quick=False, say=print):
    """Peak resident memory in MB, by case and stage."""
    results = {}
    for name, (estimator, kind, N, L, M, frames) in CASES.items():
        if quick:
            N, L = min(N, 8192), min(L, 1024)
        results[name] = entry = _measure(estimator, kind, N, L, M, frames)
        say(
            f"  {name:14} {kind:8} N = {N:6}, L = {L:5}, M = {M}: {entry['imported']:6.1f} MB imported, "
            f"{entry['set_up']:6.1f} MB set up, {entry['solved']:6.1f} MB with {frames} frames solved"
        )
    return results


def peak_mb():
    """Peak resident memory since this program began (`ru_maxrss` counts what started it, too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def _measure(estimator, kind, N, L, M, frames):
    from gr_jadce import Scenario, make_pilots, simulate

    steps = {}
    if estimator.startswith(DELAYED):
        steps = dict.fromkeys(("max_delay", "cyclic_prefix"), int(estimator.removeprefix(DELAYED)))
    scenario = Scenario(make_pilots(kind, N, L, seed=1), M, n_active=L // 10, snr_db=10, **steps)
    received = simulate(scenario, frames, seed=2).received.astype(np.complex64)
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, received)
        command = [sys.executable, __file__, file.name, estimator, kind, str(N), str(L)]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(zip(STAGES, json.loads(output), strict=True))


def solve_alone(path, estimator, kind, N, L):
    from gr_jadce import make_pilots
    from gr_jadce.detection.asynchrony import Asynchrony, Delayed
    from gr_jadce.estimators import make_estimator

    peaks, received = [peak_mb()], np.load(path)
    book = make_pilots(kind, int(N), int(L), seed=1)
    if estimator.startswith(DELAYED):
        delay = int(estimator.removeprefix(DELAYED))
        solve = Delayed(book, Asynchrony(delay, prefix=delay)).decide_rows
    else:
        solve = make_estimator(estimator, book)
    peaks.append(peak_mb())
    solve(received)
    print(json.dumps([*peaks, peak_mb()]))


if __name__ == "__main__":
    solve_alone(*sys.argv[1:])
