# SPDX-License-Identifier: GPL-3.0-or-later
"""What GNU Radio Companion asks of a pilot book while a flowgraph is drawn, and while it runs."""

import logging

from ..files import PathLike
from .book import PilotBook, load_pilots
from .kinds import make_pilots

_log = logging.getLogger("gr_jadce")


def is_pilot_book(file: PathLike) -> bool:
    """Whether a file can be read as a pilot book."""
    try:
        load_pilots(file)
    except (OSError, ValueError):
        return False
    return True


def drawn_book(file: PathLike, kind: str, n_devices: int, pilot_length: int, seed: int) -> PilotBook:
    """The book of a file, or a generated one if `file` is empty or cannot be read.

    So a missing file is one error in GNU Radio Companion, that of the pilot book's block, and not one
    of every block that asks for the book's sizes, too.
    """
    return (
        load_pilots(file)
        if file and is_pilot_book(file)
        else make_pilots(kind, n_devices, pilot_length, seed)
    )


def refuse_change(book: PilotBook, n_devices: int, pilot_length: int) -> None:
    """Log an error if a running flowgraph asks for a book of another size, which it cannot have."""
    if (n_devices, pilot_length) != (book.n_devices, book.pilot_length):
        _log.error(
            "pilot book: the numbers of devices and symbols cannot change while the flowgraph runs: they "
            "stay N = %d and L = %d, not %d and %d; stop it, set the values, and start it again",
            book.n_devices, book.pilot_length, n_devices, pilot_length,
        )  # fmt: skip
