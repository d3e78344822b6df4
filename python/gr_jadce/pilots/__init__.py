# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilot books: one pilot sequence for each device, made, saved and loaded."""

from . import companion  # noqa: F401 - GNU Radio Companion finds it here
from .book import PilotBook, as_pilot_book, load_pilots
from .kinds import PILOT_KINDS, make_pilots, preamble_book
from .preambles import Preambles

__all__ = [
    "PILOT_KINDS",
    "PilotBook",
    "Preambles",
    "as_pilot_book",
    "load_pilots",
    "make_pilots",
    "preamble_book",
]
