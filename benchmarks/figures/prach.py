#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random access preambles against the conformance table of TS 38.104, `make prach`.

Every cell of Table 8.4.2.2: misses at the required SNR, false alarms, and by how many dB less SNR would do;
a correlator with the best threshold in hindsight beside it; then several preambles over four roots at once,
and how long an occasion takes. The exit status is 0 only if every cell passes. Counts are kept in --work,
where a later run goes on.
"""

import json
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import prach_cells as table
import prach_crowds as crowds
import program
from program import row

from gr_jadce import __version__
from gr_jadce.random_access.search import MAX_OFFSET_HZ

_HEAD = """\
# Random access preambles: TS 38.104 Table 8.4.2.2

Made by `{command}`, version {version}, commit {commit}. Wanted: 99 % found with their timing at the
required SNR, and a false alarm in 0.1 % of occasions of noise at most. The receiver looks for offsets to
± {offset:g} Hz and is told neither SNR, noise nor channel. Correlator: misses, timing aside, at the threshold
that gives 0.1 % on the same occasions of noise, all symbols added up, no offset looked for. Margin: dB below
the required SNR at which 99 % are reached, from an eighth of the occasions at each dB.

"""
_CELL_COLUMNS = (
    "cell", "required, dB", "occasions", "misses, %", "of them timing", "others found", "false alarms, %",
    "of", "margin, dB", "correlator: misses, %", "passes",
)  # fmt: skip
_CROWDS = """
## Several preambles over four roots, two antennas, required SNR + {above:g} dB each

Misses of preambles sent, false alarms of preambles not sent, occasions with any. The correlator's threshold
is the one at which both shares together are least, in hindsight.

"""
_CROWD_COLUMNS = (
    "format", "channel", "sent at once", "occasions", "misses, %", "false, %", "occasions with false, %",
    "correlator: misses, %", "correlator: false, %",
)  # fmt: skip
_TIME = """
## Time

Format 0, two antennas, 1.92 Msample/s, from samples on, one thread of the machine that made this page, the
median; an occasion may come every 10 ms. Over TDLC300-100 at −6.6 dB, of occasions that are searched 20 at
once (alone):
"""
STEP_DB, LOWEST_DB = 1.0, -8.0  # of the SNRs below the required one that are tried for the margin


def main():
    args = parse()
    args.work.mkdir(parents=True, exist_ok=True)
    cells = [cell for cell in table.cells() if not args.only or cell.name in args.only]
    with ProcessPoolExecutor(args.processes) as pool:
        noises = {table.noise_key(cell): cell for cell in cells}
        alarms = dict(zip(noises, pool.map(count_noise, noises.values(), [args] * len(noises)), strict=True))
        thresholds = [alarms[table.noise_key(cell)]["threshold"] for cell in cells]
        counted = list(pool.map(count_cell, cells, thresholds, [args] * len(cells)))
        if args.no_crowds:
            return 0
        several = [
            (name, channel, n)
            for name, (preambles, _, required) in crowds.BOOKS.items()
            for channel in required
            for n in crowds.ACTIVE
            if n < preambles.n_preambles
        ]
        crowd = list(pool.map(count_crowd, *zip(*several, strict=True), [args] * len(several)))
    rows = [
        {
            "cell": table.key(cell),
            "required_db": cell.required_db,
            "noise": alarms[table.noise_key(cell)],
            **counts,
        }
        for cell, counts in zip(cells, counted, strict=True)
    ]
    taken = crowds.speed(20 if args.quick else 200)
    command = "make prach (quick mode)" if args.quick else "make prach"
    origin = {"command": command, "version": __version__, "commit": program.commit()}
    record = {"origin": origin, "cells": rows, "crowds": crowd, "ms_an_occasion": taken}
    program.save(args.output / "prach", record, page(origin, cells, rows, crowd, taken))
    return report(cells, rows, crowd, taken, args)


def kept(path, counted):
    """What `counted()` gives, kept in a file."""
    if not path.exists():
        path.write_text(json.dumps(counted()))
    return json.loads(path.read_text())


def count_noise(cell, args):
    count = 300 if args.quick else args.noise
    return kept(
        args.work / f"noise-{table.noise_key(cell)}-{count}.json", lambda: table.false_alarms(cell, count)
    )


def count_cell(cell, threshold, args):
    count = 60 if args.quick else args.occasions
    path = args.work / f"cell-{table.key(cell)}-{count}.json"
    return kept(path, lambda: conformance(cell, threshold, count, max(count // 8, 60)))


def conformance(cell, threshold, count, count_below):
    """Counts at the required SNR, and the SNR at which 99 % are found."""
    at = table.detections(cell, cell.required_db, count, threshold)
    above_db, above = 0.0, misses(at)
    below_db = -STEP_DB
    while below_db >= LOWEST_DB:
        below = misses(table.detections(cell, cell.required_db + below_db, count_below))
        if below > table.MOST_MISSES:
            return at | {"margin_db": between(below_db, below, above_db, above)}
        above_db, above, below_db = below_db, below, below_db - STEP_DB
    return at | {"margin_db": -above_db}


def misses(counts):
    return (counts["occasions"] - counts["correct"]) / counts["occasions"]


def between(low_db, many, high_db, few):
    """The margin, dB: where the logarithm of the misses, on a straight line, is that of 1 %."""
    few, many, wanted = np.log10([max(few, 1e-4), many, table.MOST_MISSES])
    return float(-(low_db + (high_db - low_db) * np.clip((many - wanted) / (many - few), 0, 1)))


def count_crowd(name, channel, n_active, args):
    count = 4 if args.quick else max(args.occasions // (8 if n_active <= 8 else 40), 4)
    path = args.work / f"crowd-{name}-{channel}-{n_active}-{count}.json"
    return kept(path, lambda: crowds.crowd(name, channel, n_active, count))


def passes(entry):
    """Whether a cell holds: misses, timing errors included, and false alarms."""
    noise = entry["noise"]
    return misses(entry) <= table.MOST_MISSES and noise["false"] <= table.FALSE_ALARM * noise["occasions"]


def report(cells, rows, crowd, taken, args):
    """Print what does not hold; the exit status."""
    failed = [cell.label for cell, entry in zip(cells, rows, strict=True) if not passes(entry)]
    failed += [
        f"{e['active']} preambles of format {e['format']}, {e['channel']}"
        for e in crowd
        if not crowds.passes(e)
    ]
    slow = [n for n, (_, ms) in taken.items() if ms > 1e3 * crowds.OCCASION_S and n != "4"]
    failed += [f"real time with {n} preambles" for n in slow]
    print(f"format 0, two antennas, 1.92 Msample/s, of {1e3 * crowds.OCCASION_S:g} ms: {times(taken)}")
    print(f"{args.output / 'prach.md'}: {len(rows)} cells, {sum(map(passes, rows))} pass")
    for label in failed:
        print(f"does not pass: {label}", file=sys.stderr)
    return 1 if failed else 0


def page(origin, cells, rows, crowd, taken):
    lines = [
        *_HEAD.format(offset=MAX_OFFSET_HZ, **origin).splitlines(),
        row(_CELL_COLUMNS),
        row(["---"] * len(_CELL_COLUMNS)),
        *map(cell_row, cells, rows),
        *_CROWDS.format(above=crowds.ABOVE_DB).splitlines(),
        row(_CROWD_COLUMNS),
        row(["---"] * len(_CROWD_COLUMNS)),
        *map(crowd_row, crowd),
        *_TIME.splitlines(),
        times(taken) + ".",
        "",
    ]
    return "\n".join(lines)


def times(taken):
    return ", ".join(
        f"{ms:.1f} ({alone:.1f}) ms with {n} preamble{'' if n == '1' else 's'}"
        for n, (alone, ms) in taken.items()
    )


def cell_row(cell, entry):
    noise, count = entry["noise"], entry["occasions"]
    return row([
        cell.label, f"{cell.required_db:g}", count, percent(misses(entry)), entry["timing"], entry["others"],
        percent(noise["false"] / noise["occasions"]), noise["occasions"], f"{entry['margin_db']:.1f}",
        percent(1 - entry["correlator"] / count), "yes" if passes(entry) else "**no**",
    ])  # fmt: skip


def crowd_row(entry):
    own, other = crowds.rates(entry), crowds.rates(entry, "correlator_")
    shares = map(percent, (*own, *other[:2]))
    return row([entry["format"], entry["channel"], entry["active"], entry["occasions"], *shares])


def percent(share):
    return f"{100 * share:.2f}"


def parse(arguments=None):
    parser = program.parser(__doc__, "prach")
    add = parser.add_argument
    add(
        "--occasions",
        type=int,
        default=2000,
        help="occasions at the required SNR of a cell (default %(default)s)",
    )
    add("--noise", type=int, default=5000, help="occasions of noise (default %(default)s)")
    add("--only", nargs="*", choices=table.FORMATS, help="formats of the cells; default all")
    add("--no-crowds", action="store_true", help="count the cells alone, for a later run, and write nothing")
    add("--processes", type=int, default=2, help="(default %(default)s)")
    add("--quick", action="store_true", help="test everything on few occasions; the figures mean nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
