# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver's status as one line, while it runs: rate, who is active, SNR, and what is lost."""

import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

_RATE_INTERVAL_S = 2.0  # over which frames a second are counted
_LOSSES = {
    "frames_dropped": "dropped",
    "frames_bad": "bad",
    "slots_lost": "slots lost",
    "gaps": "gaps",
    "backlog": "waiting",
}


class StatusLine:
    """Makes the line from one status after another; the rate is that of the last seconds.

    Parameters
    ----------
    clock : callable
        Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: list[tuple[float, int]] = [(clock(), 0)]  # seconds, and frames that were in then

    def text(self, status: Mapping[str, Any]) -> str:
        """The line for a status of `blocks.receiver.status_dict`."""
        frames = status["frames_in"]
        parts = [f"{frames:,} frames, {self._rate(frames):,.0f} a second"]
        if status["frames_solved"]:
            parts.append(f"{status['active_per_frame']:.3g} devices active")
        if isfinite(status["snr_db"]):
            parts.append(f"SNR {status['snr_db']:.1f} dB")
        parts += [f"{status[name]:,} {words}" for name, words in _LOSSES.items() if status[name]]
        if status["nobody_heard"]:
            parts.append("nobody of this book is heard")
        return ", ".join(parts)

    def _rate(self, frames: int) -> float:
        now = self._clock()
        if now - self._marks[-1][0] >= _RATE_INTERVAL_S:
            self._marks = [self._marks[-1], (now, frames)]
        began, before = self._marks[0]
        return (frames - before) / max(now - began, 1e-3)
