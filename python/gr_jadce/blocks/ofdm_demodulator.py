# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of OFDM symbols to frames."""

from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..checks import check_integer
from ..waveform import Ofdm
from .support.lifetime import keep_alive

_PILOT_LENGTH = pmt.intern("pilot_length")


class ofdm_demodulator(gr.sync_block):
    """Turn the samples of an OFDM symbol, as a `pilot_framer` cuts them, into a frame for a `receiver`.

    Set the framer up for L·samples_per_symbol symbols of one sample each, from the end of the cyclic prefix
    on. The frames are `waveform.Ofdm.symbols`: symbols in time of what the L subcarriers carried. The
    receiver's pilots are those that `slots.ofdm.ofdm_book` makes of the book on the subcarriers.

    Parameters
    ----------
    pilot_length, n_antennas : int
        L and M; an input item is a vector of L·samples_per_symbol·M samples, an output item one of L·M.
    samples_per_symbol : int
        Length of the FFT over that of the pilot.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(self, pilot_length: int, n_antennas: int, samples_per_symbol: int = 4) -> None:
        self._waveform = Ofdm(samples_per_symbol)
        self._length = check_integer("pilot_length", pilot_length, 1, 2**16)
        self._shape = (
            self._length * self._waveform.samples_per_symbol,
            check_integer("n_antennas", n_antennas, 1, 2**16),
        )
        gr.sync_block.__init__(
            self,
            "JADCE OFDM demodulator",
            in_sig=[(np.complex64, self._shape[0] * self._shape[1])],
            out_sig=[(np.complex64, self._length * self._shape[1])],
        )
        self.set_tag_propagation_policy(gr.TPP_DONT)
        keep_alive(self)

    def work(self, input_items: list[NDArray], output_items: list[NDArray]) -> Any:
        """Demodulate whole frames; their tags go along, with the pilot length that is now theirs."""
        samples = input_items[0]
        symbols = self._waveform.symbols(samples.reshape(-1, *self._shape))
        output_items[0][: len(samples)] = symbols.reshape(len(samples), -1)
        for tag in self.get_tags_in_window(0, 0, len(samples)):
            is_length = pmt.eq(tag.key, _PILOT_LENGTH)
            value = pmt.from_uint64(self._length) if is_length else tag.value
            self.add_item_tag(0, tag.offset, tag.key, value)
        return len(samples)
