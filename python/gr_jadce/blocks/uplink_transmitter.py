# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices on the air: timed bursts on the slot grid, for `uhd.usrp_sink`, with their truth as messages."""

import os
from collections.abc import Sequence
from fractions import Fraction
from numbers import Integral
from time import monotonic
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..checks import check_integer
from ..payload.format import PayloadForm
from ..pilots.book import PilotBook, as_pilot_book, load_pilots
from ..reports.report import Report
from ..slots.clock import LONGEST_SLOT, SampleClock, check_device_time
from ..uplink.activity import PeriodicActivity, RandomActivity, ScriptedActivity
from ..uplink.bursts import Bursts
from ..waveform import Ofdm, Waveform
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog, refuse_change
from .support.messages import PayloadInput, publish_reports
from .support.tags import make_time
from .support.waveforms.occasion_waveform import waveform_of

_PORTS = [pmt.intern("activity"), pmt.intern("channel")]
_GRID = pmt.intern("grid")
_LEAD_S = (0.5, 1.5)  # from a beacon to the slots that it tells: the first of them, and the end
_MAX_IDLE_S = 0.1  # of looking for a slot with a burst, so that the flowgraph can stop
_TX_TIME, _TX_SOB, _TX_EOB = (pmt.intern(name) for name in ("tx_time", "tx_sob", "tx_eob"))


class uplink_transmitter(gr.sync_block):
    """Send the pilots of one or several devices in slots, as bursts with times.

    Slot k starts ``slot_origin`` + k·slot_period samples, in device time. Where a device is
    active, the slot's burst goes out with the tags ``tx_time`` and ``tx_sob`` on its first sample
    and ``tx_eob`` on its last, as `uhd.usrp_sink` takes them; between bursts nothing goes out,
    unless `continuous`. The truth of every slot is published on the ports ``activity`` and
    ``channel`` before its burst: frame_id is the slot, the channel the amplitude sent. With a `payload`, a
    packet follows each pilot; the port ``payload`` takes PDUs of bytes, with their ``device``.

    Parameters
    ----------
    pilots : PilotBook, (L, N) array or path
    devices : sequence of int
        Devices of the book that this transmitter sends for; their sum goes out where several are
        active.
    slot_period : int
        T samples, at least a burst.
    slot_origin : (int, float)
        Device time of slot 0: whole seconds and fraction.
    first_slot, n_slots : int
        The first slot sent, and how many; 0 is endless, or up to the last slot of a script.
    rate : float
        Samples per second.
    waveform : Waveform, Ofdm or dict
        `waveform.Waveform`, or its arguments; with ``ofdm=True`` those of `waveform.Ofdm`.
    activity : float, int or str
        A probability; or a whole number above 1: once in so many slots; or the path of a script,
        lines of JSON with frame_id and device.
    backoff_db : float
        Mean power of one device's burst below that of a full-scale carrier. A sum of bursts that
        would clip all the same is scaled down and counted.
    continuous : bool
        Send zeros between bursts and no tags: for files and simulations; not with a beacon.
    seed : int
        Of the random activity.
    send_eof : bool
        End the message ports with pmt.PMT_EOF, for sinks that are given truth alone.
    slots_per_beacon : int
        Above 0, follow a base station: slot 0 starts with the first beacon that a
        `beacon_receiver` tells on the port ``grid``, and so many slots last a beacon period of the
        device's clock. Bursts are turned to the base station's carrier, and sent for the second
        that starts half a second after the last beacon: none, while `first_slot` is later. The slot
        origin does not count.
    payload : PayloadFormat, dict, JSON or path, optional
        Of the packets; only with shaped pulses without a cyclic prefix.
    packets : str
        What is sent: "random" bytes; a "counter", the number of the slot; a text, in which {device} and
        {slot} stand for numbers; or "messages", the PDUs of the port ``payload``, each in the next slot in
        which its device is active. A device without one repeats its last, and before its first sends zeros.

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it.
    OSError
        If a file cannot be read.
    """

    def __init__(
        self,
        pilots: PilotBook | NDArray | str | os.PathLike[str],
        devices: Sequence[int],
        slot_period: int,
        *,
        slot_origin: tuple[int, float] = (0, 0.0),
        first_slot: int = 0,
        n_slots: int = 0,
        rate: float = 1e6,
        waveform: Waveform | Ofdm | dict[str, Any] | None = None,
        activity: float | str | os.PathLike[str] = 0.1,
        backoff_db: float = 12.0,
        continuous: bool = False,
        seed: int = 0,
        send_eof: bool = False,
        slots_per_beacon: int = 0,
        payload: PayloadForm | None = None,
        packets: str = "random",
    ) -> None:
        self._book = load_pilots(pilots) if isinstance(pilots, (str, os.PathLike)) else as_pilot_book(pilots)
        waveform = waveform_of(self._book, {} if waveform is None else waveform, rate)
        self._payload = PayloadInput(payload, packets, self._book.n_devices, seed)
        self._bursts = Bursts(self._book, waveform, devices, backoff_db, payload=self._payload.format)
        self._period = check_integer("slot_period", slot_period, len(self._bursts), LONGEST_SLOT)
        self._clock = SampleClock(rate)
        self._origin = self._clock.position(*check_device_time("slot_origin", slot_origin))
        self._first = check_integer("first_slot", first_slot, 0)
        self._activity = _activity(activity, seed, self._book.n_devices)
        end = getattr(self._activity, "n_slots", float("inf"))
        self._last = self._first + check_integer("n_slots", n_slots, 0) if n_slots else end
        self._continuous, self._send_eof = bool(continuous), bool(send_eof)
        self._slots_per_beacon = check_integer("slots_per_beacon", slots_per_beacon, 0)
        if self._continuous and self._slots_per_beacon:
            raise ValueError(
                "continuous: expected False where slots_per_beacon is above 0, for a beacon's slots need "
                "not start on samples, got True"
            )
        gr.sync_block.__init__(self, "JADCE uplink transmitter", in_sig=None, out_sig=[np.complex64])
        for port in _PORTS:
            self.message_port_register_out(port)
        self._log = LimitedLog(self.logger)
        # The first slot that has to wait: for a beacon, if it follows one.
        self._due = self._first if self._slots_per_beacon else self._last
        self._beacon: int | Fraction | None = None  # device position of the last one
        self._turn = 0.0  # cycles a sample
        self.message_port_register_in(_GRID)
        self.set_msg_handler(_GRID, self._take_grid)
        self._payload.listen(self, self._take_payload)
        self._slot, self._scaled = self._first, 0
        self._pending: NDArray[np.complex64] = np.empty(0, np.complex64)
        keep_alive(self)

    def set_slot_period(self, slot_period: int) -> None:
        """Refuse another slot period, with an error in the log: it cannot change."""
        refuse_change(self.logger, "slot_period", slot_period, self._period)

    def slots(self) -> int:
        """Slots accounted for so far, with a burst or without."""
        return self._slot - self._first

    def scaled(self) -> int:
        """Slots so far whose sum of bursts had to be scaled down so as not to clip."""
        return self._scaled

    def payloads_dropped(self) -> int:
        """Messages so far on the port ``payload`` that no device can send."""
        return self._payload.dropped

    def stop(self) -> bool:
        """End the message ports, if asked."""
        if self._send_eof:
            for port in _PORTS:
                self.message_port_pub(port, pmt.PMT_EOF)
        return True

    def work(self, input_items: Any, output_items: list[NDArray]) -> int:
        """Give out the burst under way, or the next."""
        out, began = output_items[0], monotonic()
        while not len(self._pending):
            if self._slot >= self._last:
                return -1
            if self._slot >= self._due or monotonic() - began > _MAX_IDLE_S:
                return 0
            self._begin_slot()
        count = min(len(out), len(self._pending))
        out[:count], self._pending = self._pending[:count], self._pending[count:]
        if not len(self._pending) and not self._continuous:
            self.add_item_tag(0, self.nitems_written(0) + count - 1, _TX_EOB, pmt.PMT_T)
        return count

    def _start_of(self, slot):
        """The device position of a slot, a whole sample where a beacon sets the grid."""
        start = self._origin + slot * self._period
        return round(start) if self._slots_per_beacon else start

    def _take_grid(self, message):
        """Follow a beacon: keep the numbers of the slots, move their times."""
        try:
            self._follow(pmt.to_python(message))
        except Exception as error:
            self._log.warn(f"ignoring a malformed grid: {error!r}")

    def _take_payload(self, message):
        """Keep a packet for the next slot of its device."""
        self._payload.take(message)

    def _follow(self, grid):
        if not self._slots_per_beacon:
            return
        position = self._clock.position(int(grid["seconds"]), float(grid["fraction"]))
        period = Fraction(float(grid["beacon_period"])) / self._slots_per_beacon
        if not len(self._bursts) <= period < LONGEST_SLOT:
            raise ValueError(f"beacon_period: expected {self._slots_per_beacon} slots, got {grid}")
        self._turn = float(grid["offset_hz"]) / float(self._clock.rate)
        number = 0 if self._beacon is None else round((position - self._origin) / self._period)
        self._origin, self._period = position - number * period, period
        if (
            self._beacon is not None and position < self._beacon
        ):  # the clock was set back, and numbers with it
            self._slot = self._due = self._first
        self._beacon = position
        soon, late = (number + int(self._clock.rate * seconds / period) + 1 for seconds in _LEAD_S)
        self._slot = max(self._slot, soon)
        self._due = min(max(self._due, late), self._last)

    def _begin_slot(self):
        active = self._activity.active(self._slot, self._bursts.devices)
        packets = self._payload.packets(self._slot, active) if self._payload.packets else None
        burst, share = self._bursts.of(active, packets)
        self._scaled += share < 1
        start = self._start_of(self._slot)
        time = self._clock.time(start)
        self._publish_truth(active, share, time, packets)
        if self._turn:
            when = float(start % 2**40) + np.arange(len(burst))
            burst = (burst * np.exp(2j * np.pi * (self._turn * when % 1))).astype(np.complex64)
        if self._continuous:
            self._pending = np.zeros(self._period, np.complex64)
            self._pending[: len(burst)] = burst
        elif len(active):
            self._pending = burst
            self._tag_start(time)
        self._slot += 1

    def _tag_start(self, time):
        first = self.nitems_written(0)
        self.add_item_tag(0, first, _TX_SOB, pmt.PMT_T)
        self.add_item_tag(0, first, _TX_TIME, make_time(time))

    def _publish_truth(self, active, share, time, packets):
        names = self._book.device_id
        truth = Report(
            frame_id=self._slot,
            rx_time=time,
            n_devices=self._book.n_devices,
            n_antennas=1,
            device=active,
            channel=(share * self._bursts.gains(active))[:, None],
            score=np.zeros(len(active)),
            threshold=0.0,
            noise_var=float("nan"),
            snr_db=float("nan"),
            status="ok",
            estimator="truth",
            n_iter=0,
            solve_time=0.0,
            device_id=None if names is None else tuple(str(names[n]) for n in active),
            payload=None if packets is None else tuple(map(bytes, packets)),
        )
        publish_reports(self, [truth])


def _activity(activity, seed, n_devices):
    if isinstance(activity, (str, os.PathLike)):
        with open(activity, encoding="utf-8", errors="replace") as lines:
            return ScriptedActivity(lines, n_devices)
    if isinstance(activity, Integral) and activity > 1:
        return PeriodicActivity(int(activity))
    return RandomActivity(activity, seed)
