# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise in a part of every slot in which nobody transmits."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer


class GuardNoise(NamedTuple):
    """The noise of so many samples of each antenna: its covariance (M, M), E wᴴw of a sample w (1, M)."""

    covariance: NDArray
    n_samples: int

    @property
    def noise_var(self) -> float:
        """Mean power of a sample."""
        return float(np.trace(self.covariance).real / len(self.covariance))


class GuardMeter:
    """Covariance of the antennas in a part of every slot in which nobody transmits.

    Parameters
    ----------
    slot_period : int
        Samples from slot to slot.
    start, length : int
        Where the part begins, in samples from the start of a slot, and its length, which ends
        within the slot.
    """

    def __init__(self, slot_period: int, start: int, length: int) -> None:
        slot_period = check_integer("slot_period", slot_period, 1)
        start = check_integer("guard_start", start, 0)
        length = check_integer("guard_length", length, 1)
        if start + length > slot_period:
            raise ValueError(
                f"guard_start, guard_length: expected a part of the slot of {slot_period} samples, "
                f"got {start!r} + {length!r}"
            )
        self._period, self._start, self._length = slot_period, start, length
        self._moment, self._count = np.zeros((0, 0), complex), 0

    def push(self, position: int, streams: Sequence[NDArray]) -> None:
        """Measure the next samples of each antenna, the first `position` samples from the start of slot 0."""
        end = position + len(streams[0])
        slot = (position - self._start - self._length) // self._period + 1
        while (begin := slot * self._period + self._start) < end:
            part = slice(max(begin - position, 0), min(begin + self._length, end) - position)
            samples = np.stack([stream[part] for stream in streams]).astype(complex)
            moment = samples.conj() @ samples.T
            self._moment = self._moment + moment if self._count else moment
            self._count += part.stop - part.start
            slot += 1

    def pop(self) -> GuardNoise | None:
        """The noise since it was last asked for; None if there was no sample, or one with NaN or Inf."""
        moment, count = self._moment, self._count
        self._count = 0
        return GuardNoise(moment / count, count) if count and np.isfinite(moment).all() else None
