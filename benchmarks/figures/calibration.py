#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the false-alarm probability of decisions over a grid of cells: `make calibration`.

Every cell is one pilot kind, number of antennas, SNR, activity rate and power spread. PC-ADMM, σ²
unknown, proposes; each frame is decided twice, at 1e-2 and 1e-3. Cells take turns, so that the
table is whole at any time; counts are kept in build/calibration and a later run goes on from them.
The table goes to benchmarks/figures/results/calibration.md and .json, with the command, version
and commit that made it.
"""

import itertools
import json
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from zlib import crc32

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import numpy as np
import program

from gr_jadce import Scenario, __version__, decide, make_pilots, pc_admm, simulate
from gr_jadce.programs import command_line

N_DEVICES, PILOT_LENGTH = 200, 64
# Only the order of the scores matters here: decisions hardly differ from those after the defaults
# (λ from an estimate of σ, gap 1e-4), which take several times longer.
FRONT_END = {"lam_ratio": 0.1, "tol": 1e-2}
CHUNK = 200  # frames
MOST = 1e6  # inactive decisions a cell
WANTED = {"0.01": 1.5, "0.001": 2.0}  # false-alarm probability → factor allowed
GRID = {
    "n_antennas": (1, 2, 4, 8),
    "snr_db": (5, 10, 15, 20, 25),
    "activity_rate": (0.02, 0.05, 0.1, 0.15),
    "pilots": ("gaussian", "qpsk", "dft"),
    "power_spread_db": (0, 5),
}
QUICK = {
    "n_antennas": (1, 4),
    "snr_db": (20,),
    "activity_rate": (0.05,),
    "pilots": ("gaussian", "dft"),
    "power_spread_db": (5,),
}


def main():
    args = parse()
    grid, path = (QUICK, "quick.json") if args.quick else (GRID, "counts.json")
    cells = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    args.work.mkdir(parents=True, exist_ok=True)
    counts = measure(cells, args, args.work / path)
    origin = {
        "command": command(args),
        "version": __version__,
        "commit": program.commit(),
    }
    rows = [cell | figures(counts[name_of(cell)]) for cell in cells if name_of(cell) in counts]
    summary = summarise(rows)
    result = {"origin": origin, "summary": summary, "cells": rows}
    program.save(args.output / "calibration", result, table(origin, summary, rows))
    print(f"{args.output / 'calibration.md'}: {len(rows)} cells")


def command(args):
    if args.quick:
        return "make calibration (quick mode)"
    given = "" if args.decisions == MOST else f' CALIBRATION_ARGS="--decisions {args.decisions:g}"'
    return "make calibration" + given


def measure(cells, args, path):
    """Counts by cell, after the frames wanted of each; kept in `path` as they come."""
    counts = json.loads(path.read_text()) if path.exists() else {}
    turns = {name_of(cell): turns_of(cell, args.decisions) for cell in cells}
    chunks = [
        (cell, turn) for turn in range(max(turns.values())) for cell in cells if turn < turns[name_of(cell)]
    ]
    todo = [(cell, turn) for cell, turn in chunks if turn >= counts.get(name_of(cell), {}).get("turns", 0)]
    progress = command_line.Progress(len(chunks))
    with ProcessPoolExecutor(args.processes) as pool:
        done = pool.map(count_chunk, *zip(*todo, strict=True)) if todo else ()
        for number, ((cell, _), more) in enumerate(zip(todo, done, strict=True), len(chunks) - len(todo) + 1):
            add(counts, name_of(cell), more)
            if number % 50 == 0 or number == len(chunks):
                save(counts, path)
            progress.show(number, f"{number} of {len(chunks)} chunks of {CHUNK} frames")
    progress.clear()
    return counts


def turns_of(cell, decisions):
    """Chunks of frames that give this many inactive decisions, and 1 % to spare."""
    return math.ceil(1.01 * decisions / (N_DEVICES * (1 - cell["activity_rate"]) * CHUNK))


def count_chunk(cell, turn):
    """What is counted over the frames of one turn of a cell."""
    book, estimator = front_end(cell["pilots"])
    scenario = Scenario(
        book,
        cell["n_antennas"],
        cell["activity_rate"],
        snr_db=cell["snr_db"],
        power_spread_db=cell["power_spread_db"],
    )
    uplink = simulate(scenario, CHUNK, crc32(name_of(cell).encode()), first_frame=turn * CHUNK)
    estimate = estimator(uplink.received)
    return {
        wanted: count(uplink, decide(estimate, uplink.received, book, float(wanted))) for wanted in WANTED
    }


@cache
def front_end(kind):
    book = make_pilots(kind, N_DEVICES, PILOT_LENGTH, seed=1)
    return book, pc_admm(book, **FRONT_END)


def count(uplink, decision):
    inactive = np.sum(~uplink.activity, axis=1, dtype=float)
    alarms = np.sum(decision.activity & ~uplink.activity, axis=1, dtype=float)
    return {
        "inactive": inactive.sum(),
        "alarms": alarms.sum(),
        "alarms_alarms": np.sum(alarms**2),
        "alarms_inactive": np.sum(alarms * inactive),
        "inactive_inactive": np.sum(inactive**2),
        "active": float(uplink.activity.sum()),
        "misses": float(np.sum(uplink.activity & ~decision.activity)),
        "noise_db": [round(float(x), 3) for x in 10 * np.log10(decision.noise_var / uplink.noise_var)],
    }


def add(counts, name, more):
    """Add a chunk's counts; of the noise variances the first chunks' are enough for a median."""
    total = counts.setdefault(name, {"turns": 0})
    total["turns"] += 1
    for wanted, numbers in more.items():
        entry = total.setdefault(wanted, {})
        for key, value in numbers.items():
            if key != "noise_db" or len(entry.get(key, ())) < 5 * CHUNK:
                entry[key] = entry.get(key, type(value)()) + value


def save(counts, path):
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(counts), encoding="utf-8")
    partial.replace(path)


def name_of(cell):
    return " ".join(str(value) for value in cell.values())


def figures(counts):
    """False alarm over wanted with its interval, miss probability, and the median error of σ²."""
    result = {"frames": counts["turns"] * CHUNK}
    for wanted in WANTED:
        c = counts[wanted]
        share = c["alarms"] / c["inactive"]
        # A ratio of sums over frames, which are independent; decisions within one are not.
        squares = c["alarms_alarms"] + share * (share * c["inactive_inactive"] - 2 * c["alarms_inactive"])
        half = 1.96 * np.sqrt(max(squares, 0)) / c["inactive"]
        result[wanted] = {
            "inactive": int(c["inactive"]),
            "ratio": share / float(wanted),
            "ratio_interval": [max(share - half, 0) / float(wanted), (share + half) / float(wanted)],
            "miss_probability": c["misses"] / max(c["active"], 1),
            "noise_var_error_db": float(np.median(c["noise_db"])),
        }
    return result


def summarise(rows):
    """How many cells are within the factor, by whether less than 0.1 of the active are missed."""
    summary = {}
    for wanted, factor in WANTED.items():
        entries = [row[wanted] for row in rows]
        good = [bool(1 / factor <= entry["ratio"] <= factor) for entry in entries]
        seen = [bool(entry["miss_probability"] < 0.1) for entry in entries]
        summary[wanted] = {
            "factor": factor,
            "cells_with_miss_below_0.1": sum(seen),
            "of_these_within": sum(g and s for g, s in zip(good, seen, strict=True)),
            "other_cells": len(seen) - sum(seen),
            "of_others_within": sum(g and not s for g, s in zip(good, seen, strict=True)),
            "smallest_ratio": min(entry["ratio"] for entry in entries),
            "largest_ratio": max(entry["ratio"] for entry in entries),
            "fewest_inactive": min(entry["inactive"] for entry in entries),
            "largest_noise_var_error_db_with_miss_below_0.1": max(
                (abs(e["noise_var_error_db"]) for e, s in zip(entries, seen, strict=True) if s), default=0.0
            ),
        }
    return summary


def table(origin, summary, rows):
    lines = [
        "# False-alarm calibration",
        "",
        f"Made by `{origin['command']}` at commit {origin['commit']}, version {origin['version']}. "
        f"N = {N_DEVICES}, L = {PILOT_LENGTH}, σ² unknown; PC-ADMM proposes, with λ = "
        f"{FRONT_END['lam_ratio']:g} λ_max, to a duality gap of {FRONT_END['tol']:g} (only the order of "
        "its scores matters). A ratio is the measured over the wanted false-alarm probability, with a "
        "95 % interval that takes frames, not decisions, for independent.",
        "",
        *(f"* {float(wanted):g}: {sentence(figures)}" for wanted, figures in summary.items()),
        "",
        "| M | SNR dB | activity | pilots | ± dB | ratio at 1e-2 | ratio at 1e-3 "
        "| miss at 1e-2 | at 1e-3 | σ² error dB |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *map(line_of, rows),
    ]
    return "\n".join(lines) + "\n"


def sentence(s):
    return (
        f"within a factor {s['factor']:g} in {s['of_these_within']} of {s['cells_with_miss_below_0.1']} "
        f"cells with a miss probability below 0.1, and in {s['of_others_within']} of {s['other_cells']} "
        f"others; all ratios from {s['smallest_ratio']:.2f} to {s['largest_ratio']:.2f}; at least "
        f"{s['fewest_inactive']:,} inactive decisions a cell; median error of σ² at most "
        f"{s['largest_noise_var_error_db_with_miss_below_0.1']:.2f} dB where miss is below 0.1."
    )


def line_of(row):
    loose, strict = row["0.01"], row["0.001"]
    cells = [row[key] for key in GRID] + [with_interval(loose), with_interval(strict)]
    cells += [f"{entry['miss_probability']:.3f}" for entry in (loose, strict)]
    return "| " + " | ".join(str(cell) for cell in [*cells, f"{strict['noise_var_error_db']:+.2f}"]) + " |"


def with_interval(entry):
    low, high = entry["ratio_interval"]
    return f"{entry['ratio']:.2f} ({low:.2f}–{high:.2f})"


def parse():
    parser = program.parser(__doc__, "calibration")
    parser.add_argument("--quick", action="store_true", help="a few cells and frames: to see that all works")
    parser.add_argument(
        "--decisions", type=float, help="inactive decisions a cell (default: 1e6, with --quick 4e4)"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one a core")
    args = parser.parse_args()
    args.decisions = args.decisions or (4e4 if args.quick else MOST)
    return args


if __name__ == "__main__":
    sys.exit(main())
