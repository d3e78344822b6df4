# SPDX-License-Identifier: GPL-3.0-or-later
"""What blocks have in common that make frames of symbols out of frames of samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..lifetime import keep_alive

_PILOT_LENGTH = pmt.intern("pilot_length")


class frame_demodulator(gr.sync_block):
    """Demodulates frames of so many samples of each antenna to frames of pilots.

    Parameters
    ----------
    name : str
    symbols : callable
        Symbols (B, L, M) of samples (B, T, M).
    n_samples, pilot_length, n_antennas : int
        T, L and M.
    """

    def __init__(
        self,
        name: str,
        symbols: Callable[[NDArray], NDArray],
        n_samples: int,
        pilot_length: int,
        n_antennas: int,
    ) -> None:
        self._symbols, self._shape, self._length = symbols, (n_samples, n_antennas), pilot_length
        gr.sync_block.__init__(
            self,
            name,
            in_sig=[(np.complex64, n_samples * n_antennas)],
            out_sig=[(np.complex64, pilot_length * n_antennas)],
        )
        self.set_tag_propagation_policy(gr.TPP_DONT)
        keep_alive(self)

    def work(self, input_items: list[NDArray], output_items: list[NDArray]) -> Any:
        """Demodulate whole frames; their tags go along, with the pilot length that is now theirs."""
        samples = input_items[0]
        symbols = self._symbols(samples.reshape(-1, *self._shape))
        output_items[0][: len(samples)] = symbols.reshape(len(samples), -1)
        for tag in self.get_tags_in_window(0, 0, len(samples)):
            is_length = pmt.eq(tag.key, _PILOT_LENGTH)
            value = pmt.from_uint64(self._length) if is_length else tag.value
            self.add_item_tag(0, tag.offset, tag.key, value)
        return len(samples)
