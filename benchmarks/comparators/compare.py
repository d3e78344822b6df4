#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train networks of the literature on some scenarios, and compare them with ours on the same frames.

All are trained by the loop that trains our network, on fresh frames of the scenario that they are
then tested on, for its pilot book: noise variance told, equal numbers of steps and frames, layer by
layer where the paper does. The learning rate is the best in trials of a tenth of the steps each, for
more and more rates until it has a worse one on either side. Ours starts from the shipped weights and
is given a fifth of the steps.

Needs torch (make torch). Trained networks are kept in build/comparators, and not trained again.
"""

import argparse
import os
import shlex
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import torch
from fitting import Estimator, comparator, draw, fit
from networks import NETWORKS

from gr_jadce import Scenario, __version__, make_pilots, pc_admm, simulate
from gr_jadce.evaluation.tally import Tally
from gr_jadce.programs import command_line, process
from gr_jadce.solvers import vamp
from gr_jadce.unrolled import load_weights, unrolled
from gr_jadce.unrolled.network import Network
from gr_jadce.unrolled.training import Case
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from records import write_json  # noqa: E402

ACTIVITY_RATE, FALSE_ALARM = 0.1, 1e-2


class Cell(NamedTuple):
    n_devices: int
    pilot_length: int
    n_antennas: int
    trained_db: tuple  # least and largest SNR of the frames of training
    tested_db: tuple
    steps: int
    frames_a_step: int


CELLS = {
    "single-antenna": Cell(100, 40, 1, (0, 30), (0, 5, 10, 15, 20, 25), 3500, 144),
    "four-antennas": Cell(200, 64, 4, (0, 30), (0, 5, 10, 15, 20, 25), 900, 64),
    "single-antenna-at-15-dB": Cell(100, 40, 1, (15, 15), (15,), 1500, 144),
}
OURS = "unrolled PC-ADMM"
FINE_TUNING = 0.2  # share of the steps that our network is given, from the shipped weights on
BATCH = 50


def main():
    args = parse()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    results = {cell: results_of(cell, args) for cell in args.cells}
    command = shlex.join(["compare.py", *sys.argv[1:]])
    text = "\n".join([HEAD.format(command), *(table(cell, result) for cell, result in results.items())])
    args.output.with_suffix(".md").write_text(text, encoding="utf-8")
    origin = {"command": command, "version": __version__}
    write_json(args.output.with_suffix(".json"), {"origin": origin, "cells": results})


def results_of(name, args):
    cell = CELLS[name]
    pilots = make_pilots("gaussian", cell.n_devices, cell.pilot_length, 0)
    case = Case(pilots, cell.n_antennas, ACTIVITY_RATE, 0.0, cell.frames_a_step)
    frames = partial(draw, snr_range_db=cell.trained_db)
    steps = max(round(cell.steps * args.budget), 20)
    estimators = classical(pilots, args.layers)
    for network_name in args.networks:
        path = args.work / f"{name}-{stem(network_name)}-{args.layers}-{steps}.pt"
        if not path.exists():
            torch.save(trained(network_name, case, frames, args.layers, steps), path)
        network, record = torch.load(path, weights_only=False)  # our own file
        estimators[label_of(network_name)] = Estimator(pilots, network), record
    return compared(name, estimators, pilots, args)


def classical(pilots, n_layers):
    """Estimators that are not trained for the book."""
    prior = {"activity_rate": ACTIVITY_RATE, "power": 1.0}
    return {
        "PC-ADMM, λ = 0.7 σ√M": (pc_admm(pilots), {}),
        "VAMP, prior known": (vamp(pilots, max_iter=30, damping=0.8, **prior), {}),
        f"{OURS}, as shipped": (unrolled(pilots, n_layers=n_layers), {}),
    }


def stem(name):
    """Of a file name; with other shipped weights, another one for the network that starts from them."""
    weights = f"-{zlib.crc32(DEFAULT_WEIGHTS.read_bytes()):08x}" if name == OURS else ""
    return name.replace(", ", "-").replace(" ", "-") + weights


def label_of(name):
    return f"{name}, fine-tuned" if name == OURS else name


def trained(name, case, frames, n_layers, steps):
    steps = max(round(FINE_TUNING * steps), 20) if name == OURS else steps
    progress = command_line.Progress(steps)

    def show(step, loss):
        progress.show(step, f"{name}: step {step}, loss {loss:.2f}")

    if name == OURS:
        arrays = load_weights(DEFAULT_WEIGHTS).arrays
        start = {key: value[:n_layers] for key, value in arrays.items()}
        result = fit(lambda: Network(start), lambda rng: case, steps, frames, progress=show)
    else:
        result = comparator(name, case, n_layers, steps, frames, show)
    progress.clear()
    return result


def compared(name, estimators, pilots, args):
    """Figures of every estimator at every SNR, on common frames."""
    cell = CELLS[name]
    figures = {label: [] for label in estimators}
    progress = command_line.Progress(len(cell.tested_db) * args.frames)
    for i, snr_db in enumerate(cell.tested_db):
        tallies = {label: Tally() for label in estimators}
        scenario = Scenario(pilots, cell.n_antennas, ACTIVITY_RATE, snr_db=snr_db)
        for first in range(0, args.frames, BATCH):
            uplink = simulate(scenario, min(BATCH, args.frames - first), first_frame=first)
            for label, (estimator, _) in estimators.items():
                tallies[label].add(uplink, estimator(uplink.received, uplink.noise_var), None)
            progress.show(i * args.frames + first, f"{name}: {snr_db} dB")
        for label, tally in tallies.items():
            figures[label].append(tally.figures(FALSE_ALARM, decided=False))
    progress.clear()
    entries = {label: {"training": estimators[label][1], "figures": figures[label]} for label in figures}
    return cell._asdict() | {"frames": args.frames, "layers": args.layers, "estimators": entries}


WHAT = " ".join(__doc__.split("\n\n")[1].split())
HEAD = f"""\
# Networks of the literature beside ours

Made by `.venv/bin/python benchmarks/comparators/{{}}` (needs `make torch`). NMSE in dB, ± half
the 95 % interval, and in brackets the miss probability at false-alarm probability {FALSE_ALARM:g}
(threshold in hindsight), over the same frames for all. {WHAT}
"""


def table(name, result):
    trained = [entry["training"]["steps"] for entry in result["estimators"].values() if entry["training"]]
    low, high = result["trained_db"]
    lines = [
        f"## {name}: N = {result['n_devices']}, L = {result['pilot_length']}, M = {result['n_antennas']}",
        "",
        f"{result['frames']} frames a point. All networks have {result['layers']} layers; those with a "
        f"learning rate were trained in {max(trained)} steps of {result['frames_a_step']} frames at "
        + (f"{low} to {high} dB." if low < high else f"{low} dB."),
        "",
        row(["", *(f"{snr} dB" for snr in result["tested_db"]), "learning rate"]),
        row(["---"] * (len(result["tested_db"]) + 2)),
    ]
    for label, entry in result["estimators"].items():
        rate = entry["training"].get("learning_rate", "")
        lines.append(row([label, *map(cell_text, entry["figures"]), rate]))
    return "\n".join([*lines, ""])


def cell_text(figures):
    low, high = figures["nmse_db_interval"]
    return f"{figures['nmse_db']:.2f} ± {(high - low) / 2:.2f} ({figures['miss_at_false_alarm']:.3f})"


def row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS), help="default: all")
    names = (*NETWORKS, OURS)
    parser.add_argument("--networks", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--layers", type=command_line.count, default=12, help="of every network (default 12)")
    parser.add_argument(
        "--budget", type=command_line.positive, default=1, help="times the steps of training (default 1)"
    )
    parser.add_argument(
        "--frames", type=command_line.count, default=1000, help="of the test, at each SNR (default 1000)"
    )
    output = Path(__file__).resolve().parent / "results"
    parser.add_argument("--output", type=Path, default=output, help="where the .md and .json go")
    work = ROOT / "build" / "comparators"
    parser.add_argument("--work", type=Path, default=work, help="where trained networks are kept")
    return parser.parse_args()


if __name__ == "__main__":
    process.run(main)
