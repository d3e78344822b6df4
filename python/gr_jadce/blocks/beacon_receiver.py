# SPDX-License-Identifier: GPL-3.0-or-later
"""A device's ear: samples to the base station's slots, as messages."""

import numpy as np
import pmt
from gnuradio import gr

from ..slots.beacon import Beacon, BeaconReceiver
from ..slots.clock import SampleClock
from ..waveform import Waveform
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog
from .support.tags import tag_name

_GRID = pmt.intern("grid")


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

    def __init__(self, beacon_period, rate=1e6, waveform=None, order=8):
        waveform = waveform if isinstance(waveform, Waveform) else Waveform(**(waveform or {}))
        self._receiver = BeaconReceiver(Beacon(waveform, order), beacon_period)
        self._clock = SampleClock(rate)
        self._piece = self._receiver.period // 2  # holds one beacon at most
        self._base = 0  # device position of the first sample pushed
        self._taken = 0
        gr.sync_block.__init__(self, "JADCE beacon receiver", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(_GRID)
        self._log = LimitedLog(self.logger)
        keep_alive(self)

    def locked(self) -> bool:
        """Does it follow the beacon now?"""
        return self._receiver.locked

    def work(self, input_items, output_items):
        """Push all samples, stretch by stretch between tags."""
        samples, used = input_items[0], 0
        for tag in sorted(self.get_tags_in_window(0, 0, len(samples)), key=lambda tag: tag.offset):
            index = tag.offset - self.nitems_read(0)
            self._push(samples[used:index])
            used = index
            self._take_tag(tag)
        self._push(samples[used:])
        return len(samples)

    def _push(self, samples):
        for piece in np.split(samples, range(self._piece, len(samples), self._piece)):
            moved = self._receiver.push(piece)
            self._taken += len(piece)
            if moved and self._receiver.locked:
                self.message_port_pub(_GRID, pmt.to_pmt(self._grid()))

    def _take_tag(self, tag):
        try:
            if tag_name(tag) == "rx_rate":
                self._clock = SampleClock(pmt.to_double(tag.value))
            elif tag_name(tag) == "rx_time":
                time = pmt.to_uint64(pmt.tuple_ref(tag.value, 0)), pmt.to_double(pmt.tuple_ref(tag.value, 1))
                self._set_time(self._clock.position(*time))
        except Exception as error:
            self._log.warn(f"ignoring a malformed rx_time or rx_rate tag: {error}")

    def _set_time(self, position):
        """The next sample is at a device position: what lies between was lost."""
        lost = round(position - self._base - self._taken)
        if not self._taken or lost < 0:
            self._base = position - self._taken
        elif lost:
            self._receiver.skip(lost)
            self._taken += lost

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
