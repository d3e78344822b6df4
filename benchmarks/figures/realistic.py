#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive over channels of several paths, beside what is possible: `make realistic`.

200 devices, Gaussian pilots of 64 symbols behind a cyclic prefix, root-raised-cosine pulses at 4 samples a
symbol, 4 antennas. A cell's slots are written as a recording and received by jadce-receive, or with
`--library` cut by NumPy and received by the same library calls. Channels are 3GPP's tapped delay lines, and
those of files given as arguments (`make realistic CHANNELS="FILE ..."`), each a NumPy archive as
`gr_jadce.uplink.impulse_responses` describes it, with the carrier `fc`. Power control makes devices equal
but for a log-normal error of 3 dB: the energy of a pilot is 18 dB above the noise of a symbol. Without it
(files of channels with path loss only) devices send 14 dBm to antennas of noise figure 5 dB.

Beside the receiver stand a genie that is told support, delays, offsets and profiles, one that is not told
the profiles and fits the power of every path (their NMSE), and a detector that is told delays, offsets,
profiles and the noise variance, but not who is active, at the same share of false alarms, with hindsight;
and a test of one active device that is told everything but that and the gains.
Last, misses and NMSE of a receiver that takes devices to be in step and channels to be flat.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import numpy as np
import program
from realistic_air import N_ANTENNAS, PILOT_LENGTH, SNR_DB, Air, Cell
from realistic_bound import all_columns, evidence, fitted_parts, genie_parts, misses_told_all
from realistic_table import line, page

from gr_jadce import __version__, make_estimator, metrics
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.pilots import PILOT_KINDS
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.reports.json_lines import read_reports
from gr_jadce.uplink.impulse_responses import load_impulse_responses
from gr_jadce.uplink.tapped_delay_lines import TappedDelayLines

FALSE_ALARM = 1e-3
LINES = (("A", 30), ("A", 300), ("A", 1000), ("C", 300))  # profile, delay spread in ns, at 1 Msymbol/s
FAST_LINES = ((5e6, "A", 30), (5e6, "A", 100), (5e6, "A", 300), (5e6, "C", 300), (20e6, "A", 30))
FEW_LINES = ((5e6, "A", 100), (5e6, "A", 300), (5e6, "C", 300))  # of few devices
N_DEVICES, N_FEW, FEW_ACTIVE, FEW_SNR_DB = 200, 64, 8, 15.0  # the last: of all signals over the noise
CARRIER = 2.4e9  # of the tapped delay lines, Hz
RADIUS = 50.0  # of their cell, m
PATH_LOSS = 1e-3  # power below which channels have one


def main():
    args = parse()
    cells = [cell for cell in variants(all_cells(args), args) if re.search(args.cells, cell.name)]
    rows = []
    for cell in cells:
        entry = measure(cell, args)
        rows.append(entry)
        print(line(entry), flush=True)
    how = f'make realistic CHANNELS="{" ".join(path.name for path in args.channels)}"'
    how += f" REALISTIC_ARGS=\"--cells '{args.cells}'\"" if args.cells else ""
    if args.ofdm:
        kept = [
            word
            for word in sys.argv[1:]
            if word not in map(str, (args.output, args.work, "--output", "--work"))
        ]
        how = f'make realistic REALISTIC_ARGS="{shlex.join(kept)}"'
    origin = {"command": how, "version": __version__, "commit": program.commit(), "slots": args.slots}
    name = "realistic-ofdm" if args.ofdm else "realistic"
    program.save(args.output / name, {"origin": origin, "cells": rows}, page(__doc__, origin, rows))


def variants(cells, args):
    """The cells with the pilots asked for, and each again by OFDM if that is asked for."""
    for cell in cells:
        if args.pilots != "gaussian":
            cell = replace(cell, name=f"{cell.name}, {args.pilots}", pilots=args.pilots)
        yield cell
        if args.ofdm:
            yield replace(cell, name=f"{cell.name}, OFDM", ofdm=True)


def all_cells(args):
    """Cells of the files, then those of the tapped delay lines."""
    for path in args.channels:
        yield from file_cells(path, args)
    for rate, profile, spread in ((1e6, *own) for own in LINES):
        for ppm in (0, 1):
            yield line_cell(rate, profile, spread, ppm, args)
    for rate, profile, spread in FAST_LINES:
        yield line_cell(rate, profile, spread, 0, args)
    for rate, profile, spread in FEW_LINES:
        yield few_cell(rate, profile, spread, args)


def file_cells(path, args):
    channels = load_impulse_responses(path)
    has_loss = np.median(np.sum(np.abs(channels(0).gain) ** 2, axis=2)) < PATH_LOSS
    uses = [(1, True, 1e6), (0, True, 1e6), *([(1, False, 1e6)] if has_loss else [])]
    uses += [(1, True, rate) for rate in args.rates]
    for ppm, controlled, rate in uses:
        name = f"{path.stem}, {rate / 1e6:g} Msymbol/s, ±{ppm} ppm" + (
            "" if controlled else ", no power control"
        )
        yield Cell(name, channels, channels.carrier, ppm, controlled, rate, args.slots, args.snr_db)


def line_cell(rate, profile, spread, ppm, args):
    name = f"TDL-{profile} {spread} ns, {rate / 1e6:g} Msymbol/s, ±{ppm} ppm"
    lines = TappedDelayLines(
        profile, spread * 1e-9, N_DEVICES, N_ANTENNAS, n_active=(10, 20), radius=RADIUS, seed=spread
    )
    return Cell(name, lines, CARRIER, ppm, True, rate, args.slots, args.snr_db)


def few_cell(rate, profile, spread, args):
    """8 of 64 devices of equal mean power."""
    name = f"TDL-{profile} {spread} ns, {rate / 1e6:g} Msymbol/s, {FEW_ACTIVE} of {N_FEW}, {FEW_SNR_DB:g} dB"
    lines = TappedDelayLines(
        profile, spread * 1e-9, N_FEW, N_ANTENNAS, FEW_ACTIVE, radius=RADIUS, seed=spread
    )
    snr_db = FEW_SNR_DB + 10 * np.log10(PILOT_LENGTH / FEW_ACTIVE)
    return Cell(name, lines, CARRIER, 0, True, rate, args.slots, snr_db, N_FEW, power_error_db=0.0)


def measure(cell, args):
    """All figures of a cell."""
    air = Air(cell)
    if args.library:
        slots = [air.slot(number)[1] for number in range(cell.n_slots)]
        reports = received_by_library(air, slots)
    else:
        slots, reports = received_by_program(air, args.work)
    entry = {"cell": cell.name, "slots": cell.n_slots, "prefix": air.max_delay}
    entry |= receiver_figures(air, slots, reports)
    flat = receiver_figures(air, slots, solved(air, slots, make_estimator("unrolled", air.book)))
    entry |= {f"flat_{name}": flat[name] for name in ("miss", "false_alarm", "nmse_db")}
    if not args.no_bound:
        entry |= genie_figures(air, slots) | bound_figures(air, slots)
    return entry


def received_by_program(air, work):
    """Slots of a recording, and the reports of jadce-receive."""
    work.mkdir(parents=True, exist_ok=True)
    recording, book, reports = (work / name for name in ("air.sigmf-meta", "book.npz", "reports.jsonl"))
    slots = air.write(recording)
    air.sent.save(book)
    offset = [] if air.max_offset is None else ["--max-offset", f"{air.max_offset:g}"]
    command = [
        *("jadce-receive", "--pilots", book, "--recording", recording, "--json", reports),
        *("--slot-period", air.slot_period, "--samples-per-symbol", air.waveform.samples_per_symbol),
        *("--cyclic-prefix", air.max_delay, "--max-delay", air.max_delay, *offset),
        *("--false-alarm", FALSE_ALARM),
        *(["--ofdm"] if air.cell.ofdm else []),
    ]
    subprocess.run([str(word) for word in command], check=True, stderr=subprocess.DEVNULL)
    return slots, list(read_reports(reports))


def received_by_library(air, slots):
    """The reports of the same frames, without a program."""
    max_offset = (air.max_offset or 0.0) / air.cell.symbol_rate
    delayed = Delayed(air.book, Asynchrony(air.max_delay, max_offset, air.max_delay, air.waveform.roll_off))
    return solved(air, slots, None, delayed)


def solved(air, slots, estimator, delayed=None):
    """The reports of a receiver, of devices in step unless it has a `delayed`."""
    receiver = FrameReceiver(air.book, estimator, "unrolled", false_alarm=FALSE_ALARM, delayed=delayed)
    reports, error = receiver.solve(
        np.array([slot.frame for slot in slots]), [(number, (0, 0.0)) for number in range(len(slots))]
    )
    if error is not None:
        raise error
    return reports


def receiver_figures(air, slots, reports):
    """Misses, false alarms, NMSE of what each device adds to the frame, and frames a second of one core."""
    by_slot = {report.frame_id: report for report in reports}
    if set(by_slot) != set(range(len(slots))):
        raise ValueError(f"reports: expected one of each of {len(slots)} slots, got {sorted(by_slot)}")
    misses = alarms = 0
    error, power = np.zeros((2, len(slots)))
    for number, slot in enumerate(slots):
        found = by_slot[number].device.astype(int)
        misses += len(np.setdiff1d(slot.device, found))
        alarms += len(np.setdiff1d(found, slot.device))
        error[number] = parts_error(slot, found, reported_parts(air, by_slot[number]))
        power[number] = metrics.energy(slot.parts)
    active = sum(len(slot.device) for slot in slots)
    inactive = air.cell.n_devices * len(slots) - active
    seconds = sum(report.solve_time for report in reports)
    return {
        "miss": misses / active,
        "miss_interval": metrics.wilson_interval(misses, active),
        "false_alarm": alarms / inactive,
        "false_alarm_interval": metrics.wilson_interval(alarms, inactive),
        "inactive": inactive,
        "nmse_db": float(10 * np.log10(error.sum() / power.sum())),
        "nmse_interval_db": metrics.nmse_interval_db(error, power),
        "frames_a_second": len(slots) / seconds,
    }


def parts_error(slot, device, parts):
    """Squared error of what devices add to a frame, `parts` (D, L, M) of those found."""
    true = dict(zip(slot.device.tolist(), slot.parts, strict=True))
    found = dict(zip(device.tolist(), parts, strict=True))
    both = set(true) | set(found)
    return sum(float(metrics.energy(found.get(n, 0) - true.get(n, np.zeros(1)))) for n in both)


def reported_parts(air, report):
    """What each device adds to the frame (D, L, M), by a report: over all taps that it tells."""
    nothing = np.zeros(len(report.device))
    offsets = nothing if report.carrier_offset is None else report.carrier_offset
    taps = report.responses or replace(report, delay=nothing).responses  # a flat receiver tells no delays
    parts = [np.empty((0, PILOT_LENGTH, N_ANTENNAS))]
    for place, device in enumerate(report.device.tolist()):
        delay, gain = taps.of(place)
        parts.append((air.delivered(device, delay.astype(float), float(offsets[place])) @ gain)[None])
    return np.concatenate(parts)


def genie_figures(air, slots):
    power, figures = sum(metrics.energy(slot.parts) for slot in slots), {}
    for name, parts in (("genie", genie_parts), ("delays", fitted_parts)):
        error = sum(metrics.energy(parts(slot, air.noise_var) - slot.parts) for slot in slots)
        figures[f"{name}_nmse_db"] = float(10 * np.log10(error / power))
    return figures


def bound_figures(air, slots):
    score, activity = np.zeros((2, len(slots), air.cell.n_devices))
    rng, missed = np.random.default_rng(air.cell.seed), 0
    for number, slot in enumerate(slots):
        activity[number, slot.device] = 1
        score[number] = evidence(all_columns(air, slots, number), slot.frame, air.noise_var)
        missed += misses_told_all(slot, air.noise_var, FALSE_ALARM, rng)
    bound = metrics.miss_at_false_alarm(score, activity, FALSE_ALARM)
    return {"bound_miss": bound, "told_all_miss": float(missed / activity.sum())}


def parse():
    parser = program.parser(__doc__, "figures/realistic")
    add = parser.add_argument
    add("channels", nargs="*", type=Path, metavar="FILE.npz", help="files of impulse responses")
    add("--rates", nargs="*", type=float, default=[], metavar="R", help="more symbol rates of the files, 1/s")
    add("--slots", type=int, default=60, help="slots of each cell (default %(default)s)")
    add("--snr-db", type=float, default=SNR_DB, help="SNR with power control, dB (default %(default)s)")
    add("--pilots", default="gaussian", choices=PILOT_KINDS, help="pilots (default %(default)s)")
    add("--ofdm", action="store_true", help="every cell again by OFDM of the same bandwidth and prefix")
    add("--cells", default="", metavar="REGEX", help="only cells whose names match")
    add("--library", action="store_true", help="receive by library calls, not by the program")
    add("--no-bound", action="store_true", help="neither genie nor bound: quicker")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
