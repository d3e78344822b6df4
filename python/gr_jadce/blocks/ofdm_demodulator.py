# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of OFDM symbols to frames."""

from ..checks import check_integer
from ..waveform import Ofdm
from .support.waveforms.frame_demodulator import frame_demodulator


class ofdm_demodulator(frame_demodulator):
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
        waveform = Ofdm(samples_per_symbol)
        length = check_integer("pilot_length", pilot_length, 1, 2**16)
        frame_demodulator.__init__(
            self,
            "JADCE OFDM demodulator",
            waveform.symbols,
            length * waveform.samples_per_symbol,
            length,
            check_integer("n_antennas", n_antennas, 1, 2**16),
        )
