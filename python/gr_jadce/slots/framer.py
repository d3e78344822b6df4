# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting pilots out of antenna streams by device time, and numbering them.

All times are counted in samples, in exact arithmetic, so the grid does not drift however long a
radio runs. Nothing here needs GNU Radio: the blocks `pilot_framer` and `receiver` are thin layers
over `Framer` and `FrameTimeline`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer
from .clock import LONGEST_SLOT, SampleClock
from .grid import Origin, StreamGrid
from .guard import GuardMeter

_RATE_TOLERANCE = 1e-6  # by which share a tag may differ from the rate given: both are rounded


class Stamp(NamedTuple):
    """Number, device time and the framer's totals at one frame.

    `place` is the frame's place among those just cut.
    """

    place: int
    frame_id: int
    rx_time: tuple[int, float]
    totals: dict[str, int]


class Framer:
    """Cuts the pilot of every slot out of M streams, by device time.

    Slot k starts `slot_period`·k samples after the slot origin, its pilot `offset` samples later.
    Call `set_time` and `resync` where the streams say so, `push` for the samples between.

    Where device time jumps, the frame under way is discarded, and framing goes on with the first
    pilot that is wholly there; `frame_id` goes on telling device time, so it jumps by exactly the
    slots lost. If time jumps backwards, `frame_id` goes back with it; but with the origin "first",
    a time before that origin means that the clock was set anew: the first sample after it starts
    a slot, and numbering goes on. A new sample rate is treated like such a jump. Slots before a
    given origin are not framed. A frame before device time 0 is stamped with time 0: there is no
    earlier one.

    Parameters
    ----------
    pilot_length, n_antennas : int
        L and M.
    slot_period : int
        Samples from slot to slot, at least the span of a pilot.
    slot_origin : "first" or (int, float)
        Where slot 0 starts: at the first sample, or at a device time (whole seconds, fraction).
    offset : int
        Samples from the start of a slot to that of its pilot, less than `slot_period`; negative where
        a block in front has left the tags of samples that it dropped to later ones.
    rate : float
        Samples a second, until `set_time` tells another.
    hold_rate : bool
        Keep that rate, whatever `set_time` tells.
    stamp_every_frame : bool
        Stamp every frame, not only those that do not follow from the one before.
    samples_per_symbol : int
        Every so many samples one is kept: a pilot spans (L − 1)·samples_per_symbol + 1 samples.
    guard : GuardMeter, optional
        Is given all samples, by their place from the start of slot 0.
    delay : int
        Samples by which filters in front make the pilots late, part of `offset`: stamps tell the time
        at the antenna, so much earlier (later, if negative).

    Attributes
    ----------
    frames, partial_frames, samples : int
        Totals: frames cut, frames discarded under way, samples taken from each stream.
    waiting_samples : int
        Those of them that came before a given slot origin.
    rate_conflicts : int
        How often `set_time` told another rate than the one given.

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it.
    """

    def __init__(
        self,
        pilot_length: int,
        n_antennas: int,
        slot_period: int,
        *,
        slot_origin: Origin = "first",
        offset: int = 0,
        rate: float = 1e6,
        hold_rate: bool = False,
        stamp_every_frame: bool = False,
        samples_per_symbol: int = 1,
        guard: GuardMeter | None = None,
        delay: int = 0,
    ) -> None:
        self._guard = guard
        self.pilot_length = check_integer("pilot_length", pilot_length, 1)
        self.n_antennas = check_integer("n_antennas", n_antennas, 1)
        self.samples_per_symbol = check_integer("samples_per_symbol", samples_per_symbol, 1, 2**16)
        self._span = (self.pilot_length - 1) * self.samples_per_symbol + 1
        self.slot_period = check_integer("slot_period", slot_period, self._span, LONGEST_SLOT)
        self.offset = check_integer("offset", offset, 1 - self.slot_period, self.slot_period - 1)
        self._delay = check_integer("delay", delay, min(self.offset, 0), max(self.offset, 0))
        self._nominal_rate, self._hold_rate = SampleClock(rate), bool(hold_rate)
        self._grid = StreamGrid(self.slot_period, self.offset, slot_origin, self._nominal_rate)
        self.frames = self.partial_frames = self.samples = self.waiting_samples = self.rate_conflicts = 0
        self._stamp_every_frame = bool(stamp_every_frame)
        self._partial = np.empty((self._span, self.n_antennas), np.complex64)
        self._filled = 0  # samples in _partial
        self._follows: tuple | None = None  # position and number of the frame that needs no stamp

    @property
    def clock(self) -> SampleClock:
        """The sample rate, as it is now."""
        return self._grid.clock

    @property
    def gaps(self) -> int:
        """Jumps of device time."""
        return self._grid.gaps

    @property
    def slots_lost(self) -> int:
        """Slots that gaps have cost: those between, unless device time goes back to them."""
        return self._grid.slots_lost

    @property
    def seconds_to_origin(self) -> float:
        """Seconds until slot 0 starts, by the next sample; 0 if it has."""
        return float(self._grid.samples_to_origin / self.clock.rate)

    def clock_at(self, rate: float | None) -> SampleClock:
        """The clock after a rate was told, None for none; ValueError if it is no rate."""
        if rate is None:
            return self.clock
        clock = SampleClock(rate)
        return self.clock if self._hold_rate else clock

    def differs_from_rate(self, rate: float) -> bool:
        """Is a rate told another one than that given at first?"""
        nominal = float(self._nominal_rate.rate)
        return abs(rate - nominal) > _RATE_TOLERANCE * nominal

    def set_time(self, rx_time: tuple[int, float] | None = None, rate: float | None = None) -> None:
        """Tell the device time of the next sample, the sample rate, or both.

        A time within half a sample of the predicted one changes nothing. With the origin "first",
        the first time told dates all samples before it, too.
        """
        clock = self.clock_at(rate)
        if self.samples == 0:
            self._grid.start_at(rx_time, clock)
        elif self._grid.set_time(rx_time, clock):
            self._follows = None
            self._discard()
        self.rate_conflicts += rate is not None and self.differs_from_rate(rate)

    def resync(self, ahead: int) -> None:
        """Let a slot start `ahead` samples after the next sample (before it, if negative).

        Numbering goes on: the slot keeps the number of the nearest slot so far or, if that one
        has been cut, takes the next. A frame under way is finished, unless the new slot's pilot
        is yet to come and begins before its end.
        """
        if (self._grid.now + ahead) % self.slot_period == 0:
            return
        if self._filled and 0 <= ahead + self.offset < self._span - self._filled:
            self._discard()
        self._grid.resync(ahead, self._filled > 0)
        self._follows = None

    def interrupt(self) -> None:
        """Discard a frame under way: its samples do not belong together."""
        if self._filled:
            self._discard()
            self._grid.seek()

    def push(self, streams: Sequence[NDArray], out: NDArray) -> tuple[int, int, list[Stamp]]:
        """Cut frames from samples between which time does not jump.

        Parameters
        ----------
        streams : sequence of M (n,) complex64 arrays
            The next samples of each antenna.
        out : (B, L, M) complex64 array
            Where complete frames go, B ≥ 1.

        Returns
        -------
        used, made : int
            Samples consumed (all, unless `out` is full) and frames written.
        stamps : list of Stamp
            One for each frame whose number and time do not follow from the one before.
        """
        stamps: list[Stamp] = []
        used = made = 0
        began = self._grid.now
        if self._filled:
            used = self._collect(streams)
            made = self._finish(out, stamps)
        if not self._filled and made < len(out):
            more_used, count = self._cut_whole([stream[used:] for stream in streams], out, made, stamps)
            used, made = used + more_used, made + count
        if not self._filled and made < len(out):
            used += self._collect([stream[used:] for stream in streams])
        if self._guard is not None:
            self._guard.push(began, [stream[:used] for stream in streams])
        return used, made, stamps

    def end(self) -> None:
        """The streams have ended: a frame under way is counted as partial."""
        if self._filled:
            self._discard()
            self._grid.skip_pilot()

    def _finish(self, out, stamps):
        if self._filled < self._span:
            return 0
        out[0] = self._partial[:: self.samples_per_symbol]
        self._filled = 0
        self._account(0, 1, stamps)
        return 1

    def _cut_whole(self, streams, out, made, stamps):
        """Cut all frames that lie wholly within the streams, as far as `out` has room."""
        ahead = self._grid.pilot - self._grid.now
        whole = (len(streams[0]) - ahead - self._span) // self.slot_period + 1
        count = min(whole, len(out) - made)
        if count <= 0:
            return 0, 0
        for antenna, stream in enumerate(streams):
            out[made : made + count, :, antenna] = self._pilots(stream[ahead:], count)
        used = ahead + (count - 1) * self.slot_period + self._span
        self._advance(used)
        self._account(made, count, stamps)
        return used, count

    def _pilots(self, stream, count):
        """View of the pilots of `count` slots, the first at the start of the stream."""
        shape, step = (count, self.pilot_length), stream.strides[0]
        if self.pilot_length == self.slot_period:
            return stream[: count * self.pilot_length].reshape(shape)
        return np.lib.stride_tricks.as_strided(
            stream, shape, (self.slot_period * step, self.samples_per_symbol * step), writeable=False
        )

    def _collect(self, streams):
        """Take the guard before the next pilot, and what there is of that pilot."""
        available = len(streams[0])
        skip = min(available, max(0, self._grid.pilot - self._grid.now))
        size = min(available - skip, self._span - self._filled)
        for antenna, stream in enumerate(streams):
            self._partial[self._filled : self._filled + size, antenna] = stream[skip : skip + size]
        self._filled += size
        self._advance(skip + size)
        return skip + size

    def _advance(self, count):
        self.waiting_samples += min(count, self._grid.samples_to_origin)
        self._grid.advance(count)
        self.samples += count

    def _account(self, place, count, stamps):
        """Account for `count` frames just cut, the first being the one that was next."""
        grid, first = self._grid, self._grid.pilot_position()
        before_zero = first < self._delay  # time stands still at 0 there: nothing follows from it
        if self._stamp_every_frame or before_zero:
            stamps += [self._stamp(place, count, behind) for behind in range(count)]
        elif self._follows != (first, grid.slot):
            stamps.append(self._stamp(place, count, 0))
        self.frames += count
        following = (first + count * self.slot_period, grid.slot + count)
        self._follows = None if before_zero else following
        grid.next_slot(count)

    def _stamp(self, place, count, behind):
        position = self._grid.pilot_position() - self._delay + behind * self.slot_period
        totals = {
            "gaps": self.gaps,
            "slots_lost": self.slots_lost,
            "partial_frames": self.partial_frames,
            "samples": self.samples - (count - 1 - behind) * self.slot_period,
            "waiting_samples": self.waiting_samples,
            "rate_conflicts": self.rate_conflicts,
        }
        return Stamp(place + behind, self._grid.slot + behind, self.clock.time(max(position, 0)), totals)

    def _discard(self):
        self.partial_frames += self._filled > 0
        self._filled = 0
