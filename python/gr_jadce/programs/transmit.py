# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `jadce-transmit`: bursts to a USRP or a recording, and an account of them."""

import math
import time
from collections.abc import Callable, Iterator

from gnuradio import gr

from ..blocks.json_sink import json_sink
from ..blocks.recording_sink import recording_sink
from ..blocks.uplink_transmitter import uplink_transmitter
from ..blocks.zmq_sink import zmq_sink
from ..pilots.book import PilotBook
from ..radio.opening import open_transmitter
from ..radio.source import Sink
from ..slots.clock import SampleClock
from .process import StopSignals, say
from .radio_events import RadioEvents, TimeStamp
from .settings import TransmissionSettings
from .supervisor import MAX_MESSAGES_WAITING, POLL_INTERVAL_S, Supervisor

_LEAD_S = 1.0  # from the set-up of a radio to the first slot, at least
_TAIL_S = 0.1  # that a radio gets beyond its last slot
_DRAIN_TIMEOUT_S = 2.0  # that a stopped radio gets for the slots that it has


def transmit(book: PilotBook, settings: TransmissionSettings) -> int:
    """Run a transmission to its end or to a signal; print its counts; the exit code."""
    transmission = Transmission(book, settings)
    signals = StopSignals()
    try:
        transmission.run(lambda: signals.received)
    finally:
        complaints = list(transmission.complaints())
        _say_counts(transmission)
        for complaint in complaints:
            say(f"jadce-transmit: error: {complaint}")
    return 1 if complaints else 0


def _say_counts(transmission: "Transmission") -> None:
    counts = transmission.counts()
    say(" ".join(f"{name}={value}" for name, value in counts.items()))
    if scaled := counts["scaled"]:
        say(
            f"jadce-transmit: {scaled} of {counts['slots']} slots were scaled down (scaled={scaled}), or "
            "their sums would have clipped; a higher --backoff-db keeps all devices at one power"
        )


class Transmission:
    """A flowgraph from the bursts of some devices to a sink, its run and its counts.

    Parameters
    ----------
    book : PilotBook
    settings : TransmissionSettings

    Attributes
    ----------
    is_stopped : bool
        Whether it was ended before its last slot.

    Raises
    ------
    ValueError, OSError
        If a setting is wrong, or the radio is not there; the message says which.
    """

    def __init__(self, book: PilotBook, settings: TransmissionSettings) -> None:
        self.is_stopped = False
        self._unsent = 0
        self._radio = open_transmitter(settings.usrp) if settings.usrp else None
        self._rate = self._radio.rate if self._radio else settings.rate
        self._clock = SampleClock(self._rate)
        self._n_slots, self._period = settings.n_slots, settings.slot_period
        earliest = self._radio.now() + _LEAD_S if self._radio else 0.0
        origin, self._first = _grid(settings, self._clock, earliest)
        self._start = self._clock.position(*origin)
        self._transmitter = self._make_transmitter(book, settings, origin)
        self._truth = json_sink(settings.truth) if settings.truth is not None else None
        self._zmq_sink = zmq_sink(settings.zmq) if settings.zmq is not None else None
        self._recording: recording_sink | None = None
        self._time_stamp: TimeStamp | None = None
        self._events: RadioEvents | None = None
        self._flowgraph = gr.top_block("jadce-transmit")
        self._connect(settings)
        radio = self._radio.block if self._radio else None
        chain = [self._transmitter, radio, self._events, self._time_stamp, self._recording]
        chain += [self._truth, self._zmq_sink]
        self._supervisor = Supervisor(self._flowgraph, [block for block in chain if block])

    def run(self, is_stopped: Callable[[], bool] = lambda: False) -> dict[str, int]:
        """Run to the last slot, or until `is_stopped` says so; the counts."""
        try:
            self._supervisor.start(is_stopped)
            while self._supervisor.is_running() and not is_stopped() and not self._supervisor.find_dead():
                self._supervisor.join(POLL_INTERVAL_S)
        finally:
            self.is_stopped = is_stopped() or bool(self._supervisor.dead)
            self._supervisor.close()
        if self._radio and not self._supervisor.dead:
            self._unsent = self._outlast(self._radio, is_stopped)
        return self.counts()

    def counts(self) -> dict[str, int]:
        """What became of all slots so far."""
        counts = {"slots": self._transmitter.slots(), "scaled": self._transmitter.scaled()}
        if self._events:
            counts |= {"unsent": self._unsent, **self._events.counts()}
        if self._recording:
            counts |= {"recorded": self._recording.written(), "unrecorded": self._recording.dropped()}
        if self._truth:
            counts["lines"] = self._truth.written()
        if self._zmq_sink:
            counts |= {"published": self._zmq_sink.published(), "overflows": self._zmq_sink.overflows()}
        return counts

    def complaints(self) -> Iterator[str]:
        """What was not sent, or not written, in words."""
        counts = self.counts()
        for name in self._supervisor.dead:
            yield f"{name!r} has died, and what it had to do is not done; its error is above"
        if self._n_slots and counts["slots"] < self._n_slots and not self.is_stopped:
            yield f"only {counts['slots']} of {self._n_slots} slots were sent"
        if counts.get("late"):
            yield f"{counts['late']} bursts came too late for the radio, and were not sent"
        if self._recording and counts["unrecorded"]:
            cause = self._recording.drop_cause()
            yield f"{counts['unrecorded']} samples were not recorded: {cause}"
        if counts.get("lines", counts["slots"]) != counts["slots"]:
            yield f"{counts['slots'] - counts['lines']} of {counts['slots']} lines of truth were not written"

    def _make_transmitter(
        self, book: PilotBook, settings: TransmissionSettings, origin: tuple[int, float]
    ) -> uplink_transmitter:
        return uplink_transmitter(
            book,
            settings.devices,
            settings.slot_period,
            slot_origin=origin,
            first_slot=self._first,
            n_slots=settings.n_slots or 0,
            rate=self._rate,
            waveform=None if book.preambles else settings.waveform,
            activity=settings.activity,
            backoff_db=settings.backoff_db,
            continuous=self._radio is None or not self._radio.timed,
            seed=settings.seed,
            send_eof=True,
            payload=settings.payload,
            packets=settings.packets,
        )

    def _connect(self, settings: TransmissionSettings) -> None:
        if self._radio:
            self._events = RadioEvents()
            self._flowgraph.connect(self._transmitter, self._radio.block)
            self._flowgraph.msg_connect((self._radio.block, "async_msgs"), (self._events, "in"))
        elif settings.recording is not None:
            start = self._clock.time(self._start + self._first * self._period)
            self._time_stamp = TimeStamp(start, self._is_behind)
            self._recording = recording_sink(
                settings.recording, n_antennas=1, rate=self._rate, frequency=settings.frequency
            )
            self._flowgraph.connect(self._transmitter, self._time_stamp, self._recording)
        for sink in filter(None, (self._truth, self._zmq_sink)):
            for port in ("activity", "channel"):
                self._flowgraph.msg_connect((self._transmitter, port), (sink, "in"))

    def _is_behind(self) -> bool:
        """Whether the truth is so far behind that the samples of a recording are to wait."""
        if self._truth is None or self.is_stopped:
            return False
        return self._truth.waiting() > MAX_MESSAGES_WAITING

    def _outlast(self, radio: Sink, is_stopped: Callable[[], bool]) -> int:
        """Wait until the slots that the radio has are over; how many are not."""
        end = self._start + (self._first + self._transmitter.slots()) * self._period
        deadline = float("inf")
        while radio.now() < end / self._clock.rate + _TAIL_S and time.monotonic() < deadline:
            if is_stopped():
                deadline = min(deadline, time.monotonic() + _DRAIN_TIMEOUT_S)
            time.sleep(POLL_INTERVAL_S)
        left = end - radio.now() * self._rate
        return min(max(math.ceil(left / self._period), 0), self._transmitter.slots())


def _grid(
    settings: TransmissionSettings, clock: SampleClock, earliest: float
) -> tuple[tuple[int, float], int]:
    """The slot origin, and the first slot that starts at `earliest` seconds of device time or later."""
    if settings.slot_origin == "first":
        return (math.ceil(earliest), 0.0), 0
    origin = clock.position(*settings.slot_origin)
    first = math.ceil((earliest * clock.rate - origin) / settings.slot_period)
    return settings.slot_origin, max(0, first)
