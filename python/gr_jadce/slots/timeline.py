# SPDX-License-Identifier: GPL-3.0-or-later
"""Number and device time of every frame that a receiver is handed."""

from ..checks import check_integer
from .clock import END_OF_TIME, LONGEST_SLOT, SampleClock


class FrameTimeline:
    """Number and device time of every frame, told for some and extrapolated to the others.

    Attributes
    ----------
    totals : dict
        The framer's totals (gaps, slots_lost, partial_frames, samples), as last told.
    """

    def __init__(self):
        self.totals = {"gaps": 0, "slots_lost": 0, "partial_frames": 0, "samples": 0}
        self._clock = SampleClock(1)
        self._next_id = self._position = self._slot_period = self._since_told = 0

    @property
    def samples(self) -> int:
        """Samples of each antenna that the framer has taken, up to the last frame."""
        return self.totals["samples"] + self._since_told * self._slot_period

    def tell(self, frame_id=None, rx_time=None, slot_period=None, rate=None, totals=None):
        """Tell what is known of the next frame; None for what is not told.

        Raises
        ------
        ValueError
            If a value is no number, time or rate that a framer tells.
        """
        if frame_id is not None and not 0 <= frame_id < END_OF_TIME:
            raise ValueError(f"frame_id: expected 0 to 2**63, got {frame_id!r}")
        if slot_period is not None and not 0 <= slot_period <= LONGEST_SLOT:
            raise ValueError(f"slot_period: expected 0 to 2**32, got {slot_period!r}")
        if totals is not None:
            totals = {name: check_integer(name, totals.get(name), 0, END_OF_TIME) for name in self.totals}
        clock = self._clock if rate is None else SampleClock(rate)
        self._position = self._position if rx_time is None else clock.position(*rx_time)
        self._clock = clock
        self._next_id = self._next_id if frame_id is None else int(frame_id)
        self._slot_period = self._slot_period if slot_period is None else int(slot_period)
        if totals is not None:
            self.totals = totals
            self._since_told = -1

    def take(self, count) -> list[tuple[int, tuple[int, float]]]:
        """(frame_id, rx_time) of the next `count` frames."""
        first_id, first, period = self._next_id, self._position, self._slot_period
        self._next_id += count
        self._position += count * period
        self._since_told += count
        return [(first_id + i, self._clock.time(first + i * period)) for i in range(count)]
