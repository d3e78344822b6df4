# SPDX-License-Identifier: GPL-3.0-or-later
"""Antenna streams to frames."""

import numpy as np
import pmt
from gnuradio import gr

from ..checks import check_integer
from ..slots.framer import Framer
from ..slots.guard import GuardMeter
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog
from .support.tags import tag_name
from .support.thread_state import ThreadState

_RX_TIME = pmt.intern("rx_time")
_RX_RATE = pmt.intern("rx_rate")
_FRAME_ID = pmt.intern("frame_id")
_SLOT_PERIOD = pmt.intern("slot_period")
_FRAMER = pmt.intern("framer")
_NOISE_VAR = pmt.intern("noise_var")
_MAX_BUFFER_BYTES, _MAX_BUFFER_FRAMES = 16_000_000, 1024
_BUFFER_SAMPLES = 2**16  # asked for in front of each input


class pilot_framer(gr.basic_block):
    """Cuts the pilot of every slot out of M antenna streams, by device time.

    Each frame is one item, a vector of L·M samples: all antennas of symbol 0, then of symbol 1, …
    The first frame, and the first after each gap, carries the tags ``frame_id``, ``rx_time`` (of
    the pilot's first sample), ``slot_period``, ``rx_rate`` and ``framer`` (a dictionary of
    totals); the others follow from it. Stream tags ``rx_time`` and ``rx_rate``, as
    `uhd.usrp_source` makes them, are read on input 0. `gr_jadce.slots.framer.Framer` says what happens
    where time jumps.

    Parameters
    ----------
    pilot_length, n_antennas : int
        L and M; there are M inputs.
    slot_period : int
        Samples from slot to slot, at least the span of a pilot.
    slot_origin : "first" or (int, float)
        Where slot 0 starts: at the first sample, or at a device time (whole seconds, fraction).
    offset : int
        Samples from the start of a slot to that of its pilot.
    rate : float
        Samples a second, until an ``rx_rate`` tag tells another.
    resync_tag : str
        Name of a tag that marks the start of a slot (``corr_start`` of `digital.corr_est_cc`);
        empty for none. Numbering goes on.
    resync_offset : int
        Samples from that tag to the start of the slot; may be negative.
    tag_every_frame : bool
        Tag all frames, so that they can be spread over several receivers.
    samples_per_symbol : int
        Of the inputs, behind a matched filter; one sample a symbol goes into the frame.
    guard_start, guard_length : int
        A part of every slot in which nobody transmits, in samples from the slot's start: its mean
        power goes along as a tag ``noise_var``, of all such parts since the last tag. Length 0 for none.
    delay : int
        Samples by which a filter in front makes the pilots late, part of `offset`: ``rx_time`` is the
        time at the antenna, so much earlier.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        pilot_length,
        n_antennas,
        slot_period,
        slot_origin="first",
        offset=0,
        rate=1e6,
        resync_tag="",
        resync_offset=0,
        tag_every_frame=False,
        samples_per_symbol=1,
        guard_start=0,
        guard_length=0,
        delay=0,
    ):
        self._guard = None
        if check_integer("guard_length", guard_length, 0):
            start = check_integer("guard_start", guard_start, 0)
            self._guard = GuardMeter(check_integer("slot_period", slot_period, 1), start, guard_length)
        self._framer = Framer(
            pilot_length,
            n_antennas,
            slot_period,
            slot_origin,
            offset,
            rate,
            tag_every_frame,
            samples_per_symbol,
            self._guard,
            delay,
        )
        self._resync_tag = str(resync_tag)
        self._resync_offset = int(resync_offset)
        self._frame_shape = (pilot_length, n_antennas)
        length = pilot_length * n_antennas
        gr.basic_block.__init__(
            self,
            name="JADCE pilot framer",
            in_sig=[np.complex64] * n_antennas,
            out_sig=[(np.complex64, length)],
        )
        self._log = LimitedLog(self.logger)
        self._thread_state = ThreadState()
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self._set_buffer(min(max(_MAX_BUFFER_BYTES // (8 * length), 2), _MAX_BUFFER_FRAMES))
        # The size of the buffers in front is all that GNU Radio derives from it for such a block.
        self.set_relative_rate(1, _BUFFER_SAMPLES)
        keep_alive(self)

    def frames(self) -> int:
        """Frames cut so far."""
        return self._framer.frames

    def gaps(self) -> int:
        """Jumps of device time so far."""
        return self._framer.gaps

    def slots_lost(self) -> int:
        """Slots lost to gaps so far."""
        return self._framer.slots_lost

    def partial_frames(self) -> int:
        """Frames so far of which only the beginning came."""
        return self._framer.partial_frames

    def samples(self) -> int:
        """Samples of each antenna taken so far."""
        return self._framer.samples

    def forecast(self, noutput_items, ninputs):
        """One sample an antenna is enough to go on."""
        return [1] * ninputs

    def general_work(self, input_items, output_items):
        """Cut what there is, event by event; all samples are consumed while there is room."""
        available = min(len(stream) for stream in input_items)
        frames = output_items[0].reshape(-1, *self._frame_shape)
        used = made = 0
        for index, events in self._events(available):
            streams = [stream[used:index] for stream in input_items]
            more_used, more_made, stamps = self._framer.push(streams, frames[made:])
            self._tag_frames(made, stamps)
            used, made = used + more_used, made + more_made
            if used < index or made == len(frames):
                break
            self._apply(events)
        self.consume_each(used)
        if made and self._guard is not None:
            self._tag_noise(self._guard.read())
        return made

    def start(self):
        self._thread_state.hold()
        return True

    def stop(self):
        """Count the frame under way, if any, as partial."""
        self._framer.end()
        self._thread_state.release()
        return True

    def _set_buffer(self, frames):
        level = self.log_level()
        self.set_log_level("warn")  # GNU Radio tells of every such buffer
        self.set_min_output_buffer(frames)
        self.set_log_level(level)

    def _events(self, available):
        """[(index, {key: value})] of the samples that carry tags, then (available, {})."""
        tags = self.get_tags_in_window(0, 0, available)
        if not tags:
            return [(available, {})]
        first = self.nitems_read(0)
        events = {}
        for tag in tags:
            events.setdefault(tag.offset - first, {})[tag_name(tag)] = tag.value
        return [*sorted(events.items()), (available, {})]

    def _apply(self, events):
        try:
            rx_time, rate = events.get("rx_time"), events.get("rx_rate")
            if rx_time is not None or rate is not None:
                self._framer.set_time(_time(rx_time), None if rate is None else pmt.to_double(rate))
        except Exception as error:
            self._log.warn(f"ignoring a malformed rx_time or rx_rate tag: {error}")
        if self._resync_tag and self._resync_tag in events:
            self._framer.resync(self._resync_offset)

    def _tag_noise(self, noise_var):
        if noise_var is not None:
            self.add_item_tag(0, self.nitems_written(0), _NOISE_VAR, pmt.from_double(noise_var))

    def _tag_frames(self, made, stamps):
        for stamp in stamps:
            item = self.nitems_written(0) + made + stamp.index
            self.add_item_tag(0, item, _FRAME_ID, pmt.from_uint64(stamp.frame_id))
            seconds, fraction = stamp.rx_time
            rx_time = pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction))
            self.add_item_tag(0, item, _RX_TIME, rx_time)
            self.add_item_tag(0, item, _SLOT_PERIOD, pmt.from_uint64(self._framer.slot_period))
            self.add_item_tag(0, item, _RX_RATE, pmt.from_double(float(self._framer.clock.rate)))
            self.add_item_tag(0, item, _FRAMER, pmt.to_pmt(stamp.totals))


def _time(value):
    if value is None:
        return None
    return pmt.to_uint64(pmt.tuple_ref(value, 0)), pmt.to_double(pmt.tuple_ref(value, 1))
