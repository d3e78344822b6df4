# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `jadce-transmit`: bursts to a USRP or a recording, and what became of them."""

import math
import signal
import sys
import threading
import time
from collections import Counter

import numpy as np
import pmt
from gnuradio import gr

from ..blocks.json_sink import json_sink
from ..blocks.recording_sink import recording_sink
from ..blocks.support.watchdog import dead_blocks
from ..blocks.uplink_transmitter import uplink_transmitter
from ..radio.usrp import device_time, open_transmitter
from ..slots.clock import SampleClock
from ..waveform import Waveform

_EVENTS = {
    "time_error": "late",
    "underflow": "underflow",
    "underflow_in_packet": "underflow",
    "seq_error": "lost",
    "seq_error_in_burst": "lost",
}
_LEAD = 1.0  # seconds from the set-up of a radio to the first slot, at least
_LINGER = 0.1  # seconds that a radio gets beyond its last slot
_HURRY = 2.0  # seconds that it gets for the slots that it has when a signal comes


class Emission:
    """A flowgraph from the bursts of some devices to a sink, its run and its counts.

    Parameters
    ----------
    args : argparse.Namespace
        The options of `jadce-transmit`.
    book : PilotBook

    Raises
    ------
    ValueError, OSError
        If an option is wrong, or the radio is not there; the message says which.
    """

    def __init__(self, args, book):
        self.usrp = open_transmitter(args) if args.usrp is not None else None
        self.rate = self.usrp.get_samp_rate() if self.usrp else args.rate
        self.clock = SampleClock(self.rate)
        self.n_slots = args.slots
        origin, self.first = _grid(args, self.clock, device_time(self.usrp) + _LEAD if self.usrp else 0.0)
        self.start, self.period = self.clock.position(*origin), args.slot_period
        self.transmitter = uplink_transmitter(
            book, args.devices(book.n_devices), args.slot_period,
            slot_origin=origin, first_slot=self.first, n_slots=args.slots or 0, rate=self.rate,
            waveform=Waveform(args.samples_per_symbol, args.roll_off, cyclic_prefix=args.cyclic_prefix),
            activity=args.activity, backoff_db=args.backoff_db,
            continuous=self.usrp is None, seed=args.seed, send_eof=True,
        )  # fmt: skip
        self.truth = json_sink(args.truth) if args.truth else None
        self.recording = self.stamp = self.events = None
        self.dead = []
        self.signalled = threading.Event()
        self.flowgraph = gr.top_block("jadce-transmit")
        if self.usrp:
            self._connect_usrp()
        else:
            self._connect_recording(args)
        if self.truth:
            for port in ("activity", "channel"):
                self.flowgraph.msg_connect((self.transmitter, port), (self.truth, "in"))

    def run(self) -> int:
        """Run to the last slot or to a signal; print the counts; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle_signal)
        self.flowgraph.start()
        waiter = threading.Thread(target=self.flowgraph.wait, daemon=True)
        waiter.start()
        while waiter.is_alive() and not self.signalled.is_set() and not self.dead:
            waiter.join(0.05)
            self.dead = self._find_dead()
        self.flowgraph.stop()
        waiter.join()
        unsent = self._outlast_the_radio() if self.usrp and not self.dead else 0
        return self._report(unsent)

    def _find_dead(self):
        """Blocks of the running flowgraph that have died."""
        candidates = (self.transmitter, self.usrp, self.events, self.stamp, self.recording, self.truth)
        return dead_blocks([block for block in candidates if block])

    def _connect_usrp(self):
        self.events = RadioEvents()
        self.flowgraph.connect(self.transmitter, self.usrp)
        self.flowgraph.msg_connect((self.usrp, "async_msgs"), (self.events, "in"))

    def _connect_recording(self, args):
        self.stamp = _Stamp(self.clock.time(self.start + self.first * self.period))
        frequency = args.freq[0] if args.freq else 0.0
        self.recording = recording_sink(args.recording, 1, self.rate, frequency=frequency)
        self.flowgraph.connect(self.transmitter, self.stamp, self.recording)

    def _handle_signal(self, number, _frame):
        """End cleanly; a second signal ends the process at once."""
        signal.signal(number, signal.SIG_DFL)
        self.signalled.set()

    def _outlast_the_radio(self):
        """Wait until the slots that the radio has are over; how many are not."""
        end = self.start + (self.first + self.transmitter.slots()) * self.period
        give_up = time.monotonic() + _HURRY if self.signalled.is_set() else float("inf")
        while device_time(self.usrp) < end / self.clock.rate + _LINGER and time.monotonic() < give_up:
            if self.signalled.wait(0.05):
                give_up = min(give_up, time.monotonic() + _HURRY)
                time.sleep(0.05)
        left = end - device_time(self.usrp) * self.rate
        return min(max(math.ceil(left / self.period), 0), self.transmitter.slots())

    def _report(self, unsent):
        counts = {"slots": self.transmitter.slots(), "scaled": self.transmitter.scaled()}
        if self.usrp:
            counts |= {"unsent": unsent, **self.events.counts()}
        else:
            counts |= {"recorded": self.recording.written(), "unrecorded": self.recording.dropped()}
        if self.truth:
            counts["lines"] = self.truth.written()
        _say(" ".join(f"{name}={value}" for name, value in counts.items()))
        complaints = list(self._complaints(counts))
        for complaint in complaints:
            _say(f"jadce-transmit: error: {complaint}")
        return 1 if complaints else 0

    def _complaints(self, counts):
        """What was not sent, or not written."""
        for name in self.dead:
            yield f"{name!r} has died, and what it had to do is not done; its error is above"
        if self.n_slots and counts["slots"] < self.n_slots and not self.signalled.is_set():
            yield f"only {counts['slots']} of {self.n_slots} slots were sent"
        if counts.get("late"):
            yield f"{counts['late']} bursts came too late for the radio, and were not sent"
        if counts.get("unrecorded"):
            yield f"{counts['unrecorded']} samples were not recorded: {self.recording.error() or 'slow disk'}"
        if counts.get("lines", counts["slots"]) != counts["slots"]:
            yield f"{counts['slots'] - counts['lines']} of {counts['slots']} lines of truth were not written"


class _Stamp(gr.sync_block):
    """Tell the time of the first sample, as a radio's source would."""

    def __init__(self, rx_time):
        gr.sync_block.__init__(self, "JADCE time stamp", in_sig=[np.complex64], out_sig=[np.complex64])
        self._rx_time = pmt.make_tuple(pmt.from_uint64(rx_time[0]), pmt.from_double(rx_time[1]))

    def start(self):
        self.add_item_tag(0, 0, pmt.intern("rx_time"), self._rx_time)
        return True

    def work(self, input_items, output_items):
        output_items[0][:] = input_items[0]
        return len(output_items[0])


class RadioEvents(gr.basic_block):
    """Count what a radio tells of its transmissions."""

    def __init__(self):
        gr.basic_block.__init__(self, "JADCE radio events", in_sig=None, out_sig=None)
        self._counts = Counter()
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self.handle_message)

    def counts(self) -> dict:
        """Events so far, by name."""
        return {name: self._counts[name] for name in dict.fromkeys(_EVENTS.values())}

    def handle_message(self, message):
        """Take an event; anything else is left alone."""
        told = str(message).replace("(", " ").replace(")", " ").split()
        self._counts.update(_EVENTS[word] for word in told if word in _EVENTS)


def _grid(args, clock, earliest):
    """The slot origin, and the first slot that starts at `earliest` seconds of device time or later."""
    if args.slot_origin == "first":
        return (math.ceil(earliest), 0.0), 0
    origin = clock.position(*args.slot_origin)
    return args.slot_origin, max(0, math.ceil((earliest * clock.rate - origin) / args.slot_period))


def _say(text):
    print(text, file=sys.stderr)
