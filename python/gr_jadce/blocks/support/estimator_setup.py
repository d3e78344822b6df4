# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimator that a receiver is asked for, by name or as a callable."""

import os
from collections.abc import Callable
from typing import Any

from ...detection.asynchrony import Asynchrony, Delayed
from ...estimators import find_factory, make_estimator, takes_threads
from ...pilots.book import PilotBook
from ...random_access.search import MAX_OFFSET_HZ, PreambleSearch
from ...receiving.frame_receiver import name_of

_MAX_DEFAULT_THREADS = 4


def set_up_estimator(
    estimator: str | Callable,
    pilots: PilotBook,
    options: dict[str, Any] | None,
    threads: int,
    delayed: Delayed | PreambleSearch | None,
) -> tuple[str, Callable | None]:
    """The estimator's name, for reports, and the estimator; None for devices out of step, which need none.

    Raises
    ------
    ValueError
        If it is neither the name of one nor callable.
    """
    if isinstance(estimator, str) and delayed is not None:
        find_factory(estimator)
        return estimator, None
    if isinstance(estimator, str):
        own = {"threads": threads} if takes_threads(estimator) else {}
        return estimator, make_estimator(estimator, pilots, **own | (options or {}))
    if not callable(estimator):
        raise ValueError(f"estimator: expected a name or a callable, got {estimator!r}")
    return name_of(estimator), estimator


def default_threads() -> int:
    """One thread a processor, four at most."""
    return min(len(os.sched_getaffinity(0)), _MAX_DEFAULT_THREADS)


def search_of(book: PilotBook, asynchrony: Asynchrony | dict | None) -> Delayed | PreambleSearch | None:
    """What finds the devices of a book that are out of step; None if none is."""
    asynchrony = Asynchrony(**asynchrony) if isinstance(asynchrony, dict) else asynchrony
    if book.preambles is not None:
        bandwidth = book.preambles.bandwidth
        max_offset = MAX_OFFSET_HZ if asynchrony is None else asynchrony.max_offset * bandwidth
        return PreambleSearch(book.preambles, max_offset)
    return None if asynchrony is None else Delayed(book, asynchrony)
