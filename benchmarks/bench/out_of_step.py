# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices out of step beside the same devices in step: times a frame, one thread, in turn in one run."""

from functools import partial

from timing import seconds

from gr_jadce import Scenario, decide, make_estimator, make_pilots, simulate
from gr_jadce.detection.asynchrony import Asynchrony, Delayed

N, L, K, M, SNR_DB = 200, 64, 20, 4, 10
BATCH = 25
RANGES = {  # how devices are out of step, and what of the scenario it is
    "± ½ symbol": (Asynchrony(), {"max_delay": 0.5}),
    "± ½ symbol, ± 0.002 cycles": (Asynchrony(max_offset=0.002), {"max_delay": 0.5, "max_offset": 0.002}),
    "± ½ symbol, ± 2 cycles a pilot": (Asynchrony(max_offset=2 / L), {"max_delay": 0.5, "max_offset": 2 / L}),
    "0 to 8 symbols, one path": (Asynchrony(8, prefix=8, max_paths=1), {"max_delay": 8, "cyclic_prefix": 8}),
    "0 to 8 symbols": (Asynchrony(8, prefix=8), {"max_delay": 8, "cyclic_prefix": 8}),
}


def run(quick, say):
    book = make_pilots("gaussian", N, L, seed=1)
    estimator = make_estimator("unrolled", book)

    def frames(**steps):
        return simulate(Scenario(book, M, n_active=K, snr_db=SNR_DB, **steps), BATCH, seed=1).received

    def in_step(received):
        return decide(estimator(received), received, book)

    work = {"in step": partial(in_step, frames())}
    for name, (asynchrony, steps) in RANGES.items():
        work[name] = partial(Delayed(book, asynchrony).decide_rows, frames(**steps))
    turns = [
        {name: seconds(part, 0.5, 3) / BATCH for name, part in work.items()} for _ in range(1 if quick else 3)
    ]
    best = {name: min(turn[name] for turn in turns) for name in work}
    result = {name: {"s": time, "ratio": time / best["in step"]} for name, time in best.items()}
    for name, entry in result.items():
        say(f"  {name:30} {entry['s'] * 1e6:8.0f} µs a frame, {entry['ratio']:5.1f} × in step")
    return {"cell": {"N": N, "L": L, "K": K, "M": M, "snr_db": SNR_DB}} | result
