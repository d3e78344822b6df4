#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train six layers of our network for the data of tables (a) and (b) of benchmarks/figures.

Starts from the first layers of the weights that come with gr-jadce. The frames are real and have
the table's sizes, activity and SNR; every step draws a new pilot matrix, so that the table's own is
not among them. Needs torch (make torch).
"""

import argparse
import os
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import numpy as np
import torch
from fitting import TRIED, draw, fit

from gr_jadce import __version__, as_pilot_book
from gr_jadce.programs import command_line
from gr_jadce.programs.process import run
from gr_jadce.unrolled import load_weights, save_weights
from gr_jadce.unrolled.network import Network
from gr_jadce.unrolled.training import Case
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS

LAYERS = 6
# Name → devices, pilot length, antennas, SNR in dB; steps, frames a step.
TABLES = {
    "block_alista": ((128, 32, 15, 90.0), (400, 32)),
    "onsager": ((500, 250, 1, 40.0), (120, 16)),
}


def main():
    args = parse()
    torch.set_num_threads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.tables:
        (n_devices, length, n_antennas, snr_db), (steps, batch) = TABLES[name]
        steps = max(round(steps * args.budget), 20)
        cases = partial(case, n_devices, length, n_antennas, batch)
        frames = partial(draw, snr_range_db=(snr_db, snr_db), dtype=torch.float32, per_frame=True)
        network, record = fit(start, cases, steps, frames, rates=TRIED, progress=shown(name, steps))
        origin = {
            "command": f"benchmarks/comparators/train_tables.py --tables {name}",
            "version": __version__,
        }
        scenario = {
            "n_devices": n_devices,
            "pilot_length": length,
            "n_antennas": n_antennas,
            "snr_db": snr_db,
        }
        save_weights(args.output / f"{name}.npz", network.weights(scenario, origin | record))
        print(f"{args.output / name}.npz: validation NMSE {record['validation_db']:.2f} dB")


def start():
    """The first layers of the shipped network."""
    arrays = load_weights(DEFAULT_WEIGHTS).arrays
    return Network({name: array[:LAYERS] for name, array in arrays.items()})


def case(n_devices, length, n_antennas, batch, rng):
    """A new real Gaussian matrix of the table's size."""
    matrix = rng.standard_normal((length, n_devices))
    return Case(as_pilot_book(matrix / np.linalg.norm(matrix, axis=0)), n_antennas, 0.1, 0.0, batch)


def shown(name, steps):
    progress = command_line.Progress(steps)
    return lambda step, loss: progress.show(step, f"{name}: step {step}, loss {loss:.2f}")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), help="default: all")
    parser.add_argument(
        "--budget", type=command_line.positive, default=1, help="times the steps of training (default 1)"
    )
    output = Path(__file__).resolve().parents[1] / "figures" / "weights"
    parser.add_argument("--output", type=Path, default=output, help="directory of the weights")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
