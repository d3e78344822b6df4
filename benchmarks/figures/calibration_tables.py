# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of `make calibration`, as Markdown, and what a part's cells say together."""

import math

from calibration_cells import FACTORS
from false_alarms import ENOUGH_EVENTS, verdict
from program import row

HEADS = {
    "n_devices": "N",
    "pilot_length": "L",
    "n_antennas": "M",
    "n_active": "K",
    "snr_db": "SNR dB",
    "activity_rate": "activity",
    "power_spread_db": "± dB",
    "noise_var": "σ²",
    "range": "delays, offsets",
}


def decibels(value):
    """Of a figure that need not be there."""
    return "–" if value is None else f"{value:.1f}"


TOLD = {  # figure of a receiver that is told more → its key, and how it is written
    "told: ratio": ("told_ratio", "{:.2f}".format),
    "told: miss": ("told_miss_probability", "{:.3f}".format),
    "told: NMSE dB": ("told_nmse_db", decibels),
    "least NMSE dB": ("least_nmse_db", decibels),
}
MAX_MISS = 0.1  # of a cell whose devices are found
MARKS = {"holds": "", "fails": " ✗", "undecided": " ?"}


def summarise(part, rows):
    """How many cells are within the factor, by whether less than 0.1 of the active are missed."""
    return {wanted: _summary(FACTORS[wanted], [row[wanted] for row in rows]) for wanted in part.wanted}


def _summary(factor, entries):
    good = [bool(1 / factor <= entry["ratio"] <= factor) for entry in entries]
    found = [bool(entry["miss_probability"] < MAX_MISS) for entry in entries]
    verdicts = [verdict(entry, factor) for entry in entries]
    return {
        "factor": factor,
        "cells_with_miss_below_0.1": sum(found),
        "of_these_within": sum(g and f for g, f in zip(good, found, strict=True)),
        "other_cells": len(found) - sum(found),
        "of_others_within": sum(g and not f for g, f in zip(good, found, strict=True)),
        **{name: verdicts.count(name) for name in MARKS},
        "smallest_ratio": min(entry["ratio"] for entry in entries),
        "largest_ratio": max(entry["ratio"] for entry in entries),
        "fewest_inactive": min(entry["inactive"] for entry in entries),
        "fewest_events_expected": min(entry["events_expected"] for entry in entries),
        "largest_noise_var_error_db_with_miss_below_0.1": max(
            (abs(e["noise_var_error_db"]) for e, f in zip(entries, found, strict=True) if f), default=0.0
        ),
    }


def table(part, result):
    """The whole page of a part."""
    origin, summary, rows = result["origin"], result["summary"], result["cells"]
    heads = [HEADS.get(key, key) for key in part.cells[0]]
    heads += [f"ratio at {wanted_text(wanted)}" for wanted in part.wanted]
    heads += [f"miss at {wanted_text(wanted)}" for wanted in part.wanted]
    heads += ["NMSE dB", "σ² error dB"]
    heads += [figure for figure, (key, _) in TOLD.items() if key in rows[0][part.wanted[0]]]
    lines = [
        f"# {part.title}",
        "",
        f"Made by `{origin['command']}` at commit {origin['commit']}, version {origin['version']}. "
        f"{part.note} A ratio is the measured over the wanted false-alarm probability, with a 95 % interval "
        f"that takes frames, not decisions, for independent. Where {ENOUGH_EVENTS} false alarms or more are "
        "expected, a cell holds if its ratio is within the factor, else if the whole interval is; "
        "✗: does not, or the whole interval is outside; ?: undecided. Other figures are of the decisions "
        f"at {wanted_text(part.wanted[min(1, len(part.wanted) - 1)])}.",
        "",
        *(f"* {wanted_text(wanted)}: {sentence(entry)}" for wanted, entry in summary.items()),
        "",
        row(heads),
        row(["---"] * len(heads)),
        *(line_of(part, cell) for cell in rows),
        "",
        "Cells together:",
        "",
        row(["", "cells", *(f"ratio at {wanted_text(wanted)}" for wanted in part.wanted)]),
        row(["---"] * (2 + len(part.wanted))),
        *(pooled_line(part, entry) for entry in result["pooled"]),
    ]
    return "\n".join(lines) + "\n"


def wanted_text(wanted):
    """A probability as people write it: 1e-3."""
    return f"1e{round(math.log10(float(wanted)))}"


def sentence(s):
    return (
        f"within a factor {s['factor']:g} in {s['of_these_within']} of {s['cells_with_miss_below_0.1']} "
        f"cells with a miss probability below {MAX_MISS}, and in {s['of_others_within']} of "
        f"{s['other_cells']} others; {s['holds']} cells hold, {s['fails']} do not, {s['undecided']} are "
        f"undecided; all ratios from {s['smallest_ratio']:.2f} to {s['largest_ratio']:.2f}; at least "
        f"{s['fewest_inactive']:,} inactive decisions, and {s['fewest_events_expected']:g} false alarms "
        "expected, a cell; median error of σ² at most "
        f"{s['largest_noise_var_error_db_with_miss_below_0.1']:.2f} dB where miss is below {MAX_MISS}."
    )


def line_of(part, cell):
    entries = [cell[wanted] for wanted in part.wanted]
    shown = entries[min(1, len(entries) - 1)]
    told = [text(shown[key]) for key, text in TOLD.values() if key in shown]
    return row(
        [cell[key] for key in part.cells[0]]
        + [with_interval(cell[wanted], FACTORS[wanted]) for wanted in part.wanted]
        + [f"{entry['miss_probability']:.3f}" for entry in entries]
        + [decibels(shown["nmse_db"]), f"{shown['noise_var_error_db']:+.2f}"]
        + told
    )


def pooled_line(part, entry):
    key, value = next(iter(entry.items()))
    ratios = [with_interval(entry[wanted], FACTORS[wanted]) for wanted in part.wanted]
    return row([f"{HEADS.get(key, key)} = {value}", entry["cells"], *ratios])


def with_interval(entry, factor):
    low, high = entry["ratio_interval"]
    return f"{entry['ratio']:.2f} ({low:.2f}–{high:.2f}){MARKS[verdict(entry, factor)]}"
