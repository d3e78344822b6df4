# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (iv): what a frame costs against N, L, M and K, with structured pilots and with dense ones.

Large books are solved in a process of their own, which reads the frames from a file, so that its
memory is that of set-up and solving. `gap` is recomputed here, in double precision.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from memory import peak_mb
from timing import seconds

from gr_jadce import Scenario, decide, make_pilots, pc_admm, simulate
from gr_jadce.estimate import Estimate
from gr_jadce.solvers.group_lasso import Operator, duality_gap

SIZES = (4096, 8192, 16_384, 32_768, 65_536)  # N, with L = N/8
M, LOAD, SNR_DB, THREADS, FRAMES = 8, 0.1, 10.0, 2, 4
# λ = 1.7 σ√M, at which noise alone makes next to no device active; the refit undoes its bias.
LAM_FACTOR, TOL, FALSE_ALARM = 1.7, 1e-4, 1e-8
DENSE = {"N": 200, "L": 64, "M": 4, "K": 8}
DENSE_RANGES = {"N": (100, 200, 400, 800), "L": (32, 64, 128, 256), "M": (1, 2, 4, 8), "K": (2, 4, 8, 16)}
ITERATIONS = 50  # fixed, but against K, where the frame's difficulty counts


def run(quick=False, say=print):
    """Seconds a frame and memory, by size; exponents fitted to all sizes."""
    sizes = SIZES[:3] if quick else SIZES
    results = {"dft": [_structured("dft", N, say) for N in sizes]}
    found = results["dft"]
    results["exponent"] = _exponent(sizes, [entry["processor_s"] for entry in found])
    say(f"  dft, N from {sizes[0]} to {sizes[-1]}: processor time grows as N^{results['exponent']:.2f}")
    largest = sizes[-1]
    results["plain"] = _structured("dft", largest, say, descend=False)
    for kind in ("hadamard", "zadoff_chu"):
        results[kind] = _structured(kind, largest, say)
    results["dense"] = _dense(0.2 if quick else 1.0, say)
    return results


def book_of(kind, n_devices):
    """L = N/8; Zadoff-Chu pilots have a prime length, and 8 L devices."""
    length = n_devices // 8
    if kind == "zadoff_chu":
        length = next(n for n in range(length, 1, -1) if all(n % d for d in range(2, int(n**0.5) + 1)))
        n_devices = 8 * length
    return make_pilots(kind, n_devices, length, seed=1)


def _structured(kind, n_devices, say, descend=True):
    book = book_of(kind, n_devices)
    n_active = int(LOAD * book.pilot_length)
    uplink = simulate(Scenario(book, M, n_active=n_active, snr_db=SNR_DB), FRAMES, seed=2)
    with tempfile.TemporaryDirectory() as directory:
        np.save(Path(directory) / "received.npy", uplink.received)
        command = [__file__, directory, kind, str(n_devices), repr(uplink.noise_var), str(int(descend))]
        output = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
        channel = np.load(Path(directory) / "channel.npy")
    entry = json.loads(output.stdout)
    entry |= {"n_devices": book.n_devices, "pilot_length": book.pilot_length, "n_active": n_active}
    entry["gap"] = _gap(book, uplink, channel)
    entry |= _decisions(book, uplink, channel)
    say(
        f"  {kind:10} N = {book.n_devices:6}, L = {book.pilot_length:5}, K = {n_active:4}"
        f"{'' if descend else ', from zero'}: {entry['wall_s']:.4f} s a frame on {THREADS} threads "
        f"({entry['processor_s']:.4f} s of processor time), {entry['n_iter']:.1f} iterations, "
        f"gap {entry['gap']:.1e}, {entry['memory_mb']:.0f} MB; decided in "
        f"{entry['decide_processor_s']:.3f} s of processor time: "
        f"{entry['misses']} misses, {entry['false_alarms']} false alarms in {FRAMES} frames "
        f"(expected {entry['expected_false_alarms']:.1g})"
    )
    return entry


def _gap(book, uplink, channel):
    """The largest relative duality gap of the frames."""
    A = Operator((book.pilot_length, book.n_devices), book.forward, book.adjoint)
    Y, X = (np.moveaxis(a, 0, 1).astype(np.complex128) for a in (uplink.received, channel))
    lam = np.full(FRAMES, LAM_FACTOR * np.sqrt(uplink.noise_var * M))
    return float(max(duality_gap(A, Y[:, [b]], X[:, [b]], lam[b : b + 1])[0] for b in range(FRAMES)))


def _decisions(book, uplink, channel):
    """Decisions with σ² unknown, against the truth."""
    score = np.linalg.norm(channel, axis=2)
    estimate = Estimate(channel, score, np.ones(FRAMES, int), np.zeros(FRAMES))
    began = process_time()
    activity = decide(estimate, uplink.received, book, FALSE_ALARM).activity
    return {
        "decide_processor_s": (process_time() - began) / FRAMES,
        "misses": int((uplink.activity & ~activity).sum()),
        "false_alarms": int((activity & ~uplink.activity).sum()),
        "expected_false_alarms": FALSE_ALARM * float((~uplink.activity).sum()),
    }


def solve_alone(directory, kind, n_devices, noise_var, descend):
    """In a process of its own: the solution to a file, times and memory to the standard output."""
    received = np.load(Path(directory) / "received.npy")
    book = book_of(kind, n_devices)
    options = {"lam_factor": LAM_FACTOR, "tol": TOL, "threads": THREADS, "descend": descend}
    began = perf_counter()
    solver = pc_admm(book, **options)
    set_up, wall, processor = perf_counter() - began, np.inf, np.inf
    for _ in range(5):
        start, busy = perf_counter(), process_time()
        estimate = solver(received, noise_var)
        wall, processor = min(wall, perf_counter() - start), min(processor, process_time() - busy)
    entry = {"set_up_s": set_up, "wall_s": wall / FRAMES, "processor_s": processor / FRAMES}
    entry |= {"n_iter": float(np.mean(estimate.n_iter))}
    entry["memory_mb"] = peak_mb()
    np.save(Path(directory) / "channel.npy", estimate.channel)
    print(json.dumps(entry))


def _dense(budget, say):
    """One thread, 16 frames at once; all but one of N, L, M, K as in DENSE."""
    results = {}
    for name, values in DENSE_RANGES.items():
        times = [_dense_seconds(DENSE | {name: value}, name == "K", budget) for value in values]
        results[name] = {"values": values, "seconds": times, "exponent": _exponent(values, times)}
        ratios = ", ".join(f"{v}: {1e6 * t:.0f} µs" for v, t in zip(values, times, strict=True))
        what = "gap 1e-4" if name == "K" else f"{ITERATIONS} iterations"
        say(f"  dense, {what}, a frame against {name}: {ratios}; exponent {results[name]['exponent']:.2f}")
    return results


def _dense_seconds(size, to_gap, budget):
    book = make_pilots("gaussian", size["N"], size["L"], seed=1)
    scenario = Scenario(book, size["M"], n_active=size["K"], snr_db=15)
    received = simulate(scenario, 16, seed=2).received
    stop = {"tol": TOL} if to_gap else {"tol": 1e-12, "max_iter": ITERATIONS, "check_every": ITERATIONS}
    if not to_gap:
        received = received.astype(np.complex128)  # in one precision to the end
    solver = pc_admm(book, lam_ratio=0.1, **stop)
    return seconds(lambda: solver(received), budget) / len(received)


def _exponent(values, times):
    return float(np.polyfit(np.log(values), np.log(times), 1)[0])


if __name__ == "__main__":
    _, directory, kind, n_devices, noise_var, descend = sys.argv
    solve_alone(directory, kind, int(n_devices), float(noise_var), descend == "1")
