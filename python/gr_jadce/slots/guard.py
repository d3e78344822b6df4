# SPDX-License-Identifier: GPL-3.0-or-later
"""The power in a part of every slot in which nobody transmits."""

import numpy as np


class GuardMeter:
    """Mean power of the samples in a part of every slot in which nobody transmits.

    Parameters
    ----------
    slot_period : int
        Samples from slot to slot.
    start, length : int
        Where the part begins, in samples from the start of a slot, and its length, which ends
        within the slot.
    """

    def __init__(self, slot_period, start, length):
        if not 0 <= start < start + length <= slot_period:
            raise ValueError(
                f"guard_start, guard_length: expected a part of the slot of {slot_period} samples, "
                f"got {start!r} + {length!r}"
            )
        self._period, self._start, self._length = slot_period, start, length
        self._energy, self._count = 0.0, 0

    def take(self, position, streams):
        """Take the next samples of each antenna, the first `position` samples from the start of slot 0."""
        end = position + len(streams[0])
        slot = (position - self._start - self._length) // self._period + 1
        while (begin := slot * self._period + self._start) < end:
            part = slice(max(begin - position, 0), min(begin + self._length, end) - position)
            for stream in streams:
                self._energy += float(np.vdot(stream[part], stream[part]).real)
                self._count += part.stop - part.start
            slot += 1

    def read(self) -> float | None:
        """Mean power since it was last read; None if there was no sample, or one with NaN or Inf."""
        energy, count = self._energy, self._count
        self._energy, self._count = 0.0, 0
        return energy / count if count and np.isfinite(energy) else None
