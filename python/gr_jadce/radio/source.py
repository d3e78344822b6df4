# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources and sinks of samples as the programs see them: a block, and what is known about it."""

from collections.abc import Callable
from typing import Any, NamedTuple

ENDLESS = 2**62  # samples, or frames


class Source(NamedTuple):
    """A block with M outputs of samples or one of frames, and what is known about them."""

    block: Any
    n_antennas: int
    rate: float = 1.0
    n_samples: int = ENDLESS
    live: bool = False
    gives_frames: bool = False
    relay: Any = None  # a FrameRelay: M is not known before it has frames


class Sink(NamedTuple):
    """A block that transmits, its rate, the device time of now in seconds, and whether it keeps times."""

    block: Any
    rate: float
    now: Callable[[], float]
    timed: bool = True
