#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the false-alarm probability of decisions over cells of several parts: `make calibration`.

`calibration_cells` says what the cells of each part are. A frame is decided once for each wanted
probability; where a part says how many events are enough, only its first frames for the larger ones.
Cells take turns, so that a table is whole at any time; counts are kept in build/calibration, and a later
run of the same estimators and decisions goes on from them. The tables go to
benchmarks/figures/results/calibration*.md and .json, with the command, version and commit that made
them.
"""

import json
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from zlib import crc32

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import program
from calibration_cells import PARTS, quick
from calibration_tables import summarise, table
from cell_counts import chunk_frames, count_chunk, scenario_of
from false_alarms import add, figures, together

import gr_jadce
from gr_jadce import __version__
from gr_jadce.programs import command_line

MAX_POOLS = 12  # of one axis


def main():
    args = parse()
    args.work.mkdir(parents=True, exist_ok=True)
    origin = {"command": command(args), "version": __version__, "commit": program.commit()}
    for name in args.parts:
        part = quick(name) if args.quick else PARTS[name]
        part = part._replace(decisions=args.decisions or part.decisions)
        stem = f"{name}{'-quick' if args.quick else ''}-{digest():08x}"
        counts = measure(part, args, args.work / f"{stem}.json")
        rows = [row_of(part, cell, counts[name_of(cell)]) for cell in part.cells]
        path = args.output / ("calibration" if name == "grid" else f"calibration-{name}")
        summary, pooled = summarise(part, rows), pool(part, counts)
        result = {"origin": origin, "summary": summary, "pooled": pooled, "cells": rows}
        program.save(path, result, table(part, result))
        print(f"{path}.md: {len(rows)} cells")


def digest():
    """Of the modules that estimate and decide; the kernel computes the same."""
    package = Path(gr_jadce.__file__).parent
    modules = (
        path for name in ("detection", "solvers", "unrolled") for path in package.glob(f"{name}/**/*.py")
    )
    return crc32(b"".join(path.read_bytes() for path in sorted(modules)))


def row_of(part, cell, counts):
    entries = {wanted: figures(counts, wanted) for wanted in part.wanted}
    return cell | {"frames": counts["turns"] * chunk_frames(part.settings(cell))} | entries


def pool(part, counts):
    """The cells with each value of what varies, taken together: rare events are enough of those."""
    pooled = []
    for key in part.cells[0]:
        if key == "n_devices":  # goes with the pilots' length
            continue
        values = list(dict.fromkeys(cell[key] for cell in part.cells))
        for value in values if 1 < len(values) <= MAX_POOLS else ():
            total = together(counts[name_of(cell)] for cell in part.cells if cell[key] == value)
            entries = {wanted: figures(total, wanted) for wanted in part.wanted}
            pooled.append({key: value, "cells": total["turns"]} | entries)
    return pooled


def command(args):
    options = [] if args.parts == list(PARTS) else ["--parts", *args.parts]
    options += ["--decisions", f"{args.decisions:g}"] if args.decisions else []
    given = f' CALIBRATION_ARGS="{" ".join(options)}"' if options else ""
    return f"make calibration{given}{' (quick mode)' if args.quick else ''}"


def measure(part, args, path):
    """Counts by cell, after the frames wanted of each; kept in `path` as they come."""
    counts = json.loads(path.read_text()) if path.exists() else {}
    turns = {name_of(cell): {w: turns_of(part, cell, w) for w in part.wanted} for cell in part.cells}
    chunks = [
        (cell, turn)
        for turn in range(max(max(of_cell.values()) for of_cell in turns.values()))
        for cell in part.cells
        if turn < max(turns[name_of(cell)].values())
    ]
    todo = [(cell, turn) for cell, turn in chunks if turn >= counts.get(name_of(cell), {}).get("turns", 0)]
    progress = command_line.Progress(len(chunks))
    with ProcessPoolExecutor(args.processes) as pool:
        tasks = [
            (
                part.settings(cell),
                [w for w, n in turns[name_of(cell)].items() if turn < n],
                name_of(cell),
                turn,
            )
            for cell, turn in todo
        ]
        done = pool.map(count_chunk, *zip(*tasks, strict=True)) if todo else ()
        for number, ((cell, _), more) in enumerate(zip(todo, done, strict=True), len(chunks) - len(todo) + 1):
            add(counts.setdefault(name_of(cell), {}), more)
            if number % 50 == 0 or number == len(chunks):
                save(counts, path)
            progress.show(number, f"{part.title}: {number} of {len(chunks)} chunks of frames")
    progress.clear()
    return counts


def turns_of(part, cell, wanted):
    """Chunks of frames that give the inactive decisions at this probability, and 1 % to spare."""
    settings = part.settings(cell)
    inactive = settings["n_devices"] * (1 - scenario_of(settings).mean_activity)
    return math.ceil(1.01 * part.decisions_about(cell, wanted) / (inactive * chunk_frames(settings)))


def save(counts, path):
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(counts), encoding="utf-8")
    partial.replace(path)


def name_of(cell):
    return " ".join(str(value) for value in cell.values())


def parse():
    parser = program.parser(__doc__, "calibration")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--quick", action="store_true", help="a few cells and frames: to see that all works")
    parser.add_argument("--decisions", type=float, help="inactive decisions a cell (default: the part's own)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one a core")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
