# SPDX-License-Identifier: GPL-3.0-or-later
"""The slot grid over a stream of samples: where the next pilot starts, its number and its device time."""

from collections import deque
from fractions import Fraction

from .clock import SampleClock, check_origin

Origin = str | tuple[int, float]
_MAX_LOSSES_KEPT = 64  # gaps whose slots may turn out not to be lost


class StreamGrid:
    """Slots of a stream, in whole samples from the start of slot 0, however device time jumps.

    Parameters
    ----------
    slot_period, offset : int
        Samples from slot to slot, and from the start of a slot to that of its pilot.
    slot_origin : "first" or (int, float)
        Where slot 0 starts: at the first sample, or at a device time.
    clock : SampleClock

    Attributes
    ----------
    now : int
        The next sample.
    pilot : int
        First sample of the pilot that is next or under way.
    slot : int
        Number of that pilot's slot.
    gaps, slots_lost : int
        Totals. Slots that a jump of device time passed over count as lost until device time comes back
        to them: one absurd time does no lasting harm.
    """

    def __init__(self, slot_period: int, offset: int, slot_origin: Origin, clock: SampleClock) -> None:
        self.slot_period, self.offset, self.clock = slot_period, offset, clock
        self._fixed_origin = None if slot_origin == "first" else check_origin(slot_origin)
        self.gaps = self.slots_lost = 0
        self._losses: deque[tuple[int, int]] = deque(maxlen=_MAX_LOSSES_KEPT)  # (first slot, end)
        self._has_time = False  # has there been any device time?
        # _base is the device position of now = 0: the origin, moved by less than a sample to fall on one.
        self._base: int | Fraction
        self._last_cut = -1
        self._place(0, self._origin_position(0))
        self._seek()

    @property
    def samples_to_origin(self) -> int:
        """Samples until slot 0 starts; 0 if it has, or starts with the first sample."""
        return 0 if self._fixed_origin is None else max(0, -self.now)

    def pilot_position(self) -> int | Fraction:
        """Device position of the pilot that is next or under way."""
        return self._base + self.pilot

    def advance(self, count: int) -> None:
        """`count` samples have passed."""
        self.now += count

    def next_slot(self, count: int) -> None:
        """The pilots of `count` slots have been cut, the first being the one that was next."""
        self.slot += count
        self._last_cut = self.slot - 1
        self.seek()

    def seek(self) -> None:
        """Find the next slot whose pilot is still to come, and count those passed over as lost."""
        expected = self.slot
        self._seek()
        if self.slot > expected:
            self.slots_lost += self.slot - expected
            self._losses.append((expected, self.slot))

    def skip_pilot(self) -> None:
        """Leave out the pilot under way, which is not lost to a gap, and find the next."""
        self._seek()

    def start_at(self, rx_time: tuple[int, float] | None, clock: SampleClock) -> None:
        """Set time and rate before the first sample."""
        first = self._position_of(rx_time, clock)
        self.clock = clock
        self._has_time |= rx_time is not None
        self._place(first, self._origin_position(first))
        self._seek()

    def set_time(self, rx_time: tuple[int, float] | None, clock: SampleClock) -> bool:
        """Set time, rate, or both, of the next sample; True if it does not follow from those before."""
        rate_changed = clock.rate != self.clock.rate
        predicted, position = self._position_of(None, clock), self._position_of(rx_time, clock)
        dates_all = rx_time is not None and not self._has_time and self._fixed_origin is None
        self._has_time |= rx_time is not None
        self.clock = clock
        if rate_changed or (abs(position - predicted) > Fraction(1, 2) and not dates_all):
            self._jump(position, rate_changed)
            return True
        if dates_all:
            self._base += position - predicted
            self._origin += position - predicted
        return False

    def resync(self, ahead: int, under_way: bool) -> None:
        """Let a slot start `ahead` samples after the next sample; `under_way`: a pilot is being cut."""
        start, period = self.now + ahead, self.slot_period
        number = (2 * start + period) // (2 * period)
        if ahead + self.offset >= 0:
            number = max(number, self._last_cut + 1 + bool(under_way))
        self._shift(start - number * period)
        if not under_way:
            self.seek()

    def _position_of(self, rx_time, clock):
        """Device position of the next sample, in samples of a clock: as a time tells, or as it follows."""
        if rx_time is not None:
            return clock.position(*rx_time)
        expected = self._base + self.now
        return (
            expected if clock.rate == self.clock.rate else clock.position(*self.clock.time(max(expected, 0)))
        )

    def _jump(self, position, rate_changed):
        self.gaps += 1
        self._last_cut = -1
        if rate_changed:
            self._losses.clear()
        if self._fixed_origin is None and (rate_changed or position < self._origin):
            self._place(position, position - self.slot * self.slot_period)
        elif rate_changed:
            self._place(position, self._origin_position(position))
            self._seek()  # the numbers of two rates say nothing about slots lost
        else:
            self._place(position, self._origin)
        self.seek()
        self._restore_losses()

    def _restore_losses(self):
        """Slots counted as lost that are ahead again are not lost."""
        while self._losses and self._losses[-1][1] > self.slot:
            first, end = self._losses.pop()
            self.slots_lost -= end - max(first, self.slot)
            if first < self.slot:
                self._losses.append((first, self.slot))

    def _seek(self):
        """Find the first slot, of those not cut yet, whose pilot is still to come."""
        first_to_come = -((self.offset - self.now) // self.slot_period)
        self.slot = max(first_to_come, self._last_cut + 1)
        self.pilot = self.slot * self.slot_period + self.offset

    def _origin_position(self, first):
        return first if self._fixed_origin is None else self.clock.position(*self._fixed_origin)

    def _place(self, position: int | Fraction, origin: int | Fraction) -> None:
        """The next sample is at device position `position`, slot 0 starts at `origin`."""
        self._origin: int | Fraction = origin
        self.now: int = round(position - origin)
        self._base = position - self.now

    def _shift(self, samples):
        """Move the grid without moving the samples and the pilot under way."""
        self._origin += samples
        self._base += samples
        self.now -= samples
        self.pilot -= samples
