# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of random access occasions to frames."""

import os
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..checks import check_integer
from ..pilots.book import PilotBook, load_pilots
from ..random_access.occasions import MIDDLE, Occasion
from .support.lifetime import keep_alive

_PILOT_LENGTH = pmt.intern("pilot_length")


class occasion_demodulator(gr.sync_block):
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
        self._occasion = Occasion(preambles, rate, first_subcarrier)
        self._length = book.pilot_length
        self._shape = self._occasion.body, check_integer("n_antennas", n_antennas, 1, 2**16)
        gr.sync_block.__init__(
            self,
            "JADCE occasion demodulator",
            in_sig=[(np.complex64, self._shape[0] * self._shape[1])],
            out_sig=[(np.complex64, self._length * self._shape[1])],
        )
        self.set_tag_propagation_policy(gr.TPP_DONT)
        keep_alive(self)

    def work(self, input_items: list[NDArray], output_items: list[NDArray]) -> Any:
        """Demodulate whole frames; their tags go along, with the pilot length that is now theirs."""
        samples = input_items[0]
        symbols = self._occasion.symbols(samples.reshape(-1, *self._shape))
        output_items[0][: len(samples)] = symbols.reshape(len(samples), -1)
        for tag in self.get_tags_in_window(0, 0, len(samples)):
            is_length = pmt.eq(tag.key, _PILOT_LENGTH)
            value = pmt.from_uint64(self._length) if is_length else tag.value
            self.add_item_tag(0, tag.offset, tag.key, value)
        return len(samples)
