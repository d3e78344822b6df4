# SPDX-License-Identifier: GPL-3.0-or-later
"""A device's ear: samples to the base station's slots, as messages."""

from fractions import Fraction
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..slots.beacon import Beacon, BeaconReceiver
from ..slots.clock import SampleClock
from ..waveform import Waveform
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog
from .support.tags import gather_tags, read_rate, read_times

_GRID = pmt.intern("grid")
_MAX_LOST_BEACONS = 1000  # in one gap: after a longer one, the receiver starts over


class beacon_receiver(gr.sync_block):
    """Find a base station's beacon, lock on to it and tell the slots by it, in device time.

    A message on the port ``grid`` follows every beacon that was due, once locked: a dictionary of
    ``locked``; ``seconds`` and ``fraction``, the device time at which that beacon started;
    ``beacon_period``, in samples of the device's clock; ``offset_hz``, by how much the base
    station's carrier is higher than the device's; and ``snr_db``. `uplink_transmitter` takes it
    on its port ``grid``. The base station sends the beacon with an `uplink_transmitter` too, whose
    pilot book is `beacon.Beacon(…).book`.

    Parameters
    ----------
    beacon_period : int
        Samples from beacon to beacon, nominally.
    rate : float
        Samples per second, until an ``rx_rate`` tag tells another.
    waveform : Waveform or dict, optional
        Of the beacon (`waveform.Waveform`, or its arguments).
    order : int
        The beacon has 2**order − 1 symbols.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        beacon_period: int,
        *,
        rate: float = 1e6,
        waveform: Waveform | dict[str, Any] | None = None,
        order: int = 8,
    ) -> None:
        waveform = waveform if isinstance(waveform, Waveform) else Waveform(**(waveform or {}))
        self._receiver = BeaconReceiver(Beacon(waveform, order), beacon_period)
        self._clock = SampleClock(rate)
        self._piece = self._receiver.period // 2  # holds one beacon at most
        self._base: int | Fraction = 0  # device position of the first sample pushed
        self._pushed = 0  # samples, those lost among them
        gr.sync_block.__init__(self, "JADCE beacon receiver", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(_GRID)
        self._log = LimitedLog(self.logger)
        keep_alive(self)

    def locked(self) -> bool:
        """Does it follow the beacon now?"""
        return self._receiver.locked

    def work(self, input_items: list[NDArray], output_items: Any) -> int:
        """Push all samples, stretch by stretch between tags."""
        samples, used = input_items[0], 0
        for index, tags in gather_tags(self, len(samples)).items():
            self._push(samples[used:index])
            used = index
            self._apply(tags)
        self._push(samples[used:])
        return len(samples)

    def _push(self, samples):
        for piece in np.split(samples, range(self._piece, len(samples), self._piece)):
            moved = self._receiver.push(piece)
            self._pushed += len(piece)
            if moved and self._receiver.locked and self._base + self._receiver.tracker.position >= 0:
                self.message_port_pub(_GRID, pmt.to_pmt(self._grid()))

    def _apply(self, tags):
        """Set rate and time together: a time counts in samples of the rate at its sample."""
        rate = read_rate([tags], self._log.warn)
        clock = self._clock if rate is None else SampleClock(rate)
        expected = self._base + self._pushed
        try:
            if clock.rate != self._clock.rate:
                expected = clock.position(*self._clock.time(max(expected, 0)))
        except ValueError as error:  # beyond all times at that rate
            self._log.warn(f"ignoring an rx_rate tag: {error}")
            return
        self._base, self._clock = expected - self._pushed, clock
        for time in read_times([tags], clock, self._log.warn).values():
            self._set_time(clock.position(*time))

    def _set_time(self, position):
        """The next sample is at a device position: what lies between was lost."""
        lost = round(position - self._base - self._pushed)
        if lost > _MAX_LOST_BEACONS * self._receiver.period:
            self._receiver.restart()
        if not self._pushed or not 0 <= lost <= _MAX_LOST_BEACONS * self._receiver.period:
            self._base = position - self._pushed
        elif lost:
            self._receiver.skip(lost)
            self._pushed += lost

    def _grid(self):
        tracker, sighting = self._receiver.tracker, self._receiver.sighting
        whole = int(np.floor(tracker.position))
        seconds, fraction = self._clock.time(self._base + whole)
        return {
            "locked": True,
            "seconds": seconds,
            "fraction": fraction + (tracker.position - whole) / float(self._clock.rate),
            "beacon_period": tracker.period,
            "offset_hz": self._receiver.offset * float(self._clock.rate),
            "snr_db": sighting.snr_db,
        }
