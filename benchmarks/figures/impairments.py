#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make impairments`: where a receiver that takes all devices to be in step breaks.

Five `jadce-evaluate` commands, one an impairment; curves go to benchmarks/figures/results, with a table
of the point where each breaks: the first value at which more than twice as many devices are missed as
without the impairment, and more than 1 in 100, or the channels' NMSE is more than 3 dB worse.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from program import compact_svg

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("benchmarks/figures/results")
WORK = Path("build/figures")
CELL = "--pilot-kind qpsk --n-devices 64 --pilot-length 32 --n-antennas 4 --n-active 8 --snr-db {snr}"
SWEPT = {  # option → its values (the first is no impairment), SNR (dB)
    "max-offset": ("0,0.0005,0.001,0.002,0.004,0.008,0.016,0.032", 15),
    "max-delay": ("0,0.02,0.05,0.1,0.2,0.3,0.5", 15),
    "power-spread-db": ("0,2,5,10,15,20", 15),
    "rician-k-db": ("-20,-10,0,5,10,20", 5),
    "antenna-correlation": ("0,0.3,0.6,0.8,0.9,0.95,0.99", 5),
}
SHOWN = ("nmse", "decided-miss")  # of the curves that jadce-evaluate draws
ESTIMATORS = {"pc_admm": "PC-ADMM", "unrolled": "the network"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000, help="frames a point (default %(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where curves and table go")
    parser.add_argument("--work", type=Path, default=WORK, help="where the sweeps go")
    args = parser.parse_args()
    os.chdir(ROOT)
    for directory in (args.output, args.work):
        directory.mkdir(parents=True, exist_ok=True)
    rows, commands = [], []
    for option, (values, snr) in SWEPT.items():
        command = command_of(option, values, snr, args)
        commands.append(shlex.join(command))
        result = run(command, args.work / f"impairment-{option}.json", args.output)
        rows += [row(option, label, result) for label in ESTIMATORS]
    text = table(rows, commands)
    (args.output / "impairments.md").write_text(text, encoding="utf-8")
    print(text)


def command_of(option, values, snr, args):
    name = f"impairment-{option}"
    return [
        *("jadce-evaluate", *CELL.format(snr=snr).split(), f"--{option}={values}"),
        *("--estimators", *ESTIMATORS, "--known", "--frames", str(args.frames), "--seed", "7"),
        *("-o", f"{args.work / name}.json", "--plots", str(args.output / name), "--format", "svg"),
    ]


def run(command, path, output):
    path.unlink(missing_ok=True)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    for curve in output.glob(f"{path.stem}-*.svg"):
        if curve.stem.removeprefix(f"{path.stem}-") not in SHOWN:
            curve.unlink()
        else:
            compact_svg(curve)
    return json.loads(path.read_text())


def row(option, label, result):
    """Cells: option, estimator, figures without and at the worst, and where it breaks."""
    points = [(point["value"], point["estimators"][label]["figures"]) for point in result["points"]]
    clean = points[0][1]
    broken = next((value for value, figures in points[1:] if breaks(figures, clean)), None)
    cells = [f"{figures['miss_probability']:.4f}, {figures['nmse_db']:.1f}" for _, figures in points]
    return [f"`--{option}`", ESTIMATORS[label], cells, [value for value, _ in points], broken]


def breaks(figures, clean):
    missed = figures["miss_probability"] > max(2 * clean["miss_probability"], 0.01)
    return missed or figures["nmse_db"] > clean["nmse_db"] + 3


def table(rows, commands):
    lines = [
        "# Impairments\n",
        __doc__.split("\n\n")[1].replace("\n", " ") + "\n",
        "8 of 64 devices, QPSK pilots of 32 symbols, four antennas; decisions at false alarm 1e-2, noise "
        "variance and activity unknown. Each cell: miss probability, NMSE in dB.\n",
    ]
    for option in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == option]
        head = ["", *(f"{value:g}" for value in own[0][3]), "breaks at"]
        lines += [f"\n## {option}\n", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for _, label, cells, _, broken in own:
            where = "not in this range" if broken is None else f"{broken:g}"
            lines.append("| " + " | ".join([label, *cells, where]) + " |")
    lines += [
        "\nMade by `make impairments`, which ran:\n",
        "```console",
        *(f"$ {c}" for c in commands),
        "```",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
