# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells of TS 38.104 Table 8.4.2.2, and how often preambles are missed in them."""

from dataclasses import dataclass

import numpy as np

from gr_jadce.numeric import sum_squares
from gr_jadce.pilots import Preambles
from gr_jadce.random_access import Occasion, PreambleSearch
from gr_jadce.random_access.air import Air, Sent
from gr_jadce.random_access.profile import Profile

FORMATS = ("0", "A1", "A2", "A3", "B4", "C0", "C2")
# SNR, dB, at which 99 % have to be detected, by spacing (kHz), antennas and channel (TS 38.104
# Tables 8.4.2.2-1 to -3); format 0 has 1.25 kHz, and stands with the first of them.
REQUIRED = {
    (15, 2, "awgn"): (-14.5, -9.3, -12.6, -14.2, -16.8, -6.3, -12.5),
    (15, 2, "tdlc300-100"): (-6.6, -2.1, -4.8, -6.6, -8.8, 0.8, -4.9),
    (15, 4, "awgn"): (-16.7, -11.6, -14.3, -16.0, -19.0, -8.7, -14.1),
    (15, 4, "tdlc300-100"): (-11.9, -7.3, -10.3, -11.7, -13.8, -4.3, -10.2),
    (30, 2, "awgn"): (None, -9.1, -12.0, -13.8, -16.5, -6.1, -11.9),
    (30, 2, "tdlc300-100"): (None, -2.8, -5.7, -7.4, -9.9, 0.1, -5.6),
    (30, 4, "awgn"): (None, -11.4, -14.2, -15.9, -19.0, -8.6, -14.1),
    (30, 4, "tdlc300-100"): (None, -7.2, -10.4, -12.0, -14.5, -4.5, -10.4),
}
TOLERANCE_US = {  # by spacing (TS 38.104 Table 8.4.2.1-1): of the timing of the strongest path
    "awgn": {1.25: 1.04, 15: 0.52, 30: 0.26},
    "tdlc300-100": {1.25: 2.55, 15: 2.03, 30: 1.77},
}
OFFSET_HZ = {"awgn": 0.0, "tdlc300-100": 400.0}
FALSE_ALARM = 1e-3  # of an occasion in which nothing is sent, from any preamble
MOST_MISSES = 0.01
CHUNK = 50  # occasions at once
RATES = {1.25: 1.92e6, 15: 3.84e6, 30: 7.68e6}  # samples a second: the slowest usual ones


@dataclass(frozen=True)
class Cell:
    """A cell of the table: format, subcarrier spacing (kHz), antennas, channel, and required SNR (dB).

    The preambles are those of TS 38.141-1 Table A.6-1, their timing that of Figures 8.4.1.4.2-2 and -3.
    """

    name: str
    spacing: float
    n_antennas: int
    channel: str
    required_db: float

    @property
    def preambles(self):
        if self.name == "0":
            return Preambles("0", logical_root=22, cyclic_shift=13)
        return Preambles(self.name, self.spacing * 1e3, cyclic_shift={15: 23, 30: 46}[self.spacing])

    @property
    def preamble(self):
        return 32 if self.name == "0" else 0

    @property
    def occasion(self):
        return Occasion(self.preambles, RATES[self.spacing])

    def timing(self, number):
        """Seconds by which the preamble of an occasion is late."""
        base = self.preambles.cyclic_shift / 2 / self.preambles.bandwidth if self.name == "0" else 0.0
        return base + 1e-7 * (number % (10 if self.name == "0" else 9))

    @property
    def label(self):
        spacing = f"{self.spacing:g} kHz"
        return f"{self.name}, {spacing}, {self.n_antennas} rx, {self.channel}"


def cells():
    return [
        Cell(name, 1.25 if name == "0" else spacing, n_antennas, channel, snr_db)
        for (spacing, n_antennas, channel), row in REQUIRED.items()
        for name, snr_db in zip(FORMATS, row, strict=True)
        if snr_db is not None
    ]


def received(cell, snr_db, numbers):
    """Subcarriers of occasions, and their timings; noise and channel of occasion k are those of all SNRs."""
    occasion = cell.occasion
    air = Air(occasion, cell.n_antennas, channel=cell.channel, snr_db=snr_db)
    timings = np.array([cell.timing(number) for number in numbers])
    offset = np.array([OFFSET_HZ[cell.channel]])
    samples = [
        air.samples(Sent(np.array([cell.preamble]), timing[None], offset), np.random.default_rng([7, number]))
        for number, timing in zip(numbers, timings, strict=True)
    ]
    return occasion.symbols(np.stack(samples)[:, occasion.offset :]), timings + air.strongest_delay


def detections(cell, snr_db, n_occasions, threshold=None):
    """Counts of occasions: correct, missed, with a wrong timing; of other preambles; correlator's hits."""
    search = PreambleSearch(cell.preambles)
    counts = dict.fromkeys(("occasions", "correct", "missed", "timing", "others", "correlator"), 0)
    for first in range(0, n_occasions, CHUNK):
        numbers = range(first, min(first + CHUNK, n_occasions))
        frames, timings = received(cell, snr_db, numbers)
        rows = search.decide_rows(frames, FALSE_ALARM)
        hit = rows.device == cell.preamble
        error = np.abs(rows.delay[hit] / cell.preambles.bandwidth - timings[rows.frame[hit]])
        good = error <= 1e-6 * TOLERANCE_US[cell.channel][cell.spacing]
        counts["occasions"] += len(frames)
        counts["correct"] += int(good.sum())
        counts["missed"] += len(frames) - int(hit.sum())
        counts["timing"] += int((~good).sum())
        counts["others"] += int((~hit).sum())
        if threshold is not None:
            counts["correlator"] += int(
                (correlations(cell.preambles, frames)[:, cell.preamble] > threshold).sum()
            )
    return counts


def false_alarms(cell, n_occasions):
    """Occasions of noise in which anything was found, and the correlator's threshold for what is allowed."""
    search, air = PreambleSearch(cell.preambles), Air(cell.occasion, cell.n_antennas)
    found, largest = 0, []
    for first in range(0, n_occasions, CHUNK):
        frames = air.noise(min(CHUNK, n_occasions - first), np.random.default_rng([8, first]))
        found += len(np.unique(search.decide_rows(frames, FALSE_ALARM).frame))
        largest.append(correlations(cell.preambles, frames).max(axis=1))
    return {
        "occasions": n_occasions,
        "false": found,
        "threshold": float(np.quantile(np.concatenate(largest), 1 - FALSE_ALARM)),
    }


def correlations(preambles, frames):
    """What a correlator goes by: the largest energy in each window (B, N) over the mean of a sample's."""
    energies = Profile(preambles, 0.0).energies(frames)
    return energies.max(axis=(1, 3)) / (sum_squares(frames, axis=(1, 2)) / frames.shape[1])[:, None]


def key(cell):
    """The name of a cell in files."""
    return f"{noise_key(cell)}-{cell.channel}"


def noise_key(cell):
    """The same of what does not depend on the channel."""
    return f"{cell.name}-{cell.spacing:g}-{cell.n_antennas}"
