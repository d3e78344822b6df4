# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimator that a receiver is asked for, by name or as a callable."""

import os
from collections.abc import Callable
from typing import Any

from ...detection.asynchrony import Delayed
from ...estimators import find_factory, make_estimator, takes_threads
from ...pilots.book import PilotBook
from ...receiving.frame_receiver import name_of

_MAX_DEFAULT_THREADS = 4


def set_up_estimator(
    estimator: str | Callable,
    pilots: PilotBook,
    options: dict[str, Any] | None,
    threads: int,
    delayed: Delayed | None,
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
