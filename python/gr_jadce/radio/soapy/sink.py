# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts to a device of SoapySDR, at the times of their tags, as `uhd.usrp_sink` sends them."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pmt
import SoapySDR
from gnuradio import gr

from ...blocks.support.lifetime import keep_alive
from ...blocks.support.tags import gather_tags, read_time
from ..source import Sink
from ..usrp import UsrpSettings
from .device import NANOSECONDS, TX, SoapyDevice

_WRITE_TIMEOUT_US, _STATUS_TIMEOUT_US = 100_000, 50_000
_PORT = pmt.intern("async_msgs")
_EVENTS = {
    SoapySDR.SOAPY_SDR_TIME_ERROR: pmt.intern("time_error"),
    SoapySDR.SOAPY_SDR_UNDERFLOW: pmt.intern("underflow"),
    SoapySDR.SOAPY_SDR_CORRUPTION: pmt.intern("seq_error"),
}


class soapy_sink(gr.sync_block):
    """One channel of a device that transmits.

    The tags ``tx_time`` and ``tx_eob`` begin and end bursts; without them samples go out as they come. What
    the device says of its bursts is published on the port ``async_msgs``, by UHD's names.

    Parameters
    ----------
    device : SoapyDevice
        Of the direction `TX`.
    """

    def __init__(self, device: SoapyDevice) -> None:
        gr.sync_block.__init__(self, "JADCE soapy sink", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(_PORT)
        self._device, self._stream = device, device.open_stream()
        self._stopped = threading.Event()
        self._listener: threading.Thread | None = None
        keep_alive(self)

    def start(self) -> bool:
        """Start the stream, and listen to what becomes of it."""
        self._stopped.clear()
        if self._device.device.activateStream(self._stream) != 0:
            return False
        self._listener = threading.Thread(target=self._listen, name="gr_jadce soapy status", daemon=True)
        self._listener.start()
        return True

    def stop(self) -> bool:
        """Stop the stream."""
        self._stopped.set()
        if self._listener is not None:
            self._listener.join()
        self._device.device.deactivateStream(self._stream)
        return True

    def work(self, input_items: list, output_items: list) -> int:
        for start, stop, time_ns, is_last in self._parts(len(input_items[0])):
            if not self._write(input_items[0][start:stop], time_ns, is_last):
                return -1
        return len(input_items[0])

    def _parts(self, count: int) -> Iterator[tuple[int, int, int | None, bool]]:
        """(start, stop, time, ends a burst) of the parts of the next items that tags divide."""
        tags = gather_tags(self, count)
        cuts = {0, count}
        cuts |= {index for index, found in tags.items() if "tx_time" in found}
        cuts |= {index + 1 for index, found in tags.items() if "tx_eob" in found}
        for start, stop in pairwise(sorted(cuts)):
            value = tags.get(start, {}).get("tx_time")
            yield start, stop, self._nanoseconds(value), "tx_eob" in tags.get(stop - 1, {})

    def _nanoseconds(self, value: Any) -> int | None:
        if value is None or not self._device.has_time:
            return None
        seconds, fraction = read_time(value)
        return seconds * NANOSECONDS + round(fraction * NANOSECONDS)

    def _write(self, samples: np.ndarray, time_ns: int | None, is_last: bool) -> bool:
        """Write samples, however long the device makes them wait; False once it fails or is stopped."""
        flags = SoapySDR.SOAPY_SDR_HAS_TIME if time_ns is not None else 0
        written = 0
        while written < len(samples):
            end = SoapySDR.SOAPY_SDR_END_BURST if is_last else 0
            part = np.ascontiguousarray(samples[written:])
            done = self._device.device.writeStream(
                self._stream, [part], len(part), flags | end, time_ns or 0, _WRITE_TIMEOUT_US
            )
            if done.ret > 0:
                written, flags, time_ns = written + done.ret, 0, None
            elif done.ret in _EVENTS:
                self.message_port_pub(_PORT, _EVENTS[done.ret])
            elif done.ret not in (0, SoapySDR.SOAPY_SDR_TIMEOUT) or self._stopped.is_set():
                return False
        return True

    def _listen(self) -> None:
        while not self._stopped.is_set():
            status = self._device.device.readStreamStatus(self._stream, timeoutUs=_STATUS_TIMEOUT_US)
            if status.ret == SoapySDR.SOAPY_SDR_NOT_SUPPORTED:
                return
            if status.ret in _EVENTS:
                self.message_port_pub(_PORT, _EVENTS[status.ret])


def open_transmitter(settings: UsrpSettings) -> Sink:
    """The device that transmits; ValueError where it is not there."""
    device = SoapyDevice(settings, TX)
    return Sink(soapy_sink(device), device.rate, device.now, timed=device.has_time)
