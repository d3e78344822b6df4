# SPDX-License-Identifier: GPL-3.0-or-later
"""Beacons on the air, as a device receives them whose clock and carrier are off."""

import numpy as np

from gr_jadce.slots.beacon import Beacon
from gr_jadce.uplink.simulation import complex_normal
from gr_jadce.waveform import Waveform

BEACON = Beacon(Waveform(4))
STEP = 4  # samples a symbol
PULSES = BEACON.symbols[:, None].astype(complex)
POWER = np.mean(np.abs(BEACON.samples) ** 2)


class Air:
    """What a device receives of beacons sent every `period` samples of the base station's clock."""

    def __init__(self, period, snr_db, ppm, offset, first=1234.4, seed=1):
        self.rng = np.random.default_rng(seed)
        self.noise = np.sqrt(POWER / 10 ** (snr_db / 10))
        self.ratio, self.offset, self.period, self.first = 1 + ppm * 1e-6, offset / STEP, period, first

    def start(self, index):
        """Where, in samples of the device, a beacon starts."""
        return self.first + index * self.period * self.ratio

    def samples(self, low, high):
        """The device's samples low to high - 1."""
        samples = self.noise * complex_normal(self.rng, (high - low,))
        reach = len(BEACON) + 10
        nearest = np.arange(
            (low - reach - self.first) // (self.period * self.ratio),
            (high + reach - self.first) // (self.period * self.ratio) + 1,
        )
        for index in nearest[nearest >= 0]:
            self._add(samples, low, self.start(index))
        return samples

    def _add(self, samples, low, start):
        burst = BEACON.waveform.bursts(PULSES, (start % 1) / STEP)[:, 0]
        place = int(start) - low
        sent = slice(max(place, 0), min(place + len(burst), len(samples)))
        if sent.stop > sent.start:
            turn = np.exp(2j * np.pi * self.offset * (np.arange(sent.start, sent.stop) + low))
            samples[sent] += burst[sent.start - place : sent.stop - place] * turn
