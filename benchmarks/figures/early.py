#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames decided after a few layers against the same after all, in the cells of `network.py` and quiet ones.

Writes early.json and early.md. Both receivers get the same frames and know neither σ² nor anything else.
A frame is settled if its report tells of no more layers than a first decision takes.
"""

import os
import shlex
import sys
from time import process_time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import network
import numpy as np
import program
from program import row

from gr_jadce import Scenario, __version__, make_pilots, simulate
from gr_jadce.detection.settling.rule import N_LAYERS
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.unrolled import unrolled

SEED, BATCH = 321, 64
NOBODY = 1e-9  # an activity rate
QUIET = {
    "nobody, M = 2": network.A | {"n_antennas": 2, "activity_rate": NOBODY},
    "nobody, M = 4": network.A | {"activity_rate": NOBODY},
    "nobody, M = 8": network.A | {"n_antennas": 8, "activity_rate": NOBODY},
    "activity 0.005, M = 4": network.A | {"activity_rate": 0.005},
    "activity 0.02, M = 4": network.A | {"activity_rate": 0.02},
}
# Part → cells and SNRs.
PARTS = {part: (cells, snrs) for part, (cells, _, _, _, snrs) in network.PARTS.items()}
PARTS["quiet"] = (QUIET, (0, 10))
TITLES = network.TITLES | {"quiet": "Nobody, or hardly anybody, transmits"}
NMSES = ("nmse_db", "nmse_db_late", "nmse_db_all", "nmse_db_all_late")
HEAD = """\
# Frames decided early

Made by `benchmarks/figures/early.py`. Of the frames that were settled after a few layers: those whose
decisions are others than after all layers, and the NMSE, dB, of both. Of all frames: the NMSE again, false
alarms an inactive device (wanted: 1e-3), and the processor time when frames may settle over that when they
may not.

"""


def main():
    args = parse()
    results = {part: run(part, args) for part in args.parts}
    origin = {"command": shlex.join(["early.py", *sys.argv[1:]]), "version": __version__}
    origin["commit"] = program.commit()
    tables = [f"## {TITLES[part]}\n\n{table(cells)}" for part, cells in results.items()]
    text = HEAD + "\n".join([*tables, total(results)])
    program.save(args.output / "early", {"origin": origin, "parts": results}, text)


def run(part, args):
    """Cell and SNR → figures."""
    cells, snrs = PARTS[part]
    return {
        f"{name}, {snr} dB": compare(cell, snr, args.frames) for name, cell in cells.items() for snr in snrs
    }


def compare(cell, snr_db, frames):
    """Figures of a cell, of that many frames."""
    book, options = book_of(cell)
    uplink = simulate(Scenario(book, snr_db=snr_db, **options), frames, seed=SEED)
    (early, spent), (late, spent_late) = (solve(book, uplink.received, settle) for settle in (True, False))
    settled = np.array([report.n_iter <= N_LAYERS for report in early])
    differs = [not np.array_equal(a.device, b.device) for a, b in zip(early, late, strict=True)]
    return {
        "frames": frames,
        "settled": int(settled.sum()),
        "differ": int(np.sum(settled & differs)),
        "nmse_db": nmse_db(early, uplink.channel, settled),
        "nmse_db_late": nmse_db(late, uplink.channel, settled),
        "nmse_db_all": nmse_db(early, uplink.channel, np.ones(frames, bool)),
        "nmse_db_all_late": nmse_db(late, uplink.channel, np.ones(frames, bool)),
        "false_alarm": false_alarm(early, uplink.activity),
        "false_alarm_late": false_alarm(late, uplink.activity),
        "time": spent / spent_late,
    }


def book_of(cell):
    """The pilot book of a cell, and the other arguments of its scenario."""
    options = dict(cell)
    kind, n_devices = options.pop("pilot_kind", "gaussian"), options.pop("n_devices")
    book = make_pilots(kind, n_devices, options.pop("pilot_length"), seed=network.BOOK)
    return book, {"activity_rate": 0.1} | options


def solve(book, received, settle):
    """Reports, and the processor time that they took."""
    receiver = FrameReceiver(book, unrolled(book, settle=settle), "unrolled")
    reports, began = [], process_time()
    for start in range(0, len(received), BATCH):
        batch = received[start : start + BATCH].astype(np.complex64)
        found, error = receiver.solve(batch, [(start + b, (0, 0.0)) for b in range(len(batch))])
        if error is not None:
            raise error
        reports += found
    return reports, process_time() - began


def nmse_db(reports, channel, which):
    """Of the frames `which` (B,); None where there are none with a device."""
    error = power = 0.0
    for report, truth, counts in zip(reports, channel, which, strict=True):
        if counts:
            rest = truth.copy()
            rest[report.device] -= report.channel
            error, power = error + np.linalg.norm(rest) ** 2, power + np.linalg.norm(truth) ** 2
    return 10 * float(np.log10(error / power)) if power else None


def false_alarm(reports, activity):
    """False alarms an inactive device."""
    false = sum(np.sum(~active[report.device]) for report, active in zip(reports, activity, strict=True))
    return float(false / np.sum(~activity))


def table(cells):
    heads = [
        "",
        "frames",
        "settled",
        "differ",
        "NMSE",
        "after all layers",
        "of all frames",
        "after all layers",
        "false alarms",
        "after all",
        "time",
    ]
    lines = [row(heads), row(["---"] * len(heads))]
    for name, cell in cells.items():
        shown = (f"{cell['settled'] / cell['frames']:.3f}", cell["differ"])
        nmse = ("–" if cell[key] is None else f"{cell[key]:.2f}" for key in NMSES)
        false = (f"{cell[key]:.1e}" for key in ("false_alarm", "false_alarm_late"))
        lines.append(row([name, cell["frames"], *shown, *nmse, *false, f"{cell['time']:.2f}"]))
    return "\n".join(lines) + "\n"


def total(results):
    cells = [cell for part in results.values() for cell in part.values()]
    settled, differ = (sum(cell[key] for cell in cells) for key in ("settled", "differ"))
    most = max(cell["differ"] / cell["frames"] for cell in cells)
    worse = max((cell["nmse_db_all"] or 0.0) - (cell["nmse_db_all_late"] or 0.0) for cell in cells)
    return (
        f"Of all {settled} settled frames, the decisions of {differ} differ from those after all layers: in "
        f"no cell those of more than {100 * most:.2f} % of its frames. The NMSE of all frames of a cell is "
        f"worse by {worse:.2f} dB at most.\n"
    )


def parse():
    parser = program.parser(__doc__, "figures/early")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--frames", type=int, default=400, help="frames a cell and SNR (default 400)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
