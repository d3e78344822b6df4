# SPDX-License-Identifier: GPL-3.0-or-later
"""Several preambles of four roots in one occasion, and how long an occasion takes."""

import time

import numpy as np
from prach_cells import CHUNK, FALSE_ALARM, MOST_MISSES, OFFSET_HZ, RATES, correlations

from gr_jadce.pilots import Preambles
from gr_jadce.random_access import Occasion, PreambleSearch
from gr_jadce.random_access.air import Air, Sent

ACTIVE = (2, 4, 8, 16, 32)
ABOVE_DB = 3.0  # the SNR of each preamble over the required one
LATEST_S = 0.9e-6
BOOKS = {  # preambles over four roots, and the required SNR on two antennas (dB)
    "0": (Preambles("0", logical_root=22, cyclic_shift=46), 1.25, {"awgn": -14.5, "tdlc300-100": -6.6}),
    "A2": (
        Preambles("A2", 15e3, cyclic_shift=15, n_preambles=36), 15, {"awgn": -12.6, "tdlc300-100": -4.8},
    ),
}  # fmt: skip
AT_ONCE = 20  # occasions
OCCASION_S = 10e-3  # from one occasion of format 0 to the next


def crowd(name, channel, n_active, n_occasions):
    """Misses and false alarms with so many preambles at once, and those of a correlator."""
    preambles, spacing, required = BOOKS[name]
    occasion, search = Occasion(preambles, RATES[spacing]), PreambleSearch(preambles)
    air = Air(occasion, 2, channel=channel, snr_db=required[channel] + ABOVE_DB)
    sent, found, energies = [], [], []
    for first in range(0, n_occasions, CHUNK):
        numbers = range(first, min(first + CHUNK, n_occasions))
        drawn = [_draw(preambles, n_active, channel, number) for number in numbers]
        samples = np.stack([air.samples(one, rng) for one, rng in drawn])
        frames = occasion.symbols(samples[:, occasion.offset :])
        rows = search.decide_rows(frames, FALSE_ALARM)
        sent.append(
            _activity(
                len(frames),
                preambles,
                np.repeat(range(len(frames)), n_active),
                [n for one, _ in drawn for n in one.preamble],
            )
        )
        found.append(_activity(len(frames), preambles, rows.frame, rows.device))
        energies.append(correlations(preambles, frames))
    sent, found, energies = map(np.concatenate, (sent, found, energies))
    fair = best_threshold(energies, sent)
    return {
        "format": name, "channel": channel, "active": n_active, "occasions": n_occasions,
        **_counts(sent, found, ""), **_counts(sent, energies > fair, "correlator_"),
    }  # fmt: skip


def best_threshold(energies, sent):
    """The threshold at which misses and false alarms, as shares, are fewest together."""
    levels = np.quantile(energies, np.linspace(0, 1, 400))
    cost = [np.mean(energies[sent] <= level) + np.mean(energies[~sent] > level) for level in levels]
    return levels[int(np.argmin(cost))]


def _draw(preambles, n_active, channel, number):
    rng = np.random.default_rng([9, n_active, number])
    chosen = np.sort(rng.choice(preambles.n_preambles, n_active, replace=False))
    offset = np.full(n_active, OFFSET_HZ[channel])
    return Sent(chosen, rng.uniform(0, LATEST_S, n_active), offset), rng


def _activity(count, preambles, frame, device):
    activity = np.zeros((count, preambles.n_preambles), bool)
    activity[frame, device] = True
    return activity


def _counts(sent, found, prefix):
    return {
        f"{prefix}missed": int((sent & ~found).sum()),
        f"{prefix}false": int((found & ~sent).sum()),
        f"{prefix}occasions_false": int((found & ~sent).any(axis=1).sum()),
    }


def rates(entry, prefix=""):
    """Misses of what was sent, false alarms of what was not, and occasions with a false alarm, as shares."""
    n_preambles = BOOKS[entry["format"]][0].n_preambles
    sent = entry["occasions"] * entry["active"]
    silent = entry["occasions"] * (n_preambles - entry["active"])
    return (
        entry[f"{prefix}missed"] / sent,
        entry[f"{prefix}false"] / max(silent, 1),
        entry[f"{prefix}occasions_false"] / entry["occasions"],
    )


def passes(entry):
    """Whether eight preambles are found as wanted."""
    misses, false, _ = rates(entry)
    return entry["active"] != 8 or (misses <= MOST_MISSES and false <= FALSE_ALARM)


def speed(n_occasions):
    """Milliseconds of processor time that an occasion of format 0 takes, from samples on, by how many
    preambles are sent: alone, and of `AT_ONCE` that wait for a receiver."""
    preambles = Preambles("0", logical_root=22, cyclic_shift=13)
    occasion, search = Occasion(preambles, RATES[1.25]), PreambleSearch(preambles)
    air = Air(occasion, 2, channel="tdlc300-100", snr_db=-6.6)
    taken = {}
    for n_active in (0, 1, 4):
        spread = np.arange(n_active) * 13 + 5
        sent = Sent(spread, np.full(n_active, 2e-6), np.full(n_active, 400.0))
        samples = [air.samples(sent, np.random.default_rng([10, k])) for k in range(n_occasions)]
        samples = np.stack(samples)[:, occasion.offset :]
        taken[str(n_active)] = [_median_ms(occasion, search, samples, count) for count in (1, AT_ONCE)]
    return taken


def _median_ms(occasion, search, samples, count):
    """Of an occasion, of so many at once."""
    each = []
    for first in range(0, len(samples) - count + 1, count):
        started = time.process_time()
        search.decide_rows(occasion.symbols(samples[first : first + count]), FALSE_ALARM)
        each.append((time.process_time() - started) / count)
    return 1e3 * float(np.median(each))
