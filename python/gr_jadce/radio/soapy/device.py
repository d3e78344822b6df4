# SPDX-License-Identifier: GPL-3.0-or-later
"""A device of SoapySDR, set up, and its time."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import SoapySDR

from ..usrp import UsrpSettings, of_channel

RX, TX = SoapySDR.SOAPY_SDR_RX, SoapySDR.SOAPY_SDR_TX
NANOSECONDS = 1_000_000_000


class SoapyDevice:
    """A device in one direction, set up as settings say.

    Parameters
    ----------
    settings : SoapySettings
    direction : int
        `RX` or `TX`.

    Attributes
    ----------
    device : SoapySDR.Device
    channels : list of int
    rate : float
        Samples a second that it really has.
    has_time : bool
        Whether it tells a device time.

    Raises
    ------
    ValueError
        If the device is not there, or lacks what is asked for; the message says which.
    """

    def __init__(self, settings: UsrpSettings, direction: int) -> None:
        self.direction, self.channels = direction, list(range(settings.n_antennas))
        with named_errors(settings.address):
            self.device = SoapySDR.Device(settings.address)
            self._set_up(settings)
            self.rate = float(self.device.getSampleRate(direction, 0))
            self.has_time = bool(self.device.hasHardwareTime())
            if self.has_time:
                self._set_time(settings.time_source)

    def now(self) -> float:
        """Device time in seconds; this host's where the device has none."""
        return self.device.getHardwareTime() / NANOSECONDS if self.has_time else time.time()

    def open_stream(self) -> Any:
        """The stream of all channels, of complex64."""
        return self.device.setupStream(self.direction, SoapySDR.SOAPY_SDR_CF32, self.channels)

    def _set_up(self, settings: UsrpSettings) -> None:
        device, direction = self.device, self.direction
        if settings.clock_source:
            device.setClockSource(settings.clock_source)
        if settings.time_source:
            device.setTimeSource(settings.time_source)
        if settings.subdev:
            device.setFrontendMapping(direction, settings.subdev)
        _check_channels(settings.n_antennas, device.getNumChannels(direction))
        for channel in self.channels:
            device.setSampleRate(direction, channel, settings.rate)
        for channel in self.channels:
            if settings.antenna_port:
                device.setAntenna(direction, channel, settings.antenna_port)
            device.setFrequency(direction, channel, of_channel(settings.frequencies, channel))
            device.setGain(direction, channel, of_channel(settings.gains, channel))

    def _set_time(self, time_source: str | None) -> None:
        """Set the device time to this host's, on all boards at the same pulse if there is one."""
        if time_source not in (None, "internal"):
            with suppress(RuntimeError, ValueError):  # a driver that knows no pulse per second
                self.device.setHardwareTime((int(time.time()) + 2) * NANOSECONDS, "UNKNOWN_PPS")
                return
        self.device.setHardwareTime(int(time.time() * NANOSECONDS))


@contextmanager
def named_errors(address: str) -> Iterator[None]:
    """What SoapySDR raises becomes a ValueError of one line."""
    try:
        yield
    except RuntimeError as error:
        raise ValueError(f"soapy {address!r}: {' '.join(str(error).split())}") from error


def _check_channels(wanted: int, there: int) -> None:
    if wanted > there:
        raise ValueError(f"antennas: expected at most the {there} channels of the device, got {wanted}")


def buffers(arrays: Sequence[Any], start: int) -> list[Any]:
    """The rest of each channel's samples, from `start` on."""
    return [array[start:] for array in arrays]
