# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of a device of SoapySDR, tagged with its time as `uhd.usrp_source` tags them."""

from typing import Any

import numpy as np
import pmt
import SoapySDR
from gnuradio import gr

from ...blocks.support.lifetime import keep_alive
from ...blocks.support.limited_log import LimitedLog
from ...blocks.support.tags import make_time
from ..source import Source
from ..usrp import START_DELAY_S, UsrpSettings
from .device import NANOSECONDS, RX, SoapyDevice

_READ_TIMEOUT_US = 100_000
_MAX_JITTER = 4096  # samples by which the time of a part of a packet may be off
_RX_TIME, _RX_RATE, _RX_FREQ = (pmt.intern(name) for name in ("rx_time", "rx_rate", "rx_freq"))


class soapy_source(gr.sync_block):
    """The samples of all channels of a device, in step.

    The first sample, and the first after samples were lost, has the tags ``rx_time``, ``rx_rate`` and
    ``rx_freq``. In between samples are counted: drivers are some hundred samples off in the times of parts
    of packets. A device without a time gives no ``rx_time``: a loss is then counted and logged, and the slots
    behind it are late.

    Parameters
    ----------
    device : SoapyDevice
        Of the direction `RX`.
    """

    def __init__(self, device: SoapyDevice) -> None:
        outputs = [np.complex64] * len(device.channels)
        gr.sync_block.__init__(self, "JADCE soapy source", in_sig=None, out_sig=outputs)
        self._device, self._stream = device, device.open_stream()
        self._tagged: tuple[int, int] | None = None  # sample that was tagged last, and its time or 0
        self._overflows = 0
        self._log = LimitedLog(self.logger)
        keep_alive(self)

    def overflows(self) -> int:
        """How often the device said that samples were lost."""
        return self._overflows

    def start(self) -> bool:
        """Start the stream: in step on all channels where the device has a time."""
        flags, when = 0, 0
        if self._device.has_time:
            flags, when = SoapySDR.SOAPY_SDR_HAS_TIME, int((self._device.now() + START_DELAY_S) * NANOSECONDS)
        else:
            self.logger.warn("the device tells no time: slots are counted by samples from the first one on")
        self._tagged = None
        return self._device.device.activateStream(self._stream, flags, when) == 0

    def stop(self) -> bool:
        """Stop the stream."""
        self._device.device.deactivateStream(self._stream)
        return True

    def work(self, input_items: list, output_items: list) -> int:
        read = self._device.device.readStream(
            self._stream, output_items, len(output_items[0]), timeoutUs=_READ_TIMEOUT_US
        )
        if read.ret > 0:
            self._mark(read)
            return read.ret
        if read.ret not in (0, SoapySDR.SOAPY_SDR_TIMEOUT):
            self._lose(read.ret)
        return 0

    def _mark(self, read: Any) -> None:
        """Tag the first of the samples that were read, if it does not follow the last one."""
        has_time = bool(read.flags & SoapySDR.SOAPY_SDR_HAS_TIME) and self._device.has_time
        if self._tagged is None or (has_time and self._jump(*self._tagged, read.timeNs) > _MAX_JITTER):
            self._tag(read.timeNs if has_time else None)
            self._tagged = (self.nitems_written(0), read.timeNs if has_time else 0)

    def _jump(self, item: int, tagged_ns: int, time_ns: int) -> float:
        """By how many samples a time differs from that which the samples since the last tag make."""
        samples = (time_ns - tagged_ns) * self._device.rate / NANOSECONDS
        return abs(samples - (self.nitems_written(0) - item))

    def _tag(self, time_ns: int | None) -> None:
        for channel in self._device.channels:
            item = self.nitems_written(channel)
            if time_ns is not None:
                time = make_time((time_ns // NANOSECONDS, time_ns % NANOSECONDS / NANOSECONDS))
                self.add_item_tag(channel, item, _RX_TIME, time)
            self.add_item_tag(channel, item, _RX_RATE, pmt.from_double(self._device.rate))
            frequency = self._device.device.getFrequency(RX, channel)
            self.add_item_tag(channel, item, _RX_FREQ, pmt.from_double(frequency))

    def _lose(self, code: int) -> None:
        self._overflows += 1
        if self._device.has_time:
            self._tagged = None
        what = SoapySDR.errToStr(code)
        if self._device.has_time:
            self._log.warn(f"{what}: samples were lost")
        else:
            self._log.warn(
                f"{what}: samples were lost; the device tells no time, so that slots are late from now on"
            )


def open_receivers(settings: UsrpSettings) -> Source:
    """The device that receives; ValueError where it is not there."""
    device = SoapyDevice(settings, RX)
    return Source(soapy_source(device), settings.n_antennas, device.rate, live=True)
