# SPDX-License-Identifier: GPL-3.0-or-later
"""Number and device time of every frame that a receiver is handed."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..checks import check_integer
from .clock import END_OF_TIME, LONGEST_SLOT, SampleClock


class FrameTimeline:
    """Number and device time of every frame, told for some and extrapolated to the others.

    Attributes
    ----------
    totals : dict
        The framer's totals (gaps, slots_lost, partial_frames, samples), as last told.
    """

    def __init__(self) -> None:
        self.totals = {"gaps": 0, "slots_lost": 0, "partial_frames": 0, "samples": 0}
        self._clock = SampleClock(1)
        self._position: int | Fraction = 0
        self._next_id = self._slot_period = self._frames_since_totals = 0

    @property
    def samples(self) -> int:
        """Samples of each antenna that the framer has taken, up to the last frame."""
        return self.totals["samples"] + self._frames_since_totals * self._slot_period

    def as_dict(self) -> dict[str, int]:
        """The totals up to the last frame, under their names in a status."""
        return {**self.totals, "samples": self.samples}

    def tell(
        self,
        *,
        frame_id: int | None = None,
        rx_time: tuple[int, float] | None = None,
        slot_period: int | None = None,
        rate: float | None = None,
        totals: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell what is known of the next frame; None for what is not told.

        Raises
        ------
        ValueError
            If a value is no number, time or rate that a framer tells.
        """
        if frame_id is not None:
            frame_id = check_integer("frame_id", frame_id, 0, END_OF_TIME - 1)
        if slot_period is not None:
            slot_period = check_integer("slot_period", slot_period, 0, LONGEST_SLOT)
        if totals is not None:
            totals = {name: check_integer(name, totals.get(name), 0, END_OF_TIME) for name in self.totals}
        clock = self._clock if rate is None else SampleClock(rate)
        self._position = self._position if rx_time is None else clock.position(*rx_time)
        self._clock = clock
        self._next_id = self._next_id if frame_id is None else frame_id
        self._slot_period = self._slot_period if slot_period is None else slot_period
        if totals is not None:
            self.totals = totals
            self._frames_since_totals = -1

    def pop(self, count: int) -> list[tuple[int, tuple[int, float]]]:
        """(frame_id, rx_time) of the next `count` frames."""
        first_id, first, period = self._next_id, self._position, self._slot_period
        self._next_id += count
        self._position += count * period
        self._frames_since_totals += count
        return [(first_id + i, self._clock.time(first + i * period)) for i in range(count)]
