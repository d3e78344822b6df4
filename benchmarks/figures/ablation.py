#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each part of the network is worth: variants trained alike and tested on the same frames.

Writes ablation.json and ablation.md. Trains what build/figures/ablation does not hold yet, each
variant by the command that the table names (a few minutes each; needs torch, make torch).
"""

import os
import shlex
import subprocess
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import program
from network import A, S
from program import row

from gr_jadce import Scenario, __version__, make_estimator, make_pilots, simulate
from gr_jadce.evaluation.tally import Tally
from gr_jadce.unrolled.variants import DEFAULT, VARIANTS

N_LAYERS, SEED, BOOK, SNRS = 8, 123, 11, (5, 15)
BUDGET = ["--layers", str(N_LAYERS), "--steps", "300", "--focus", "0.3", "--threads", "1"]
UNTRAINED = [*BUDGET[:2], "--steps", "1", "--learning-rate", "1e-9", "--threads", "1"]
CELLS = {"S": (S, 400), "A": (A, 60)}
LABELS = {
    DEFAULT: "gate attention (the network)",
    "threshold_attention": "attention sets the threshold of a shrink",
    "soft": "soft: the group LASSO, within the family that converges",
    "fixed_corrector": "corrector fixed",
    "plain_dual": "dual of plain ADMM",
    "noise_unaware": "without an estimate of the effective noise",
}


def main():
    args = program.parser(__doc__, "figures/ablation").parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    estimators = {LABELS[v]: option(trained(v, BUDGET, args.work)) for v in VARIANTS}
    full = args.work / f"{DEFAULT}.npz"
    estimators["untrained"] = option(trained(DEFAULT, UNTRAINED, args.work, "untrained"))
    estimators |= {f"gate attention, {k} of the 8 layers": option(full, k) for k in (2, 4)}
    estimators |= {f"as shipped, {k} of 16 layers": {"n_layers": k} for k in (4, 8, 16)}
    figures = {(cell, known): run(cell, known, estimators) for cell in CELLS for known in (True, False)}
    origin = {"command": "ablation.py", "version": __version__, "training": command(DEFAULT, BUDGET)}
    cells = {name_of(*key): value for key, value in figures.items()}
    program.save(
        args.output / "ablation", {"origin": origin, "cells": cells}, HEAD + table(cells, estimators)
    )


def command(variant, options):
    return shlex.join(["jadce-train", "--variant", variant, *options])


def trained(variant, options, work, name=None):
    """The weight file of a variant, trained if it is not there."""
    path = work / f"{name or variant}.npz"
    if not path.exists():
        app = [sys.executable, program.ROOT / "apps" / "jadce-train", "--variant", variant, *options]
        subprocess.run([*app, "-o", path], check=True)
    return path


def option(path, n_layers=N_LAYERS):
    return {"weights": path, "n_layers": n_layers}


def run(cell, known, networks):
    """SNR → label → figures."""
    fields, n_frames = CELLS[cell]
    sizes = fields["n_devices"], fields["pilot_length"]
    pilots = make_pilots("gaussian", *sizes, BOOK)
    estimators = {label: make_estimator("unrolled", pilots, **options) for label, options in networks.items()}
    found = {}
    for snr_db in SNRS:
        uplink = simulate(Scenario(pilots, fields["n_antennas"], snr_db=snr_db), n_frames, SEED)
        tallies = {label: Tally() for label in estimators}
        for label, estimator in estimators.items():
            tallies[label].add(uplink, estimator(uplink.received, uplink.noise_var if known else None), None)
        found[str(snr_db)] = {label: tally.figures(1e-2, decided=False) for label, tally in tallies.items()}
    return found


def name_of(cell, known):
    return f"{cell}, σ² {'known' if known else 'unknown'}"


HEAD = f"""\
# Ablation

Made by `benchmarks/figures/ablation.py` (needs `make torch`). NMSE in dB, ± half the 95 % interval, on
the same frames (S: N = 100, L = 40, M = 1; A: N = 200, L = 64, M = 4; {N_LAYERS} layers where not said
otherwise). Each variant was trained by `jadce-train --variant NAME {shlex.join(BUDGET)}`,
a tenth of the training of the shipped weights. Shrinking variants are not refitted.

"""


def table(cells, estimators):
    columns = [(name, snr) for name, points in cells.items() for snr in points]
    lines = [row(["", *(f"{name}, {snr} dB" for name, snr in columns)]), row(["---"] * (len(columns) + 1))]
    for label in estimators:
        lines.append(row([label, *(text(cells[name][snr][label]) for name, snr in columns)]))
    return "\n".join(lines) + "\n"


def text(entry):
    low, high = entry["nmse_db_interval"]
    return f"{entry['nmse_db']:.2f} ± {(high - low) / 2:.2f}"


if __name__ == "__main__":
    sys.exit(main())
