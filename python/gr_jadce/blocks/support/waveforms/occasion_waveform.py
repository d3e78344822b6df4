# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform of what a pilot book is for: random access preambles have their own."""

from typing import Any

from ....pilots.book import PilotBook
from ....random_access.occasions import Occasion
from ....waveform import as_waveform


def waveform_of(book: PilotBook, waveform: Any, rate: float) -> Any:
    """An `Occasion` at a rate for random access preambles, else the waveform asked for, or None.

    Parameters
    ----------
    book : PilotBook
    waveform : Waveform, Ofdm, Occasion, dict or None
        That asked for. Of preambles None or an empty dictionary.
    rate : float
        Samples a second.

    Raises
    ------
    ValueError
        If preambles are asked to be sent otherwise, or do not fit into the rate.
    """
    if book.preambles is None or isinstance(waveform, Occasion):
        return waveform if waveform is None or isinstance(waveform, Occasion) else as_waveform(waveform)
    if waveform:
        raise ValueError(f"waveform: expected none for random access preambles, got {waveform!r}")
    return Occasion(book.preambles, rate)
