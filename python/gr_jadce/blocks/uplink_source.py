# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink as a stream source, tagged as UHD tags, with its truth as messages."""

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from fractions import Fraction
from functools import partial
from threading import Lock
from time import monotonic, sleep
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..checks import check_choice, check_gaps, check_integer, check_positive
from ..payload.format import PayloadForm
from ..pilots.book import PilotBook, as_pilot_book, load_pilots
from ..reports.truth import truth_report
from ..slots.clock import check_device_time
from ..uplink.bursts import burst_length, checked_converter, digitise, simulate_bursts
from ..uplink.simulation import MAX_SEED, Scenario, simulate_slots
from ..waveform import Ofdm, Waveform
from .support.lifetime import keep_alive
from .support.limited_log import refuse_change
from .support.messages import PayloadInput, publish_reports
from .support.tags import make_time
from .support.waveforms.occasion_waveform import waveform_of

_ACTIVITY, _CHANNEL = pmt.intern("activity"), pmt.intern("channel")
_RX_TIME, _RX_RATE, _RX_FREQ = pmt.intern("rx_time"), pmt.intern("rx_rate"), pmt.intern("rx_freq")
_MAX_BATCH = 64
_LONGEST_SLOT = 2**26  # samples; a slot is simulated at once
_MAX_WAIT_S = 0.2  # a throttled source waits no longer at once, so that the flowgraph can stop
_CHUNK_S = 0.005  # samples worth waking up for


_ARGUMENTS = frozenset(
    "pilots n_antennas activity_rate n_active snr_db power_spread_db cyclic_prefix payload".split()
)


class uplink_source(gr.sync_block):
    """Simulate devices that transmit their pilots in slots, as M antennas receive them.

    Slot k is the samples kT to (k+1)T - 1 of every output, its pilots the first L of them; the
    rest is a guard of noise. With a waveform, devices send shaped bursts instead (`bursts`). The
    first sample, and the first one after a gap, carry the tags rx_time, rx_rate and rx_freq on
    every output, as those of `uhd.usrp_source`. The truth of slot k is published on the ports
    `activity` and `channel`, with frame_id k and estimator "truth", before its samples are.

    Parameters
    ----------
    pilots : PilotBook, (L, N) array or path
    n_antennas, activity_rate, n_active, snr_db, power_spread_db
        As in `uplink.Scenario`; n_active below 0 means that activity_rate counts.
    slot_period : int
        T samples; 0 is L + 16, or a burst and 16.
    n_slots : int
        Slots until the end of the stream; 0 is endless.
    rate : float
        Samples per second.
    start_time : (int, float)
        Device time of sample 0: whole seconds and fraction.
    throttle : bool
        Give out samples no faster than `rate`.
    gaps : sequence of (int, int)
        (first sample, length) of stretches, ascending, that are not delivered, as in an overflow.
    seed : int
    send_eof : bool
        End the message ports with pmt.PMT_EOF, for sinks that are given truth alone.
    propagation : dict, optional
        More arguments of `uplink.Scenario`: rician_k_db, antenna_correlation, max_delay, max_offset,
        phase_noise, and channels, power_control, symbol_rate. All but the first two need a waveform.
    waveform : Waveform, Ofdm or dict, optional
        Pulse shape, samples a symbol and cyclic prefix (`waveform.Waveform`, or its arguments; with
        ``ofdm=True`` those of `waveform.Ofdm`). Of random access preambles not needed: that of their
        occasions at `rate`.
    full_scale : float
        Clip real and imaginary parts of the samples to ± this magnitude; 0 for not.
    n_bits : int
        Bits of a converter of that full scale; 0 for any precision.
    payload : PayloadFormat, dict, JSON or path, optional
        Packets follow the pilots.
    packets : str
        What they hold, as in `uplink_transmitter`; "messages" come on the port ``payload``.

    Attributes
    ----------
    propagation_keys : frozenset of str
        The keys that `propagation` may have.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    propagation_keys = frozenset(field.name for field in fields(Scenario)) - _ARGUMENTS

    def __init__(
        self,
        pilots: PilotBook | NDArray | str | os.PathLike[str],
        n_antennas: int = 1,
        activity_rate: float = 0.1,
        *,
        n_active: int | None = -1,
        snr_db: float = 10.0,
        power_spread_db: float = 0.0,
        slot_period: int = 0,
        n_slots: int = 0,
        rate: float = 1e6,
        start_time: tuple[int, float] = (0, 0.0),
        throttle: bool = False,
        gaps: Sequence[tuple[int, int]] = (),
        seed: int = 0,
        send_eof: bool = False,
        propagation: dict[str, Any] | None = None,
        waveform: Waveform | Ofdm | dict[str, Any] | None = None,
        full_scale: float = 0.0,
        n_bits: int = 0,
        payload: PayloadForm | None = None,
        packets: str = "random",
    ) -> None:
        book = load_pilots(pilots) if isinstance(pilots, (str, os.PathLike)) else as_pilot_book(pilots)
        self._waveform = waveform = waveform_of(book, waveform, rate)
        for key in propagation or ():
            check_choice("propagation", key, sorted(self.propagation_keys))
        self._payload = PayloadInput(payload, packets, book.n_devices, seed)
        self._scenario = Scenario(
            book,
            n_antennas,
            activity_rate,
            n_active=None if n_active is None or n_active < 0 else n_active,
            snr_db=snr_db,
            power_spread_db=power_spread_db,
            payload=self._payload.format,
            **dict(propagation or {}) | ({"cyclic_prefix": waveform.cyclic_prefix} if waveform else {}),
        )
        self._scenario_lock = Lock()
        least = self._least_period()
        self._slot_period = check_integer("slot_period", slot_period or least + 16, least, _LONGEST_SLOT)
        self._converter = checked_converter(full_scale, n_bits)
        self._n_slots = check_integer("n_slots", n_slots, 0) or float("inf")
        self._rate = check_positive("rate", rate)
        self._start_time = check_device_time("start_time", start_time)
        self._gaps = check_gaps(gaps)
        self._seed = check_integer("seed", seed, 0, MAX_SEED)
        self._throttle, self._send_eof = bool(throttle), bool(send_eof)
        ports = [np.complex64] * self._scenario.n_antennas
        gr.sync_block.__init__(self, "JADCE uplink source", in_sig=None, out_sig=ports)
        for port in (_ACTIVITY, _CHANNEL):
            self.message_port_register_out(port)
        self._payload.listen(self, self._take_payload)
        self._rewind()
        keep_alive(self)

    def set_slot_period(self, slot_period: int) -> None:
        """Refuse another slot period, with an error in the log: it cannot change."""
        refuse_change(self.logger, "slot_period", slot_period or self._slot_period, self._slot_period)

    def set_snr_db(self, snr_db: float) -> None:
        """Change the SNR, in dB, from the next slot on."""
        self._change(snr_db=snr_db)

    def set_activity_rate(self, activity_rate: float) -> None:
        """Change the probability that a device transmits, from the next slot on."""
        self._change(activity_rate=activity_rate)

    def payloads_dropped(self) -> int:
        """Messages so far on the port ``payload`` that no device can send."""
        return self._payload.dropped

    def start(self) -> bool:
        """Go on after an interruption, from slot 0 after the end."""
        if self._position >= self._end():
            self._rewind()
        self._tags_due, self._time_zero = True, None
        return True

    def stop(self) -> bool:
        """End the message ports, if asked."""
        if self._send_eof:
            for port in (_ACTIVITY, _CHANNEL):
                self.message_port_pub(port, pmt.PMT_EOF)
        return True

    def work(self, input_items: Any, output_items: list[NDArray]) -> int:
        """Give out samples up to the next gap; −1 at the end, never another negative count."""
        until_gap = self._skip_gaps()
        room = min(len(output_items[0]), until_gap, self._end() - self._position)
        if room <= 0:
            return -1
        if self._throttle:
            room = min(room, self._wait_for(room))
        if room > 0:
            room = min(room, self._simulate_for(room))
            self._deliver(room, output_items)
        return room

    def _take_payload(self, message):
        self._payload.take(message)

    def _least_period(self):
        if self._waveform is not None:
            return burst_length(self._scenario, self._waveform)
        if not self._scenario.in_step:
            raise ValueError("waveform: expected one for devices out of step, got none")
        return self._scenario.frame_length

    def _rewind(self):
        self._position = self._next_slot = 0
        self._samples = np.empty((0, self._scenario.n_antennas), dtype=np.complex64)
        self._gaps_ahead = list(reversed(self._gaps))

    def _end(self):
        return self._n_slots * self._slot_period

    def _change(self, **changes):
        with self._scenario_lock:
            self._scenario = replace(self._scenario, **changes)

    def _skip_gaps(self):
        """Jump over a gap that starts here; samples until the next one."""
        while self._gaps_ahead and self._gaps_ahead[-1][0] == self._position:
            self._position += self._gaps_ahead.pop()[1]
            self._tags_due = True
        return self._gaps_ahead[-1][0] - self._position if self._gaps_ahead else float("inf")

    def _wait_for(self, room):
        """Sleep, not too long, until enough samples are due; how many are: none during a gap."""
        if self._time_zero is None:
            self._time_zero = monotonic() - self._position / self._rate
        wanted = min(room, max(self._rate * _CHUNK_S, 1))
        missing = self._position + wanted - (monotonic() - self._time_zero) * self._rate
        if missing > 0:
            sleep(min(missing / self._rate, _MAX_WAIT_S))
        return max(int((monotonic() - self._time_zero) * self._rate) - self._position, 0)

    def _simulate_for(self, room):
        """Simulate on if nothing is left at this position; samples ready from here."""
        while self._ready() <= 0:
            missing = self._position + room - self._next_slot * self._slot_period
            left = self._n_slots - self._next_slot
            self._simulate_slots(int(min(-(-missing // self._slot_period), _MAX_BATCH, left)))
        return self._ready()

    def _ready(self):
        return self._next_slot * self._slot_period - self._position

    def _simulate_slots(self, n_slots):
        scenario = self._scenario
        simulated = simulate_slots
        if self._waveform is not None:
            simulated = partial(simulate_bursts, waveform=self._waveform)
        samples, truth = simulated(
            scenario,
            slot_period=self._slot_period,
            n_slots=n_slots,
            seed=self._seed,
            first_slot=self._next_slot,
            packets=self._payload.packets,
        )
        self._samples = digitise(samples, *self._converter) if self._converter else samples
        for i in range(n_slots):
            self._publish_truth(self._next_slot + i, scenario, truth, i)
        self._next_slot += n_slots

    def _publish_truth(self, slot, scenario, uplink, index):
        truth = truth_report(scenario, uplink, index, slot, self._time_of(slot * self._slot_period))
        publish_reports(self, [truth])

    def _deliver(self, n_samples, outputs):
        if self._tags_due:
            self._add_tags()
        start = len(self._samples) - self._ready()
        for antenna, output in enumerate(outputs):
            output[:n_samples] = self._samples[start : start + n_samples, antenna]
        self._position += n_samples

    def _add_tags(self):
        time = make_time(self._time_of(self._position))
        for antenna in range(self._scenario.n_antennas):
            offset = self.nitems_written(antenna)
            self.add_item_tag(antenna, offset, _RX_TIME, time)
            self.add_item_tag(antenna, offset, _RX_RATE, pmt.from_double(self._rate))
            self.add_item_tag(antenna, offset, _RX_FREQ, pmt.from_double(0.0))
        self._tags_due = False

    def _time_of(self, sample):
        elapsed = Fraction(self._start_time[1]) + sample / Fraction(self._rate)
        seconds = elapsed.numerator // elapsed.denominator
        return self._start_time[0] + seconds, float(elapsed - seconds)
