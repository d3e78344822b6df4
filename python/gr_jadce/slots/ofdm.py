# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots that are sent on the subcarriers of OFDM, as their receiver sees them."""

from ..pilots.book import PilotBook
from ..waveform import Ofdm


def ofdm_book(pilots: PilotBook) -> PilotBook:
    """The book that a receiver of `waveform.Ofdm` needs: each pilot as symbols in time.

    Parameters
    ----------
    pilots : PilotBook
        The pilots on the subcarriers.

    Raises
    ------
    ValueError
        If the pilots would take more than 1 GiB as a matrix: fast transforms of the book are lost.
    """
    sequences = Ofdm().sequences(pilots.matrix).astype("complex64")
    names = pilots.device_id
    return PilotBook("custom", pilots.pilot_length, pilots.n_devices, pilots=sequences, device_id=names)
