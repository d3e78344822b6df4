#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make all figures and tables of the documentation: `make figures`, or with --quick in half a minute.

The sweep of every estimator is kept in build/figures and goes on where it was interrupted; the
network's is begun anew when it changes, the others' when build/figures is removed. What is shown
goes to benchmarks/figures/results, with the command, version and commit that made it.
"""

import os
import re
import sys
import zlib

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import program
import tables

from gr_jadce import __version__
from gr_jadce.evaluation import plots
from gr_jadce.evaluation.plan import make_plan
from gr_jadce.evaluation.sweep import sweep
from gr_jadce.programs import command_line
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS

LASSO = {f"pc_admm λ={f}σ√M": ("pc_admm", {"lam_factor": f}) for f in (0.4, 0.55, 0.7, 0.85, 1.0, 1.2)}
PRIOR_AND_NOISE = ("noise_var", "activity_rate")
NETWORK = {"unrolled PC-ADMM": ("unrolled", {})}
BOUND = {"oracle MMSE": ("oracle_mmse", {})}
PASSING = {"AMP": ("amp", {}), "VAMP": ("vamp", {"max_iter": 30, "damping": 0.8})}
SBL = {"M-SBL": ("m_sbl", {}), "covariance ML": ("covariance_ml", {"max_iter": 5})}
TIGHT = {"lam_ratio": 0.1, "tol": 1e-13}
SINGLE = {"n_devices": 100, "pilot_length": 40, "n_antennas": 1}
MULTIPLE = {"n_devices": 200, "pilot_length": 64, "n_antennas": 4}
SNRS = (0, 5, 10, 15, 20, 25)

# Name → arguments of make_plan, and the kinds of plot shown.
SWEEPS = {
    "single-antenna": (
        ("snr_db", SNRS, LASSO | {"SOMP": ("somp", {})} | PASSING | NETWORK | BOUND, SINGLE, PRIOR_AND_NOISE),
        {"frames": 2000},
        ("nmse", "miss"),
    ),
    "four-antennas": (
        (
            "snr_db",
            SNRS,
            LASSO | {"SOMP": ("somp", {})} | PASSING | SBL | NETWORK | BOUND,
            MULTIPLE,
            PRIOR_AND_NOISE,
        ),
        {"frames": 1000},
        ("nmse", "miss"),
    ),
    "blind-receiver": (
        (
            "snr_db",
            SNRS,
            {"PC-ADMM": ("pc_admm", {}), "AMP": ("amp", {}), "VAMP": ("vamp", {})} | NETWORK,
            MULTIPLE,
            (),
        ),
        {"frames": 500},
        ("refit", "decided-miss", "decided-false-alarm"),
    ),
    "iterations": (
        (
            "max_iter",
            (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200),
            {name: (name, TIGHT) for name in ("pc_admm", "admm", "fista", "ista", "bcd")},
            MULTIPLE,
        ),
        {"frames": 50},
        ("gap", "nmse"),
    ),
}
SLOW = {"M-SBL": 300, "covariance ML": 100}  # frames a point at most
# On plots one LASSO is enough: the one of the default penalty.
SHOWN_LASSO = "pc_admm λ=0.7σ√M"


def main():
    args = parse()
    args.output.mkdir(parents=True, exist_ok=True)
    args.work.mkdir(parents=True, exist_ok=True)
    origin = origin_of(args)
    results = {name: run(name, args, origin) for name in args.only or SWEEPS}
    for name, result in results.items():
        save_figures(name, result, args)
    if not args.only:
        text = tables.all_tables(results["single-antenna"], results["four-antennas"], args.quick)
        header = f"# Tables\n\nMade by `{origin['command']}` at commit {origin['commit']}.\n\n"
        (args.output / "tables.md").write_text(header + text, encoding="utf-8")
        print(f"{args.output / 'tables.md'}: tables")


def run(name, args, origin):
    """The sweep of that name: the estimators' own sweeps over the same frames, joined."""
    parts = [run_part(name, label, args, origin) for label in SWEEPS[name][0][2]]
    points = [
        same[0] | {"estimators": {label: e for part in same for label, e in part["estimators"].items()}}
        for same in zip(*(part["points"] for part in parts), strict=True)
    ]
    estimators = {label: e for part in parts for label, e in part["plan"]["estimators"].items()}
    return parts[0] | {"plan": parts[0]["plan"] | {"estimators": estimators}, "points": points}


def run_part(name, label, args, origin):
    (axis, values, estimators, scenario, *known), options, _ = SWEEPS[name]
    options = options | {"frames": min(options["frames"], SLOW.get(label, options["frames"]))}
    if args.quick:
        values, options = values[::3], options | {"frames": 12}
    options |= {"known": known[0]} if known else {}
    plan = make_plan(axis, values, {label: estimators[label]}, scenario=scenario, **options)
    progress = command_line.Progress()
    result = sweep(
        plan,
        args.work / f"{file_stem(name, label)}{'-quick' if args.quick else ''}.json",
        processes=args.processes,
        origin=origin,
        progress=lambda done, most: progress.show(done, f"{name}, {label}: {done} of {most} frames"),
    )
    progress.clear()
    return result


def file_stem(name, label):
    network = f"-{network_digest():08x}" if label in NETWORK else ""
    return f"{name}-{re.sub(r'[^A-Za-z0-9.]+', '-', label)}{network}"


def network_digest():
    """Of the weights, and of the modules that run them."""
    modules = sorted(DEFAULT_WEIGHTS.parents[1].glob("*.py"))
    return zlib.crc32(b"".join(path.read_bytes() for path in [DEFAULT_WEIGHTS, *modules]))


def save_figures(name, result, args):
    shown = only_the_default_penalty(result)
    for kind in SWEEPS[name][2]:
        path = args.output / f"{name}-{kind}.svg"
        plots.plot(shown, kind, path)
        program.compact_svg(path)
        print(f"{path}: {kind}")
    path = args.output / f"{name}.json"
    program.write_json(path, without_tallies(result))


def only_the_default_penalty(result):
    def renamed(entries):
        return {
            "PC-ADMM (group LASSO)" if label == SHOWN_LASSO else label: entry
            for label, entry in entries.items()
            if label not in LASSO or label == SHOWN_LASSO
        }

    points = [point | {"estimators": renamed(point["estimators"])} for point in result["points"]]
    plan = result["plan"] | {"estimators": renamed(result["plan"]["estimators"])}
    return result | {"plan": plan, "points": points}


def without_tallies(result):
    """Figures, and the frames that they are of, which are fewer for those in `SLOW`."""
    points = [
        point
        | {
            "estimators": {
                label: {"frames": int(entry["tally"]["sums"]["frames"])} | entry["figures"]
                for label, entry in point["estimators"].items()
            }
        }
        for point in result["points"]
    ]
    return result | {"points": points}


def origin_of(args):
    command = "make figures" + (" (quick mode)" if args.quick else "")
    return {"command": command, "version": __version__, "commit": program.commit()}


def parse():
    parser = program.parser(__doc__, "figures")
    parser.add_argument("--quick", action="store_true", help="few frames: to see that all works")
    parser.add_argument("--only", nargs="+", choices=SWEEPS, help="these sweeps only, and no tables")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one a core")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
