# SPDX-License-Identifier: GPL-3.0-or-later
"""From the samples of antennas to the preambles of each occasion."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..numeric import decibels, sum_squares
from .occasions import Occasion
from .search import MAX_OFFSET_HZ, PreambleSearch


class Detection(NamedTuple):
    """A preamble in an occasion.

    preamble : its number in the cell. timing_advance : seconds that its strongest response is late.
    snr_db : its energy on an antenna, in the mean over them, over that of the noise on its subcarriers.
    power : mean power of its samples on an antenna, in the unit of the samples squared.
    carrier_offset : Hz. score : −log10 of the probability that noise alone looks like it in an occasion.
    path_delays, path_powers : seconds, and power of each path found.
    """

    preamble: int
    timing_advance: float
    snr_db: float
    power: float
    carrier_offset: float
    score: float
    path_delays: tuple[float, ...]
    path_powers: tuple[float, ...]


class OccasionReceiver:
    """Finds preambles in the samples of antennas.

    Parameters
    ----------
    occasion : Occasion
    max_offset : float
        Carrier offsets that are looked for, ± Hz.
    """

    def __init__(self, occasion: Occasion, max_offset: float = MAX_OFFSET_HZ) -> None:
        self.occasion, self.search = occasion, PreambleSearch(occasion.preambles, max_offset)

    def detect(
        self, samples: ArrayLike, starts: ArrayLike = (0,), false_alarm: float = 1e-3
    ) -> list[list[Detection]]:
        """The preambles of occasions in a stream of samples (T, M).

        Parameters
        ----------
        samples : (T, M) complex array
        starts : (B,) int array
            Samples at which occasions start, each with its cyclic prefix.
        false_alarm : float
            Wanted probability that anything is found in an occasion of noise alone.

        Returns
        -------
        list of B lists of Detection
            Preambles ascending.
        """
        received = self.occasion.cut(np.asarray(samples), starts)
        rows = self.search.decide_rows(received, false_alarm)
        found = list(self._detections(rows))
        return [found[first:last] for first, last in pairwise(rows.start.tolist())]

    def _detections(self, rows) -> Iterator[Detection]:
        bandwidth = self.occasion.preambles.bandwidth
        size = self.occasion.preambles.repetitions * self.occasion.preambles.length
        share = size / self.occasion.body  # of a sample's power that a unit pilot has on a subcarrier
        for row, (first, last) in enumerate(pairwise(rows.tap_start.tolist())):
            powers = sum_squares(rows.tap_gain[first:last]) / rows.tap_gain.shape[1] / size
            power = float(np.mean(np.abs(rows.channel[row]) ** 2)) / size
            yield Detection(
                int(rows.device[row]),
                float(rows.delay[row]) / bandwidth,
                float(decibels(power / rows.noise_var[rows.frame[row]])),
                power * share,
                float(rows.carrier_offset[row]) * bandwidth,
                float(rows.score[row]),
                tuple((rows.tap_delay[first:last] / bandwidth).tolist()),
                tuple((powers * share).tolist()),
            )
