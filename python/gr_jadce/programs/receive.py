# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `jadce-receive`: a flowgraph from a source to the reports, and an account of every frame."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from gnuradio import gr

from ..blocks.json_sink import json_sink
from ..blocks.scorer import scorer
from ..blocks.support.watchdog import dead_threads
from ..blocks.zmq_sink import zmq_sink
from ..pilots.book import PilotBook
from ..radio.source import Source
from ..radio.usrp import START_DELAY_S
from . import receiver_chain as parts
from .command_line import Progress, score_lines
from .process import StopSignals, is_pipe, say
from .settings import ReceptionSettings
from .sources import SimulationInput, frame_length, open_source, relayed_source
from .status_line import StatusLine
from .supervisor import MAX_MESSAGES_WAITING, POLL_INTERVAL_S, Supervisor

_DRAIN_TIMEOUT_S = 2.0  # that a stopped flowgraph may take to answer the frames it has
_STATUS_INTERVAL_S = 1.0  # as that of a receiver
_SETTLED_POLLS = 10  # at which nothing is left to answer before a silent source is stopped
_SLOTS_UNDER_WAY = 2**16  # more than the buffers from source to receiver hold, of the shortest slots
_THREADS = ("gr_jadce status", "gr_jadce backlog")  # of a receiver; the second if it drops
_PACKET_COUNTS = ("packets_decoded", "packets_failed")
_FRAMER_COUNTS = ("slots_lost", "gaps", "partial_frames", "samples")


def receive(book: PilotBook, settings: ReceptionSettings) -> int:
    """Run a reception to its end or to a signal; print its counts; the exit code."""
    reception = Reception(book, settings)
    if reception.metrics_sink:
        say(f"jadce-receive: metrics at {reception.metrics_sink.url()}")
    signals = StopSignals()
    progress = Progress(quiet=isinstance(settings.json, int) and is_pipe(settings.json))
    try:
        reception.run(lambda: signals.received, progress=progress)
    finally:
        progress.clear()
        complaints = list(reception.complaints())
        _say_counts(reception)
        for complaint in complaints:
            say(f"jadce-receive: error: {complaint}")
    return 1 if complaints else 0


class Reception:
    """A flowgraph from a source to its reports, its run and its counts.

    Parameters
    ----------
    book : PilotBook
    settings : ReceptionSettings

    Attributes
    ----------
    is_stopped : bool
        Whether it was ended before its source was.
    metrics_sink : blocks.web_sink or None
        What serves numbers for Prometheus.

    Raises
    ------
    ValueError, OSError
        If a setting is wrong, or the source is not there; the message says which.
    """

    def __init__(self, book: PilotBook, settings: ReceptionSettings) -> None:
        self.is_stopped = False
        self._seconds, self._status_line = 0.0, StatusLine()
        self._book, self._settings = book, settings
        source = open_source(settings.input, book, settings.payload)
        self._relay = source.relay
        self._limit = parts.limit_of(settings, source)
        self._idle = parts.idle_of(settings, source, self._limit)
        self._make_chain(source)
        self._make_sinks(settings)
        self._waits_for_readers = True
        self._supervisor = Supervisor(self._connect(), self._blocks())

    def run(
        self, is_stopped: Callable[[], bool] = lambda: False, *, progress: Progress | None = None
    ) -> dict[str, float]:
        """Run to the end of the source, or until `is_stopped` says so; the counts."""
        began = time.monotonic()
        progress = progress or Progress(quiet=True)
        try:
            if self._relay:
                self._wait_for_antennas(is_stopped, progress, began)
            self._supervisor.start(is_stopped)
            self._watch(is_stopped, progress, began)
            self._drain(is_stopped)
        finally:
            if self._supervisor.is_running():
                self._stop_waiting_for_readers()
            self._supervisor.close()
            if self._relay:
                self._relay.close()
            self._seconds = time.monotonic() - began
        return self.counts()

    def counts(self) -> dict[str, float]:
        """What became of all frames and samples so far."""
        solver, status = self._receiver, self._receiver.status_dict()
        counts = {
            "frames": self._frames(),
            "solved": solver.frames_solved(),
            "dropped": solver.frames_dropped(),
            "bad": solver.frames_bad(),
            "unread": self._frames() - solver.frames_in(),
            **{name: status[name] for name in _PACKET_COUNTS if self._settings.payload},
            # Of frames from elsewhere, what their framer said last.
            **{n: getattr(self._framer, n)() if self._framer else status[n] for n in _FRAMER_COUNTS},
            "seconds": round(self._seconds, 3),
        }
        if self._json_sink:
            counts["lines"] = self._json_sink.written()
        if self._recording:
            counts["recorded"], counts["unrecorded"] = self._recording.written(), self._recording.dropped()
        if self._zmq_sink:
            counts["published"] = self._zmq_sink.published()
            counts["overflows"] = self._zmq_sink.overflows()
        return counts | {name: count for name, count in self._discords() if count}

    def score(self) -> dict[str, Any] | None:
        """The figures against the truth, of a simulation."""
        return self._scorer.summary() if self._scorer else None

    def complaints(self) -> Iterator[str]:
        """What is not accounted for, in words."""
        counts = self.counts()
        for name in self._supervisor.dead:
            yield f"{name!r} has died, and what it had to do is not done; its error is above"
        if self._receiver.misfit:
            yield self._receiver.misfit
        answered = counts["solved"] + counts["bad"]
        if counts["frames"] != answered + counts["dropped"] + counts["unread"]:
            yield "the counts of frames do not add up"
        if counts.get("lines", answered) != answered:
            yield f"{answered - counts['lines']} of {answered} reports were not written"
        if self._recording and counts["unrecorded"]:
            cause = self._recording.drop_cause()
            yield f"{counts['unrecorded']} samples were not recorded: {cause}"
        if self._scorer and self._scorer.matched() < answered:
            yield (
                f"{answered - self._scorer.matched()} of {answered} reports were not scored: "
                f"{self._scorer.dropped()} messages were dropped, and {self._scorer.waiting()} still waited"
            )
        if not self.is_stopped:
            yield from self._shortfalls(counts)

    def _discords(self) -> Iterator[tuple[str, int]]:
        """How often tags contradicted each other or a setting, which is rare."""
        if self._framer:
            yield "misalignments", self._framer.misalignments()
            yield "rate_conflicts", self._framer.rate_conflicts()
        if self._recording:
            yield "misaligned", self._recording.misaligned()

    def _make_chain(self, source: Source) -> None:
        settings, book = self._settings, self._book
        self._source = source
        self._framer = None if source.gives_frames else parts.framer_of(settings, book, source)
        self._demodulators = parts.demodulators_of(settings, book, source)
        self._receiver = parts.receiver_of(settings, book, source)
        self._receiver.hold_while(self._is_behind)
        self._heads = parts.heads_of(settings, book, source, 0 if source.relay else self._limit)
        self._filters = parts.filters_of(settings, len(self._heads))

    def _make_sinks(self, settings: ReceptionSettings) -> None:
        self._json_sink = json_sink(settings.json) if settings.json is not None else None
        if self._json_sink and not self._source.live:  # nothing is lost by waiting for a slow reader
            self._json_sink.set_close_timeout(float("inf"))
        self._zmq_sink = zmq_sink(settings.zmq) if settings.zmq is not None else None
        self._recording = parts.recording_of(settings, self._source)
        self._scorer = scorer(_SLOTS_UNDER_WAY) if isinstance(settings.input, SimulationInput) else None
        self.metrics_sink = parts.metrics_of(settings)
        sinks = (self._json_sink, self._zmq_sink, self._scorer, self.metrics_sink)
        self._sinks = [sink for sink in sinks if sink]

    def _connect(self) -> Any:
        flowgraph = gr.top_block("jadce-receive")
        front = [self._framer, *self._demodulators] if self._framer else []
        path = [*front, self._receiver]
        parts.connect_samples(flowgraph, self._source, self._heads, self._filters, path, self._recording)
        parts.connect_reports(flowgraph, self._receiver, self._sinks)
        if self._scorer:
            told = [self._scorer, self.metrics_sink, self._zmq_sink if self._settings.zmq_truth else None]
            parts.connect_reports(flowgraph, self._source.block, filter(None, told), parts.PORTS[:2])
        return flowgraph

    def _blocks(self) -> list[Any]:
        ends = [self._framer, *self._demodulators, self._recording, self._receiver]
        chain = [self._source.block, *self._heads, *ends]
        return [block for block in chain if block] + self._sinks

    def _wait_for_antennas(self, is_stopped: Callable[[], bool], progress: Progress, began: float) -> None:
        """Make the chain when the first frames tell M; without any, its stand-in runs, and ends at once."""
        waits_until, status_due = began + START_DELAY_S + self._idle, began
        while not (has_frames := self._relay.wait(POLL_INTERVAL_S)):
            now = time.monotonic()
            if is_stopped() or self._is_unread() or now > waits_until:
                break
            if self._zmq_sink and now > status_due:
                self._zmq_sink.take_status(self._receiver.status_dict())
                status_due = now + _STATUS_INTERVAL_S
            progress.show(0, self._status_line.text(self._receiver.status_dict()))
        if has_frames:
            length = frame_length(self._book, self._settings.payload)
            self._make_chain(relayed_source(self._relay, length))
            self._supervisor = Supervisor(self._connect(), self._blocks())
            self._relay.start()

    def _watch(self, is_stopped: Callable[[], bool], progress: Progress, began: float) -> None:
        """Wait for the end of the stream; end it when told, when all is silent, or a block has died."""
        taken, heard = 0, began + START_DELAY_S
        while self._supervisor.is_running() and not (is_stopped() or self._is_unread()):
            self._supervisor.join(POLL_INTERVAL_S)
            if taken != self._taken():
                taken, heard = self._taken(), time.monotonic()
            # A head is asked again, and ends, only when something more comes.
            if self._find_dead() or taken >= self._limit or time.monotonic() > heard + self._idle:
                break
            progress.show(0, self._status_line.text(self._receiver.status_dict()))
        self.is_stopped = self._is_unread() or is_stopped()
        for head in self._heads:
            head.set_length(0)

    def _is_unread(self) -> bool:
        """Whether nobody reads the reports on, as with `| head`."""
        return self._json_sink is not None and self._json_sink.broken()

    def _find_dead(self) -> bool:
        threads = _THREADS[: 1 + self._source.live]
        return self._supervisor.find_dead(lambda: dead_threads(self._receiver, threads))

    def _drain(self, is_stopped: Callable[[], bool]) -> None:
        """Let all frames be answered, before what has not ended by itself is stopped, as a silent radio."""
        deadline, settled = float("inf"), 0
        while self._supervisor.is_running() and settled < _SETTLED_POLLS and time.monotonic() < deadline:
            if is_stopped() or self.is_stopped or self._find_dead():
                self.is_stopped = self.is_stopped or is_stopped()
                self._stop_waiting_for_readers()
                deadline = min(deadline, time.monotonic() + _DRAIN_TIMEOUT_S)
            self._supervisor.join(POLL_INTERVAL_S)
            settled = settled + 1 if self._is_settled() else 0

    def _is_behind(self) -> bool:
        """Whether a sink is so far behind that the frames of a file or a simulation are to wait."""
        behind = (sink.waiting() > MAX_MESSAGES_WAITING for sink in self._sinks)
        return self._waits_for_readers and any(behind)

    def _stop_waiting_for_readers(self) -> None:
        self._waits_for_readers = False
        if self._json_sink:
            self._json_sink.set_close_timeout(_DRAIN_TIMEOUT_S)

    def _is_settled(self) -> bool:
        status = self._receiver.status_dict()
        answered = sum(status[f"frames_{name}"] for name in ("solved", "dropped", "bad"))
        waiting = sum(sink.waiting() for sink in self._sinks)
        return self._frames() == status["frames_in"] == answered and not waiting

    def _frames(self) -> int:
        return self._framer.frames() if self._framer else self._receiver.frames_in()

    def _taken(self) -> int:
        return self._framer.samples() if self._framer else self._receiver.frames_in()

    def _shortfalls(self, counts: dict[str, float]) -> Iterator[str]:
        """What is lacking unless it was stopped."""
        if counts["unread"]:
            yield f"{counts['unread']} frames were left unread"
        if not self._source.gives_frames and counts["samples"] != self._limit:
            what = "came from the radio" if self._source.live else "were processed"
            yield f"only {counts['samples']} of {self._limit} samples {what}"


def _say_counts(reception: Reception) -> None:
    counts = reception.counts()
    say(" ".join(f"{name}={value}" for name, value in counts.items()))
    if counts["samples"] and not counts["frames"]:
        say("jadce-receive: no slot had its pilot in these samples: see --slot-origin and --slot-period")
    if score := reception.score():
        say("\n".join(score_lines(score)))
