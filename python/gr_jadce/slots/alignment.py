# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of several antennas, brought level by the device times that each of them tells."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from .clock import SampleClock

_MAX_HELD_SAMPLES = 2**15  # of a late stream, while others catch up: less than the buffers in front hold


class StreamAligner:
    """By how many samples streams are ahead of each other, and what to drop until they are level.

    A stream that tells no time is taken to be in step with the first one that does.

    Parameters
    ----------
    n_streams : int
    clock : SampleClock

    Attributes
    ----------
    misalignments : int
        How often streams were found out of step.
    dropped : int
        Samples dropped to bring them level, of all streams together.
    """

    def __init__(self, n_streams: int, clock: SampleClock) -> None:
        self._passed = 0  # samples, since _positions are from
        self._positions: list[int | Fraction] = [0] * n_streams  # device position of each next sample
        self._timed = [False] * n_streams
        self._clock = clock
        self._is_level = True
        self.misalignments = self.dropped = 0

    @property
    def is_level(self) -> bool:
        """Are the next samples of all streams of one time?"""
        return self._is_level

    @property
    def reference(self) -> int:
        """The first stream that has told a time, or else the first."""
        return self._timed.index(True) if any(self._timed) else 0

    def set_times(self, times: Mapping[int, tuple[int, float]], clock: SampleClock) -> None:
        """Set the device times of the next samples of some streams, and the rate.

        Raises
        ------
        ValueError
            If a time is none; nothing has changed then.
        """
        positions = {stream: clock.position(*time) for stream, time in times.items()}
        self._positions, self._passed = [position + self._passed for position in self._positions], 0
        if clock.rate != self._clock.rate:
            self._positions = [self._rescaled(position, clock) for position in self._positions]
        self._clock = clock
        for stream, position in positions.items():
            self._positions[stream], self._timed[stream] = position, True
        if positions:
            self._compare()

    def advance(self, count: int) -> None:
        """`count` samples of every stream have passed."""
        self._passed += count

    def drop(self, available: Sequence[int]) -> list[int]:
        """How many of the next samples of each stream to drop now, of those available; they have passed.

        Nothing is left to drop where no stream has any more samples before the time of the latest one.
        """
        offsets = self._offsets()
        behind = [max(offsets) - offset for offset in offsets]
        counts = [min(missing, room) for missing, room in zip(behind, available, strict=True)]
        if max(behind) > _MAX_HELD_SAMPLES:
            # Both may come from one source, which stops when the buffer of either is full.
            counts = [max(n, room - _MAX_HELD_SAMPLES) for n, room in zip(counts, available, strict=True)]
        self._positions = [position + n for position, n in zip(self._positions, counts, strict=True)]
        self.dropped += sum(counts)
        self._is_level = not any(self._offsets())
        return counts

    def time(self) -> tuple[int, float]:
        """The device time of the next sample of the reference."""
        return self._clock.time(self._positions[self.reference] + self._passed)

    def __str__(self) -> str:
        late = [f"input {stream} is {n:+d} samples" for stream, n in enumerate(self._offsets()) if n]
        return f"{', '.join(late)} from input {self.reference}" if late else "all inputs are level"

    def _compare(self):
        """Let streams without times follow the reference, and see whether all are level."""
        reference = self._positions[self.reference]
        self._positions = [
            position if timed else reference
            for position, timed in zip(self._positions, self._timed, strict=True)
        ]
        level = not any(self._offsets())
        self.misalignments += self._is_level and not level
        self._is_level = level

    def _offsets(self):
        """By how many samples the next one of each stream is later than that of the reference."""
        reference = self._positions[self.reference]
        return [round(position - reference) for position in self._positions]

    def _rescaled(self, position, clock):
        seconds, fraction = self._clock.time(position)
        return clock.position(seconds, fraction) if seconds >= 0 else 0
