#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped network against LASSO, VAMP and M-SBL: its own ground, outside its training, heavy load.

Writes network.json and network.md. Every cell is a sweep over SNR on frames of a seed that no
training has seen, kept in build/figures/network and gone on with where it was interrupted.
"""

import os
import shlex
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import program
from program import row

from gr_jadce import __version__
from gr_jadce.evaluation.plan import make_plan
from gr_jadce.evaluation.sweep import sweep
from gr_jadce.programs import command_line
from gr_jadce.unrolled import load_weights
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS

SEED, BOOK = 123, 11
NMSE_AIM_DB, MISS_AIM = 0.5, 0.01  # of heavy load, against the better rival
SBL_MOST = 500  # devices: M-SBL is too slow with more
NETWORK = {"network": ("unrolled", {})}
SAMPLED = {"network, sampled": ("unrolled", {"sweeps": 30})}
LASSO = {f"LASSO {f}σ√M": ("pc_admm", {"lam_factor": f}) for f in (0.4, 0.7, 1.0)}
VAMP = {"VAMP": ("vamp", {"max_iter": 30, "damping": 0.8})}
SLOW_VAMP = {"damped VAMP": ("vamp", {"max_iter": 100, "damping": 0.3})}
SBL = {"M-SBL": ("m_sbl", {})}
BOUND = {"oracle MMSE": ("oracle_mmse", {})}
S = {"n_devices": 100, "pilot_length": 40, "n_antennas": 1}
A = {"n_devices": 200, "pilot_length": 64, "n_antennas": 4}
OUTSIDE = {
    "N = 1000, L = 200": A | {"n_devices": 1000, "pilot_length": 200, "activity_rate": 0.05},
    "32 antennas": A | {"n_antennas": 32},
    "activity 0.25": A | {"activity_rate": 0.25},
    "activity 0.02, one antenna": S | {"activity_rate": 0.02},
    "Zadoff-Chu, L = 67": A | {"pilot_kind": "zadoff_chu", "pilot_length": 67},
    "Hadamard": A | {"pilot_kind": "hadamard"},
    "±10 dB": A | {"power_spread_db": 10.0},
    "±10 dB, one antenna": S | {"power_spread_db": 10.0},
    "Rician, K = 10 dB": A | {"rician_k_db": 10.0},
    "antennas correlated 0.9": A | {"antenna_correlation": 0.9},
}
HEAVY = {
    f"N/L = {ratio}, K/L = {load}, M = {antennas}": {
        "n_devices": 24 * ratio,
        "pilot_length": 24,
        "n_antennas": antennas,
        "activity_rate": round(load / ratio, 6),
    }
    for ratio in (8, 12, 15)
    for load in (0.4, 0.7, 0.9)
    for antennas in (4, 8, 16)
}
GROUND = {"S": S, "A, M = 4": A, "A, M = 8": A | {"n_antennas": 8}}
# Part → cells, estimators that are told σ² (and VAMP the prior), frames of special cells and of all
# others, SNRs.
PARTS = {
    "ground": (GROUND, NETWORK | VAMP | LASSO | BOUND, {"S": 2000}, 400, (0, 5, 10, 15, 20, 25)),
    "outside": (OUTSIDE, NETWORK | VAMP | SBL, {"N = 1000, L = 200": 40}, 100, (5, 15)),
    "heavy": (
        HEAVY,
        NETWORK | SAMPLED | SLOW_VAMP | SBL | {"PC-ADMM": ("pc_admm", {})},
        {},
        200,
        (10, 20, 30),
    ),
}
TITLES = {
    "ground": "S and A",
    "outside": "Outside the training mixture, or at its edge",
    "heavy": "Heavy load, L = 24",
}


def main():
    args = parse()
    args.work.mkdir(parents=True, exist_ok=True)
    results = {part: run(part, args) for part in args.parts}
    origin = {"command": shlex.join(["network.py", *sys.argv[1:]]), "version": __version__}
    origin["commit"] = program.commit()
    origin["weights"] = load_weights(DEFAULT_WEIGHTS).meta["provenance"]
    tables = [f"## {TITLES[part]}\n\n{table(result)}" for part, result in results.items()]
    if "heavy" in results:
        tables += [f"### Where heavy load asks too much\n\n{short_of_aim(results['heavy'])}"]
    program.save(args.output / "network", {"origin": origin, "parts": results}, HEAD + "\n".join(tables))


def run(part, args):
    """Cell → SNR → estimator → figures."""
    cells, estimators, special, frames, snrs = PARTS[part]
    found = {}
    for name, cell in cells.items():
        count = 10 if args.quick else special.get(name, frames)
        run_here = {k: v for k, v in estimators.items() if k != "M-SBL" or cell["n_devices"] <= SBL_MOST}
        told = figures(f"{part} {name}", cell, run_here, snrs, ("noise_var", "activity_rate"), count, args)
        ours = {label: estimators[label] for label in (NETWORK | SAMPLED).keys() & estimators.keys()}
        blind = figures(f"{part} {name} blind", cell, dict(sorted(ours.items())), snrs, (), count, args)
        found[name] = {
            snr: told[snr]
            | {f"{label}, σ² unknown": entry for label, entry in blind[snr].items()}
            | {"frames": count}
            for snr in told
        }
    return found


def figures(name, cell, estimators, snrs, known, frames, args):
    """SNR → estimator → figures; a file an estimator, so that a change to one costs its own sweep only."""
    found = {str(snr): {} for snr in snrs}
    for label, estimator in estimators.items():
        plan = make_plan(
            "snr_db", snrs, {label: estimator}, scenario={"pilot_seed": BOOK} | cell, known=known,
            frames=frames, seed=SEED,
        )  # fmt: skip
        title = f"{name} {label}{' quick' if args.quick else ''}"
        for point in _sweep(plan, args.work / f"{title.replace('/', ':')}.json", title)["points"]:
            found[str(point["value"])][label] = point["estimators"][label]["figures"]
    return found


def _sweep(plan, path, title):
    progress = command_line.Progress()
    result = sweep(plan, path, progress=lambda done, most: progress.show(done, f"{title}: {done} of {most}"))
    progress.clear()
    return result


HEAD = """\
# The shipped network beside others

Made by `benchmarks/figures/network.py`, which names all scenarios and options. NMSE in dB, ± half the
95 % interval, and in brackets the miss probability at false-alarm probability 1e-2 (threshold in
hindsight), on the same frames. σ² is told to all, the prior (activity rate, mean power) to VAMP only,
but in the columns that say otherwise; "sampled" is the network with `sweeps=30` (see
`gr_jadce.unrolled.hard_frames.sampling`). LASSO and PC-ADMM: refitted on their decisions after the slash.

"""


def table(cells):
    labels = list(
        dict.fromkeys(label for cell in cells.values() for point in cell.values() for label in point)
    )
    labels.remove("frames")
    lines = [row(["", "SNR", "frames", *labels]), row(["---"] * (len(labels) + 3))]
    for name, cell in cells.items():
        for snr, point in cell.items():
            lines.append(
                row([name, snr, point["frames"], *(text(label, point.get(label)) for label in labels)])
            )
    return "\n".join(lines) + "\n"


def short_of_aim(cells):
    """The cells of heavy load in which the network is not near the better of its rivals, as a list."""
    lines = [
        f"Of {sum(map(len, cells.values()))} points, those where damped VAMP or M-SBL reaches −3 dB, and the",
        f"better of them is ahead of the network by over {NMSE_AIM_DB} dB, or {MISS_AIM} of misses:",
        "",
    ]
    for label in (NETWORK | SAMPLED).keys():
        short = [
            f"{name} at {snr} dB ({nmse:+.2f} dB, {miss:+.3f})"
            for name, cell in cells.items()
            for snr, point in cell.items()
            for nmse, miss in [_behind(point, label)]
            if nmse > NMSE_AIM_DB or miss > MISS_AIM
        ]
        collapsed = sum(
            point[label]["nmse_db"] > point["PC-ADMM"]["refit_nmse_db"]
            for cell in cells.values()
            for point in cell.values()
        )
        which = f": {'; '.join(short)}" if short else ""
        lines.append(f"* {label}: {len(short)}{which}. Worse than PC-ADMM refitted: {collapsed}.")
    return "\n".join(lines) + "\n"


def _behind(point, label):
    """NMSE, dB, and miss probability by which an estimator is behind the better rival; −inf out of reach."""
    rivals, entry = [point[name] for name in SLOW_VAMP | SBL], point[label]
    nmse, miss = (min(rival[key] for rival in rivals) for key in ("nmse_db", "miss_at_false_alarm"))
    if nmse > -3:
        return float("-inf"), float("-inf")
    return entry["nmse_db"] - nmse, entry["miss_at_false_alarm"] - miss


def text(label, entry):
    if entry is None or entry["nmse_db"] is None:
        return "–"
    low, high = entry["nmse_db_interval"]
    refit = f" / {entry['refit_nmse_db']:.2f}" if label.startswith(("LASSO", "PC-ADMM")) else ""
    return f"{entry['nmse_db']:.2f}{refit} ± {(high - low) / 2:.2f} ({entry['miss_at_false_alarm']:.3f})"


def parse():
    parser = program.parser(__doc__, "figures/network")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--quick", action="store_true", help="few frames: to see that all works")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
