# SPDX-License-Identifier: GPL-3.0-or-later
"""The slot grid: cutting pilots out of antenna streams by device time, and numbering them.

All times are counted in samples, in exact arithmetic, so the grid does not drift however long a
radio runs. Nothing here needs GNU Radio: the blocks `pilot_framer` and `receiver` are thin layers
over `Framer` and `FrameTimeline`.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..checks import check_integer
from .clock import LONGEST_SLOT, SampleClock, check_origin


class Stamp(NamedTuple):
    """Number, device time and the framer's totals at one frame.

    `index` is the frame's place among those just cut.
    """

    index: int
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
    given origin are not framed.

    Parameters
    ----------
    pilot_length, n_antennas : int
        L and M.
    slot_period : int
        Samples from slot to slot, at least the span of a pilot.
    slot_origin : "first" or (int, float)
        Where slot 0 starts: at the first sample, or at a device time (whole seconds, fraction).
    offset : int
        Samples from the start of a slot to that of its pilot, less than `slot_period`.
    rate : float
        Samples a second, until `set_time` tells another.
    stamp_every_frame : bool
        Stamp every frame, not only those that do not follow from the one before.
    samples_per_symbol : int
        Every so many samples one is kept: a pilot spans (L − 1)·samples_per_symbol + 1 samples.
    guard : GuardMeter, optional
        Is given all samples, by their place from the start of slot 0.
    delay : int
        Samples by which filters in front make the pilots late, part of `offset`: stamps tell the time
        at the antenna, so much earlier.

    Attributes
    ----------
    frames, gaps, slots_lost, partial_frames, samples : int
        Totals: frames cut, jumps of device time, slots lost, frames discarded under way, samples
        taken from each stream.

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it.
    """

    def __init__(
        self,
        pilot_length,
        n_antennas,
        slot_period,
        slot_origin="first",
        offset=0,
        rate=1e6,
        stamp_every_frame=False,
        samples_per_symbol=1,
        guard=None,
        delay=0,
    ):
        self._guard = guard
        self.pilot_length = check_integer("pilot_length", pilot_length, 1)
        self.n_antennas = check_integer("n_antennas", n_antennas, 1)
        self.samples_per_symbol = check_integer("samples_per_symbol", samples_per_symbol, 1, 2**16)
        self._span = (self.pilot_length - 1) * self.samples_per_symbol + 1
        self.slot_period = check_integer("slot_period", slot_period, self._span, LONGEST_SLOT)
        self.offset = check_integer("offset", offset, 0, self.slot_period - 1)
        self._delay = check_integer("delay", delay, 0, self.offset)
        self.clock = SampleClock(rate)
        self.frames = self.gaps = self.slots_lost = self.partial_frames = self.samples = 0
        self._slot_origin = slot_origin if slot_origin == "first" else check_origin(slot_origin)
        self._stamp_every_frame = bool(stamp_every_frame)
        self._partial = np.empty((self._span, self.n_antennas), np.complex64)
        self._filled = 0  # samples in _partial
        self._timed = False  # has any device time been told?
        # _now is the next sample and _start the pilot that is next or under way, both in whole
        # samples from the start of slot 0; that pilot's slot is _id. _base is the device position
        # of _now = 0: the origin, moved by less than a sample to fall on one.
        self._id, self._last_cut = 0, -1
        self._due = None  # device position and number that a frame needs no stamp for
        self._place(0, self._origin_position(0))
        self._seek()

    def set_time(self, rx_time=None, rate=None):
        """Tell the device time of the next sample, the sample rate, or both.

        A time within half a sample of the predicted one changes nothing. With the origin "first",
        the first time told dates all samples before it, too.
        """
        clock = self.clock if rate is None else SampleClock(rate)
        rate_changed = clock.rate != self.clock.rate
        predicted = self._base + self._now
        if rate_changed:
            predicted = clock.position(*self.clock.time(predicted))
        told = predicted if rx_time is None else clock.position(*rx_time)
        dates_all = rx_time is not None and not self._timed and self._slot_origin == "first"
        self._timed |= rx_time is not None
        self.clock = clock
        if self.samples == 0:
            self._place(told, self._origin_position(told))
            self._seek()
        elif rate_changed or (abs(told - predicted) > Fraction(1, 2) and not dates_all):
            self._jump(told, rate_changed)
        elif dates_all and told != predicted:
            self._base += told - predicted
            self._origin += told - predicted
            self._due = None

    def resync(self, ahead):
        """Let a slot start `ahead` samples after the next sample (before it, if negative).

        Numbering goes on: the slot keeps the number of the nearest slot so far or, if that one
        has been cut, takes the next. A frame under way is finished, unless the new slot's pilot
        is yet to come and begins before its end.
        """
        start, pilot, period = self._now + ahead, ahead + self.offset, self.slot_period
        if start % period == 0:
            return
        if self._filled and 0 <= pilot < self._span - self._filled:
            self._discard()
        number = (2 * start + period) // (2 * period)
        if pilot >= 0:
            number = max(number, self._last_cut + 1 + bool(self._filled))
        self._shift(start - number * period)
        self._due = None
        if not self._filled:
            self._seek_and_count_lost()

    def push(self, streams, out) -> tuple[int, int, list[Stamp]]:
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
        stamps = []
        used = made = 0
        began = self._now
        if self._filled:
            used = self._collect(streams)
            made = self._finish(out, stamps)
        if not self._filled and made < len(out):
            more_used, count = self._cut_whole([stream[used:] for stream in streams], out, made, stamps)
            used, made = used + more_used, made + count
        if not self._filled and made < len(out):
            used += self._collect([stream[used:] for stream in streams])
        if self._guard is not None:
            self._guard.take(began, [stream[:used] for stream in streams])
        return used, made, stamps

    def end(self):
        """The streams have ended: a frame under way is counted as partial."""
        if self._filled:
            self._discard()
            self._seek()

    def _finish(self, out, stamps):
        if self._filled < self._span:
            return 0
        out[0] = self._partial[:: self.samples_per_symbol]
        self._filled = 0
        self._account(0, 1, stamps)
        return 1

    def _cut_whole(self, streams, out, made, stamps):
        """Cut all frames that lie wholly within the streams, as far as `out` has room."""
        ahead = self._start - self._now
        whole = (len(streams[0]) - ahead - self._span) // self.slot_period + 1
        count = min(whole, len(out) - made)
        if count <= 0:
            return 0, 0
        for antenna, stream in enumerate(streams):
            out[made : made + count, :, antenna] = self._pilots(stream[ahead:], count)
        used = ahead + (count - 1) * self.slot_period + self._span
        self._take(used)
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
        skip = min(available, max(0, self._start - self._now))
        size = min(available - skip, self._span - self._filled)
        for antenna, stream in enumerate(streams):
            self._partial[self._filled : self._filled + size, antenna] = stream[skip : skip + size]
        self._filled += size
        self._take(skip + size)
        return skip + size

    def _take(self, count):
        self._now += count
        self.samples += count

    def _account(self, index, count, stamps):
        """Account for `count` frames just cut, the first being the one that was next."""
        position = self._base + self._start
        if self._stamp_every_frame:
            stamps += [self._stamp(index, count, behind) for behind in range(count)]
        elif self._due != (position, self._id):
            stamps.append(self._stamp(index, count, 0))
        self.frames += count
        self._id += count
        self._last_cut = self._id - 1
        self._due = (position + count * self.slot_period, self._id)
        self._seek_and_count_lost()

    def _stamp(self, index, count, behind):
        rx_time = self.clock.time(self._base + self._start - self._delay + behind * self.slot_period)
        samples = self.samples - (count - 1 - behind) * self.slot_period
        totals = {
            "gaps": self.gaps,
            "slots_lost": self.slots_lost,
            "partial_frames": self.partial_frames,
            "samples": samples,
        }
        return Stamp(index + behind, self._id + behind, rx_time, totals)

    def _seek(self):
        """Find the first slot, of those not cut yet, whose pilot is still to come."""
        first_to_come = -((self.offset - self._now) // self.slot_period)
        self._id = max(first_to_come, self._last_cut + 1)
        self._start = self._id * self.slot_period + self.offset

    def _seek_and_count_lost(self):
        expected = self._id
        self._seek()
        self.slots_lost += max(0, self._id - expected)

    def _discard(self):
        self.partial_frames += 1
        self._filled = 0

    def _jump(self, told, rate_changed):
        self.gaps += 1
        if self._filled:
            self._discard()
        self._due = None
        self._last_cut = -1
        if self._slot_origin == "first" and (rate_changed or told < self._origin):
            self._place(told, told - self._id * self.slot_period)
        elif rate_changed:
            self._place(told, self._origin_position(told))
            self._seek()  # the numbers of two rates say nothing about slots lost
        else:
            self._place(told, self._origin)
        self._seek_and_count_lost()

    def _origin_position(self, first):
        return first if self._slot_origin == "first" else self.clock.position(*self._slot_origin)

    def _place(self, told, origin):
        """The next sample is at device position `told`, slot 0 starts at `origin`."""
        self._origin = origin
        self._now = round(told - origin)
        self._base = told - self._now

    def _shift(self, samples):
        """Move the grid without moving the samples and the frame under way."""
        self._origin += samples
        self._base += samples
        self._now -= samples
        self._start -= samples
