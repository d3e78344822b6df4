# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of random access occasions to frames."""

import os

from ..checks import check_integer
from ..pilots.book import PilotBook, load_pilots
from ..random_access.occasions import MIDDLE, Occasion
from .support.waveforms.frame_demodulator import frame_demodulator


class occasion_demodulator(frame_demodulator):
    """Turn samples of random access occasions, as a `pilot_framer` cuts them, into frames for a `receiver`.

    Set the framer up for `body` symbols of one sample each, from the end of the cyclic prefix on:
    `random_access.Occasion` tells both. The frames are what is on the subcarriers of all symbols.

    Parameters
    ----------
    pilots : PilotBook or path
        Random access preambles (kind "nr_prach").
    n_antennas : int
        M; an input item is a vector of body·M samples, an output item one of L·M.
    rate : float
        Samples a second.
    first_subcarrier : int
        Place of the first subcarrier from the carrier on. Default: the middle of all is at the carrier.

    Raises
    ------
    ValueError
        If the book has no preambles, or they do not fit into the rate.
    OSError
        If the pilot book cannot be read.
    """

    def __init__(
        self,
        pilots: PilotBook | str | os.PathLike[str],
        n_antennas: int = 1,
        rate: float = 1.92e6,
        first_subcarrier: int = MIDDLE,
    ) -> None:
        book = load_pilots(pilots) if isinstance(pilots, (str, os.PathLike)) else pilots
        preambles = getattr(book, "preambles", None)
        if preambles is None:
            raise ValueError(f"pilots: expected random access preambles (kind nr_prach), got {book!r}")
        occasion = Occasion(preambles, rate, first_subcarrier)
        frame_demodulator.__init__(
            self,
            "JADCE occasion demodulator",
            occasion.symbols,
            occasion.body,
            book.pilot_length,
            check_integer("n_antennas", n_antennas, 1, 2**16),
        )
