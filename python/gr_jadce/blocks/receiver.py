# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to messages: who is active, and over which channels."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import ArrayLike

from ..checks import check_choice, check_integer
from ..detection.asynchrony import Asynchrony
from ..detection.noise.rounds import Noise
from ..payload.format import PayloadForm, as_payload_format
from ..pilots.book import PilotBook, as_pilot_book, load_pilots
from ..receiving.antennas import warning_of_dead
from ..receiving.backlog import Backlog
from ..receiving.counts import FrameCounts
from ..receiving.frame_receiver import Stamp
from ..receiving.levels import LevelTracker
from ..receiving.packet_receiver import PacketReceiver
from ..reports.pdus import status_to_pmt
from ..slots.misalignment import ShiftCheck
from ..slots.timeline import FrameTimeline
from .support.estimator_setup import default_threads, search_of, set_up_estimator
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog
from .support.messages import publish_payloads, publish_reports
from .support.tags import gather_tags, misfit_of_frames, read_frame_tags, read_guard
from .support.thread_state import ThreadState

_PORTS = *_, _STATUS = [pmt.intern(name) for name in ("activity", "channel", "payload", "status")]
_STATUS_INTERVAL_S = 1.0
_HOLD_INTERVAL_S = 0.005
_STATUS_MEMORY = 64  # frames that the noise variance in a status is the median of


class receiver(gr.sync_block):
    """Detects the active devices of each frame and estimates their channels.

    Takes the frames of a `pilot_framer`, as many at once as wait, and sends a message a frame on
    the ports ``activity`` and ``channel``, in order, and its counts on ``status``, once a second.
    With a `payload`, ``payload`` gives a PDU (meta . u8vector) for each device found: its bytes, or none.
    At the end of the stream it sends a last status and then `pmt.PMT_EOF` on every port.
    Frames whose tags tell of another pilot length or number of antennas end it (`misfit` says which).
    No other frame does: one that has NaN or Inf, or that the estimator refuses, is counted and
    reported with the status "bad_input". In the end, frames in = solved + dropped + bad.
    An antenna without any signal in a frame is left out of it, reported, counted and warned of.

    Parameters
    ----------
    pilots : PilotBook, (L, N) array or path
        The pilots, which cannot change later.
    n_antennas : int
        M.
    estimator : str or callable
        A name in `gr_jadce.estimators.ESTIMATORS`, or any estimator: ``estimator(received)`` gives an
        `Estimate` of frames (B, L, M); it gets the noise variance, too, if it has an argument
        ``noise_var`` (None if unknown). Reports call it by its ``name`` or ``__name__``. Default: the
        network.
    estimator_options : dict, optional
        Options of a named estimator.
    false_alarm : float
        Wanted probability that an inactive device is reported active; of random access preambles, that
        any is reported in an occasion of noise.
    noise_var : float
        Noise variance of a received sample; 0 if unknown.
    noise : {"auto", "white", "antennas", "spatial"}
        The antennas' noise: independent and alike; independent, of unequal variances; of any covariance,
        as of an interferer or a DC offset; "auto": what each frame shows. With a `noise_var` it is white.
    on_overload : "block" or "drop"
        When frames come faster than they are solved: hold up the source (files, simulations), or
        take all, and drop and count the oldest of those that wait (radios).
    max_backlog : int
        Frames that may wait when dropping.
    max_batch : int
        Frames solved at once at most; also what stopping may still have to solve.
    clip_level : float
        A frame in which a real or imaginary part reaches this magnitude is reported "clipped",
        and solved all the same; 0 for no such level.
    asynchrony : Asynchrony or dict, optional
        How far devices may be out of step (`detection.asynchrony.Asynchrony`, or its arguments); the reports
        then also tell their delays, offsets and taps. Such devices are found without the estimator.
        Default: all devices in step. Of random access preambles only `max_offset` counts; default ± 400 Hz.
    noise_memory : int
        Where `noise_var` is unknown, give the estimator the median noise variance of so many frames (or of
        a framer's guards, and whiten by their covariance); it then does not estimate its own from every
        frame, but a frame's report depends on those before. 0, the default, for every frame by itself.
    threads : int
        Threads of the compiled kernel over the frames of a batch: a frame that is alone has one. 0, the
        default, for one a processor, four at most. The estimator's own, where its options tell.
    payload : PayloadFormat, dict, JSON or path, optional
        Of the packets behind the pilots, which the frames then have, too, and the reports tell.

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it.
    OSError
        If the pilot book cannot be read.
    """

    def __init__(
        self,
        pilots: PilotBook | ArrayLike | str | os.PathLike,
        n_antennas: int,
        estimator: str | Callable = "unrolled",
        *,
        estimator_options: dict[str, Any] | None = None,
        false_alarm: float = 1e-3,
        noise_var: float = 0.0,
        noise: Noise = "auto",
        on_overload: str = "block",
        max_backlog: int = 1024,
        max_batch: int = 256,
        clip_level: float = 0.0,
        asynchrony: Asynchrony | dict[str, Any] | None = None,
        noise_memory: int = 0,
        threads: int = 0,
        payload: PayloadForm | None = None,
    ) -> None:
        book = load_pilots(pilots) if isinstance(pilots, (str, os.PathLike)) else as_pilot_book(pilots)
        self._max_batch = check_integer("max_batch", max_batch, 1)
        self._backlog = Backlog(self._answer, check_integer("max_backlog", max_backlog, 1), self._max_batch)
        self._dropping = check_choice("on_overload", on_overload, ("block", "drop")) == "drop"
        self._threads = check_integer("threads", threads, 0, 1024) or default_threads()
        self._noise_memory = check_integer("noise_memory", noise_memory, 0, 2**20)
        self._levels = LevelTracker(self._noise_memory or _STATUS_MEMORY)
        delayed = search_of(book, asynchrony)
        name, solve = set_up_estimator(estimator, book, estimator_options, self._threads, delayed)
        self._receiver = PacketReceiver(
            book, solve, name, false_alarm=false_alarm, noise_var=noise_var, noise=noise,
            clip_level=clip_level, delayed=delayed, threads=self._threads,
            payload=None if payload is None else as_payload_format(payload),
        )  # fmt: skip
        self._frame_shape = (self._receiver.frame_length, check_integer("n_antennas", n_antennas, 1, 2**16))
        self._receiver_lock = threading.Lock()
        self._shift_check = ShiftCheck(book, n_antennas, in_step=delayed is None)
        self._timeline, self._counts = FrameTimeline(), FrameCounts()
        self._began: float | None = None
        self._ended: float | None = None
        self._status_thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.misfit = ""
        self._is_held: Callable[[], bool] = lambda: False
        frame = (np.complex64, self._frame_shape[0] * self._frame_shape[1])
        gr.sync_block.__init__(self, "JADCE receiver", in_sig=[frame], out_sig=None)
        for port in _PORTS:
            self.message_port_register_out(port)
        self._log, self._antenna_log = LimitedLog(self.logger), LimitedLog(self.logger)
        self._thread_state = ThreadState()
        keep_alive(self)

    def set_false_alarm(self, false_alarm: float) -> None:
        """Change the wanted false-alarm probability, from the next batch on."""
        self._change(false_alarm=false_alarm)

    def set_noise_var(self, noise_var: float) -> None:
        """Change the noise variance of a received sample (0 if unknown), from the next batch on."""
        self._change(noise_var=noise_var)

    def set_estimator(self, name: str | Callable, options: dict[str, Any] | None = None) -> None:
        """Set up another estimator, in the calling thread, for all frames from the next batch on."""
        pilots, delayed = self._receiver.pilots, self._receiver.delayed
        name, solve = set_up_estimator(name, pilots, options, self._threads, delayed)
        self._change(name=name, estimator=solve)

    def hold_while(self, condition: Callable[[], bool]) -> None:
        """Unless frames are dropped, hold up their source while a condition is true."""
        self._is_held = condition

    def frames_in(self) -> int:
        """Frames taken so far."""
        return self._counts.frames_in

    def frames_solved(self) -> int:
        """Frames solved so far."""
        return self._counts.frames_solved

    def frames_dropped(self) -> int:
        """Frames dropped so far because too many waited."""
        return self._backlog.dropped

    def frames_bad(self) -> int:
        """Frames so far that could not be solved."""
        return self._counts.frames_bad

    def pilot_shift(self) -> int:
        """Symbols by which pilots came later than frames were cut (earlier, if negative), when last seen."""
        return self._shift_check.shift

    def status_dict(self) -> dict[str, Any]:
        """What the ``status`` messages tell, now."""
        receiver, ended = self._receiver, self._ended
        own = {
            "frames_dropped": self._backlog.dropped,
            "backlog": len(self._backlog),
            "seconds": 0.0 if self._began is None else (ended or monotonic()) - self._began,
            "estimator": receiver.name,
            "false_alarm": receiver.false_alarm,
            "final": ended is not None,
        }
        return self._counts.as_dict() | self._timeline.as_dict() | self._levels.as_dict() | own

    def start(self) -> bool:
        """Start the threads."""
        self._thread_state.hold()
        elapsed = 0.0 if self._began is None or self._ended is None else self._ended - self._began
        self._began, self._ended = monotonic() - elapsed, None
        self._stopping.clear()
        self._levels.reset()
        self._status_thread = threading.Thread(target=self._run_status, name="gr_jadce status", daemon=True)
        self._status_thread.start()
        if self._dropping:
            self._backlog.open()
        return True

    def stop(self) -> bool:
        """Solve what is left, at most one batch, and end the message ports."""
        self._backlog.close()
        self._stopping.set()
        if self._status_thread is not None:
            self._status_thread.join()
        self._ended = monotonic()
        self._publish_status()
        for port in _PORTS:
            self.message_port_pub(port, pmt.PMT_EOF)
        self._thread_state.release()
        return True

    def work(self, input_items: list, output_items: list) -> int:
        """Solve up to `max_batch` frames, or hand them to the thread that does."""
        frames = input_items[0][: self._max_batch].reshape(-1, *self._frame_shape).copy()
        stamps = self._stamps(len(frames))
        if self.misfit:
            self.logger.error(self.misfit)
            return -1  # done
        self._counts.frames_in += len(frames)
        if self._dropping:
            self._backlog.put(zip(frames, stamps, strict=True))
        else:
            while self._is_held():
                sleep(_HOLD_INTERVAL_S)
            self._solve(frames, stamps)
        return len(frames)

    def _stamps(self, count: int) -> list[Stamp]:
        """(frame_id, rx_time) of the frames just taken."""
        stamps: list[Stamp] = []
        for index, tags in gather_tags(self, count).items():
            stamps += self._timeline.pop(index - len(stamps))
            self._tell_timeline(tags)
        return stamps + self._timeline.pop(count - len(stamps))

    def _tell_timeline(self, tags: dict[str, Any]) -> None:
        try:
            self._timeline.tell(**read_frame_tags(tags))
            self.misfit = self.misfit or misfit_of_frames(tags, self._frame_shape)
            if "noise_var" in tags:
                self._levels.add_guard(*read_guard(tags))
        except Exception as error:
            self._log.warn(f"malformed frame tag left out: {error}")

    def _answer(self, waiting: list[tuple]) -> None:
        self._solve(np.stack([frame for frame, _ in waiting]), [stamp for _, stamp in waiting])

    def _solve(self, frames: np.ndarray, stamps: list[Stamp]) -> None:
        self._shift_check.push(frames[:, : self._receiver.pilots.pilot_length])
        hint, cov = (self._levels.noise_var, self._levels.noise_cov) if self._noise_memory else (0.0, None)
        reports, error = self._receiver.solve(
            frames, stamps, frames_dropped=self._backlog.dropped, noise_var_hint=hint, noise_cov=cov
        )
        publish_reports(self, reports)
        publish_payloads(self, reports)
        self._levels.add_reports(reports)
        bad = self._counts.add(reports)
        if error is not None:
            self._log.warn(f"{bad} of {len(reports)} frames not solved: {error!r}")
        if warning := warning_of_dead(reports):
            self._antenna_log.warn(warning)

    def _change(self, **settings: Any) -> None:
        with self._receiver_lock:
            self._receiver = replace(self._receiver, **settings)

    def _run_status(self) -> None:
        while not self._stopping.wait(_STATUS_INTERVAL_S):
            self._publish_status()

    def _publish_status(self) -> None:
        warnings = self._shift_check.warning(at_once=self._ended is not None), self._counts.hearing.warning()
        for warning in filter(None, warnings):
            self.logger.warn(warning)
        self.message_port_pub(_STATUS, status_to_pmt(self.status_dict()))
