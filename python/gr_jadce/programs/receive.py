# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `jadce-receive`: a flowgraph from a source to the reports, and an account of every frame."""

import signal
import sys
import threading
import time

from gnuradio import blocks, filter, gr

from ..blocks.json_sink import json_sink
from ..blocks.pilot_framer import pilot_framer
from ..blocks.receiver import receiver
from ..blocks.recording_sink import recording_sink
from ..blocks.scorer import scorer
from ..blocks.support.watchdog import dead_blocks, dead_threads
from ..blocks.zmq_sink import zmq_sink
from ..detection.asynchrony import Asynchrony
from ..radio.source import ENDLESS
from ..radio.usrp import START_DELAY
from . import command_line

_DRAIN = 2.0  # seconds that a signalled flowgraph may take to answer the frames it has
_SILENCE = 5.0  # seconds without a sample after which a radio is taken to have ended
_THREADS = ("gr_jadce status", "gr_jadce backlog")  # of a receiver; the second if it drops
_INTAKE = ("slots_lost", "gaps", "partial_frames", "samples")


class Reception:
    """A flowgraph from a source to its reports, its run and its counts.

    Parameters
    ----------
    args : argparse.Namespace
        The options of `jadce-receive`.
    book : PilotBook
    slot_period : int
    source : sources.Source
    json_path : path, int or None
        File or descriptor for JSON lines.
    """

    def __init__(self, args, book, slot_period, source, json_path):
        self.source = source
        self.limit = _limit(args, slot_period, source)
        self.idle = _idle(args, source, self.limit)
        n_antennas, frames = source.n_antennas, source.gives_frames
        waveform = command_line.waveform(args)
        lag = waveform.offset if waveform else 0
        n_streams = 1 if frames else n_antennas
        size = gr.sizeof_gr_complex * (book.pilot_length * n_antennas if frames else 1)
        # Heads end live streams after what is wanted, and any stream at a signal.
        self.heads = [blocks.head(size, self.limit) for _ in range(n_streams)]
        self.framer = None if frames else pilot_framer(
            book.pilot_length, n_antennas, slot_period, slot_origin=args.slot_origin,
            offset=args.offset + lag, rate=source.rate, samples_per_symbol=args.samples_per_symbol,
            guard_start=args.guard_start, guard_length=args.guard_length, delay=lag,
        )  # fmt: skip
        estimator, options = command_line.named_estimator(args.estimator)
        self.receiver = receiver(
            book, n_antennas, estimator, options, false_alarm=args.false_alarm, noise_var=args.noise_var,
            on_overload="drop" if source.live else "block", max_batch=256 if source.live else 64,
            noise_memory=args.noise_memory, asynchrony=_asynchrony(args, source.rate),
        )  # fmt: skip
        self.filters = [filter.fir_filter_ccf(1, waveform.taps.tolist()) for _ in self.heads if waveform]
        self.json_sink = json_sink(json_path) if json_path is not None else None
        self.piped = isinstance(json_path, int) and command_line.is_pipe(json_path)
        self.zmq_sink = zmq_sink(args.zmq) if args.zmq is not None else None
        self.recording = recording_sink(args.record, n_antennas, source.rate) if args.record else None
        self.scorer = scorer() if args.simulate else None
        self.signalled = threading.Event()
        self.dead = []
        self.flowgraph = self._connect()

    def run(self) -> int:
        """Run to the end or to a signal; print the counts; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle_signal)
        began = time.monotonic()
        self.flowgraph.start()
        waiter = threading.Thread(target=self.flowgraph.wait, daemon=True)
        waiter.start()
        self._watch(waiter, began)
        waiter.join()
        return self._report(time.monotonic() - began)

    def _connect(self):
        flowgraph = gr.top_block("jadce-receive")
        intake = self.framer or self.receiver
        for stream, head in enumerate(self.heads):
            chain = [head, *self.filters[stream : stream + 1]]
            flowgraph.connect((self.source.block, stream), *chain, (intake, stream))
            if self.recording:
                flowgraph.connect(head, (self.recording, stream))
        if self.framer:
            flowgraph.connect(self.framer, self.receiver)
        sinks = [sink for sink in (self.json_sink, self.zmq_sink, self.scorer) if sink]
        for sink in sinks:
            for port in ("activity", "channel", "status"):
                flowgraph.msg_connect((self.receiver, port), (sink, "in"))
        if self.scorer:
            for port in ("activity", "channel"):
                flowgraph.msg_connect((self.source.block, port), (self.scorer, "in"))
        stream_blocks = [self.source.block, *self.heads, self.framer, self.recording, self.receiver]
        self.blocks = [block for block in stream_blocks if block] + sinks
        return flowgraph

    def _watch(self, waiter, began):
        """Wait for the end of the stream; end it at a signal, when all is silent, or a block has died."""
        progress, taken, heard = command_line.Progress(quiet=self.piped), 0, began + START_DELAY
        while waiter.is_alive() and not self.signalled.wait(0.05):
            if taken != self._taken():
                taken, heard = self._taken(), time.monotonic()
            self.dead = self._find_dead()
            if self.json_sink and self.json_sink.broken():  # as with `| head`: nobody reads on
                self.signalled.set()
            # A head is asked again, and ends, only when something more comes.
            if self.dead or taken >= self.limit or time.monotonic() > heard + self.idle:
                break
            progress.show(0, self._progress_text(time.monotonic() - began))
        progress.clear()
        for head in self.heads:
            head.set_length(0)
        self._drain(waiter)

    def _find_dead(self):
        """Blocks of the running flowgraph that have died, and threads of the receiver."""
        threads = _THREADS[: 1 + self.source.live]
        return dead_blocks(self.blocks) + dead_threads(self.receiver, threads)

    def _drain(self, waiter):
        """Let all frames be answered; then stop what has not ended by itself, such as a silent radio."""
        hurry = self.signalled.is_set() or self.dead
        give_up = time.monotonic() + _DRAIN if hurry else float("inf")
        settled = 0
        while waiter.is_alive() and settled < 10 and time.monotonic() < give_up:
            waiter.join(0.05)
            settled = settled + 1 if self._is_settled() else 0
            if not self.dead and (dead := self._find_dead()):
                self.dead, give_up = dead, time.monotonic() + _DRAIN
        if waiter.is_alive():
            self.flowgraph.stop()

    def _is_settled(self):
        status = self.receiver.status_dict()
        answered = sum(status[f"frames_{name}"] for name in ("solved", "dropped", "bad"))
        waiting = sum(sink.waiting() for sink in (self.json_sink, self.zmq_sink) if sink)
        return self._frames() == status["frames_in"] == answered and not waiting

    def _handle_signal(self, number, _frame):
        """End cleanly; a second signal ends the process at once."""
        signal.signal(number, signal.SIG_DFL)
        self.signalled.set()

    def _progress_text(self, seconds):
        done, dropped = self.receiver.frames_in(), self.receiver.frames_dropped()
        return f"{done} frames, {done / max(seconds, 1e-3):.0f} a second, {dropped} dropped"

    def _frames(self):
        return self.framer.frames() if self.framer else self.receiver.frames_in()

    def _taken(self):
        return self.framer.samples() if self.framer else self.receiver.frames_in()

    def _report(self, seconds):
        counts = self._counts(seconds)
        _say(" ".join(f"{name}={value}" for name, value in counts.items()))
        if counts["samples"] and not counts["frames"]:
            _say("jadce-receive: no slot had its pilot in these samples: see --slot-origin and --slot-period")
        if self.scorer:
            _say("\n".join(command_line.score_lines(self.scorer.summary())))
        complaints = list(self._complaints(counts))
        for complaint in complaints:
            _say(f"jadce-receive: error: {complaint}")
        return 1 if complaints else 0

    def _counts(self, seconds):
        status = self.receiver.status_dict()  # of frames from elsewhere, what their framer said last
        counts = {
            "frames": self._frames(),
            "solved": self.receiver.frames_solved(),
            "dropped": self.receiver.frames_dropped(),
            "bad": self.receiver.frames_bad(),
            "unread": self._frames() - self.receiver.frames_in(),
            **{name: getattr(self.framer, name)() if self.framer else status[name] for name in _INTAKE},
            "seconds": round(seconds, 3),
        }
        if self.json_sink:
            counts["lines"] = self.json_sink.written()
        if self.recording:
            counts["recorded"], counts["unrecorded"] = self.recording.written(), self.recording.dropped()
        if self.zmq_sink:
            counts["published"] = self.zmq_sink.published()
            counts["overflows"] = self.zmq_sink.overflows()
        return counts

    def _complaints(self, counts):
        """What is not accounted for."""
        for name in self.dead:
            yield f"{name!r} has died, and what it had to do is not done; its error is above"
        answered = counts["solved"] + counts["bad"]
        if counts["frames"] != answered + counts["dropped"] + counts["unread"]:
            yield "the counts of frames do not add up"
        if counts.get("lines", answered) != answered:
            yield f"{answered - counts['lines']} of {answered} reports were not written"
        if counts.get("unrecorded"):
            yield f"{counts['unrecorded']} samples were not recorded: {self.recording.error() or 'slow disk'}"
        if not self.signalled.is_set():
            yield from self._shortfalls(counts)

    def _shortfalls(self, counts):
        """What is lacking unless it was ended by a signal."""
        if counts["unread"]:
            yield f"{counts['unread']} frames were left unread"
        if not self.source.gives_frames and counts["samples"] != self.limit:
            what = "came from the radio" if self.source.live else "were processed"
            yield f"only {counts['samples']} of {self.limit} samples {what}"


def _asynchrony(args, rate):
    """How far devices may be out of step; None if they are not."""
    if args.max_delay is None and args.max_offset is None:
        return None
    max_offset = (args.max_offset or 0.0) * args.samples_per_symbol / rate
    return Asynchrony(args.max_delay or 0, max_offset, args.cyclic_prefix > 0, args.roll_off)


def _limit(args, slot_period, source):
    """Samples, or frames, after which to end."""
    if source.gives_frames:
        return args.slots or ENDLESS
    limits = [args.slots * slot_period] if args.slots else []
    limits += [max(round(min(args.duration * source.rate, ENDLESS)), 1)] if args.duration else []
    return min([*limits, ENDLESS, source.n_samples])


def _idle(args, source, limit):
    """Seconds of silence after which to end."""
    if source.gives_frames:
        return args.idle or float("inf")
    return _SILENCE if source.live and limit < ENDLESS else float("inf")


def _say(text):
    print(text, file=sys.stderr)
