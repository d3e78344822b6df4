# SPDX-License-Identifier: GPL-3.0-or-later
"""Antenna streams to frames."""

from operator import add, lt

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..checks import check_integer
from ..payload.format import PayloadForm, n_chips_of
from ..slots.alignment import StreamAligner
from ..slots.clock import END_OF_TIME
from ..slots.framer import Framer
from ..slots.grid import Origin
from ..slots.guard import GuardMeter
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog, refuse_change
from .support.tags import frame_tags, gather_tags, guard_tags, read_rate, read_times
from .support.thread_state import ThreadState

_MAX_BUFFER_BYTES, _MAX_BUFFER_FRAMES = 16_000_000, 1024
_BUFFER_SAMPLES = 2**16  # asked for in front of each input
_LONG_WAIT_S = 1.0  # for a slot origin: longer ones are told
_RATE_LOG_INTERVAL_S = 60.0


class pilot_framer(gr.basic_block):
    """Cuts the pilot of every slot out of M antenna streams, by device time.

    Each frame is one item, a vector of L·M samples: all antennas of symbol 0, then of symbol 1, … The
    first frame, and the first after each gap, carries the tags ``frame_id``, ``rx_time`` (of the
    pilot's first sample), ``slot_period``, ``rx_rate``, ``pilot_length``, ``n_antennas`` and ``framer``
    (a dictionary of totals); the others follow from it. Stream tags ``rx_time`` and ``rx_rate``, as
    `uhd.usrp_source` makes them, are read on all inputs. `gr_jadce.slots.framer.Framer` says what
    happens where time jumps. Where the times of inputs differ, samples of those that are behind are
    dropped until all are level; no frame is cut meanwhile. An input without ``rx_time`` is taken to be
    in step with the others.

    Parameters
    ----------
    pilot_length, n_antennas : int
        L and M; there are M inputs.
    slot_period : int
        Samples from slot to slot, at least the span of a pilot.
    slot_origin : "first" or (int, float)
        Where slot 0 starts: at the first sample, or at a device time (whole seconds, fraction).
    offset : int
        Samples from the start of a slot to that of its pilot. Negative where a block in front has left
        the tags of samples that it dropped to later ones: −3 behind `channels.channel_model`.
    rate : float
        Samples a second, until an ``rx_rate`` tag tells another: then this is said, and counted.
    hold_rate : bool
        Keep that rate whatever the tags tell, as behind a decimator, which leaves them untrue.
    resync_tag : str
        Name of a tag on input 0 that marks the start of a slot (``corr_start`` of `digital.corr_est_cc`);
        empty for none. Numbering goes on.
    resync_offset : int
        Samples from that tag to the start of the slot; may be negative.
    tag_every_frame : bool
        Tag all frames, so that they can be spread over several receivers.
    samples_per_symbol : int
        Of the inputs, behind a matched filter; one sample a symbol goes into the frame.
    guard_start, guard_length : int
        A part of every slot in which nobody transmits, in samples from the slot's start: its mean
        power goes along as a tag ``noise_var``, and the covariance of the antennas there as ``noise_cov``,
        (samples of each antenna . c32vector of M × M, row by row), both of all such parts since the last
        tags. Length 0 for none.
    delay : int
        Samples by which a filter in front makes the pilots late, part of `offset`: ``rx_time`` is the
        time at the antenna, so much earlier (later, if negative).
    payload : PayloadFormat, dict, JSON or path, optional
        Frames go on behind the pilot, by the chips of a packet; they count in the tag ``pilot_length``.

    Raises
    ------
    ValueError
        If an argument is out of range.
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
        resync_tag: str = "",
        resync_offset: int = 0,
        tag_every_frame: bool = False,
        samples_per_symbol: int = 1,
        guard_start: int = 0,
        guard_length: int = 0,
        delay: int = 0,
        payload: PayloadForm | None = None,
    ) -> None:
        self._guard = None
        if check_integer("guard_length", guard_length, 0):
            self._guard = GuardMeter(slot_period, guard_start, guard_length)
        self._framer = Framer(
            pilot_length + n_chips_of(payload),
            n_antennas,
            slot_period,
            slot_origin=slot_origin,
            offset=offset,
            rate=rate,
            hold_rate=hold_rate,
            stamp_every_frame=tag_every_frame,
            samples_per_symbol=samples_per_symbol,
            guard=self._guard,
            delay=delay,
        )
        self._rate, self._hold_rate = float(rate), bool(hold_rate)
        self._resync_tag = str(resync_tag)
        self._resync_offset = check_integer("resync_offset", resync_offset, -END_OF_TIME, END_OF_TIME)
        self._frame_shape = (self._framer.pilot_length, self._framer.n_antennas)
        n_antennas, length = self._framer.n_antennas, self._frame_shape[0] * self._frame_shape[1]
        self._aligner = StreamAligner(n_antennas, self._framer.clock)
        self._gaps_at_wait = -1  # gaps when the wait for an origin was last looked at
        gr.basic_block.__init__(
            self,
            name="JADCE pilot framer",
            in_sig=[np.complex64] * n_antennas,
            out_sig=[(np.complex64, length)],
        )
        self._log = LimitedLog(self.logger)
        self._rate_log = LimitedLog(self.logger, _RATE_LOG_INTERVAL_S)
        self._thread_state = ThreadState()
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self._set_buffer(min(max(_MAX_BUFFER_BYTES // (8 * length), 2), _MAX_BUFFER_FRAMES))
        # The size of the buffers in front is all that GNU Radio derives from it for such a block.
        self.set_relative_rate(1, _BUFFER_SAMPLES)
        keep_alive(self)

    def set_slot_period(self, slot_period: int) -> None:
        """Refuse another slot period, with an error in the log: it cannot change."""
        refuse_change(self.logger, "slot_period", slot_period, self._framer.slot_period)

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
        """Samples of each antenna taken so far, without those dropped."""
        return self._framer.samples

    def waiting_samples(self) -> int:
        """Those of them that came before a given slot origin."""
        return self._framer.waiting_samples

    def seconds_to_origin(self) -> float:
        """Seconds until slot 0 starts, by the next sample; 0 if it has."""
        return self._framer.seconds_to_origin

    def rate_conflicts(self) -> int:
        """Tags ``rx_rate`` so far that told another rate than the one given."""
        return self._framer.rate_conflicts

    def misalignments(self) -> int:
        """How often inputs were out of step so far."""
        return self._aligner.misalignments

    def dropped_samples(self) -> int:
        """Samples dropped so far to bring inputs level, of all inputs together."""
        return self._aligner.dropped

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """One sample an antenna is enough to go on."""
        return [1] * ninputs

    def general_work(self, input_items: list[NDArray], output_items: list[NDArray]) -> int:
        """Cut what there is, tag by tag; all samples are consumed while there is room."""
        frames = output_items[0].reshape(-1, *self._frame_shape)
        counts = [len(stream) for stream in input_items]
        tags = [gather_tags(self, count, port) for port, count in enumerate(counts)]
        used, made = [0] * len(counts), 0
        if self._aligner.is_level and not any(tags):  # mostly
            made = self._push(input_items, used, min(counts), frames, made)
        while made < len(frames) and all(map(lt, used, counts)):
            made += self._step(input_items, used, tags, counts, frames, made)
        self._consume(used)
        if made and self._guard is not None:
            self._tag_noise(self._guard.pop())
        return made

    def start(self) -> bool:
        """Keep the state of this thread."""
        self._thread_state.hold()
        return True

    def stop(self) -> bool:
        """Count the frame under way, if any, as partial."""
        self._framer.end()
        self._thread_state.release()
        return True

    def _set_buffer(self, frames):
        level = self.log_level()
        self.set_log_level("warn")  # GNU Radio tells of every such buffer
        self.set_min_output_buffer(frames)
        self.set_log_level(level)

    def _step(self, input_items, used, tags, counts, frames, made):
        """Apply the tags here and go on to the next ones; how many frames that makes."""
        self._apply([of_port.pop(index, {}) for of_port, index in zip(tags, used, strict=True)])
        room = [next(iter(of_port), n) - u for of_port, n, u in zip(tags, counts, used, strict=True)]
        if self._aligner.is_level:
            return self._push(input_items, used, min(room), frames, made)
        self._align(used, room)
        return 0

    def _consume(self, used):
        if min(used) == max(used):
            self.consume_each(used[0])
            return
        for port, count in enumerate(used):
            self.consume(port, count)

    def _push(self, input_items, used, count, frames, made):
        """Cut `count` samples of every input, from those used on; how many frames that makes."""
        if self._framer.gaps != self._gaps_at_wait:
            self._say_wait()
        streams = [stream[index : index + count] for stream, index in zip(input_items, used, strict=True)]
        taken, more, stamps = self._framer.push(streams, frames[made:])
        self._tag_frames(made, stamps)
        self._aligner.advance(taken)
        used[:] = [index + taken for index in used]
        return more

    def _align(self, used, room):
        """Drop what other inputs have no samples of, as far as they are there."""
        self._log.warn(f"inputs out of step by their rx_time tags, samples are dropped: {self._aligner}")
        used[:] = map(add, used, self._aligner.drop(room))
        if self._aligner.is_level:
            self._framer.set_time(self._aligner.time())

    def _apply(self, tags):
        """Apply the tags of the next sample of every input."""
        if not any(tags):
            return
        rate = read_rate(tags, self._log.warn)
        clock = self._framer.clock_at(rate)
        times = read_times(tags, clock, self._log.warn)
        try:
            if times or rate is not None:
                self._aligner.set_times(times, clock)
                self._set_time(times.get(self._aligner.reference), rate)
        except ValueError as error:  # a rate at which the time now is beyond all times
            self._log.warn(f"ignoring rx_rate and rx_time tags: {error}")
        if self._resync_tag and self._resync_tag in tags[0]:
            self._framer.resync(self._resync_offset)

    def _set_time(self, rx_time, rate):
        if self._aligner.is_level:
            self._framer.set_time(rx_time, rate)
        else:
            self._framer.interrupt()
            self._framer.set_time(rate=rate)
        if rate is not None and self._framer.differs_from_rate(rate):
            self._say_rate(rate)

    def _say_rate(self, rate):
        self._rate_log.warn(
            f"a tag rx_rate tells {rate:g} samples a second, the block {self._rate:g}: "
            + ("the block's is held" if self._hold_rate else "the tag's counts; hold_rate holds the block's")
        )

    def _say_wait(self):
        """Say how far away a slot origin is: once, and again after a jump of time."""
        self._gaps_at_wait, wait = self._framer.gaps, self._framer.seconds_to_origin
        if wait > _LONG_WAIT_S:
            self.logger.warn(f"slot 0 starts {wait:.10g} s after this sample: no frames until then")

    def _tag_noise(self, noise):
        for name, value in guard_tags(noise).items() if noise is not None else ():
            self.add_item_tag(0, self.nitems_written(0), pmt.intern(name), value)

    def _tag_frames(self, made, stamps):
        for stamp in stamps:
            item = self.nitems_written(0) + made + stamp.place
            for key, value in frame_tags(stamp, self._framer, self._aligner.misalignments):
                self.add_item_tag(0, item, key, value)
