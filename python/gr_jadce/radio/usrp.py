# SPDX-License-Identifier: GPL-3.0-or-later
"""USRPs, set up to receive or to transmit."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..checks import check_integer, check_positive
from .source import Sink, Source

START_DELAY_S = 1.0  # from the end of the set-up to a radio's first sample


@dataclass(frozen=True)
class UsrpSettings:
    """What a USRP is set to; `SoapySettings` are the same for any other radio.

    Parameters
    ----------
    address : str
        UHD device address, ``"addr0=…,addr1=…"``; empty for the first that is found.
    rate : float
        Samples a second.
    frequencies, gains : sequence of float
        Hz and dB, one value for all antennas or one for each.
    n_antennas : int
        M, the channels of a receiver; a transmitter has one.
    antenna_port, subdev, clock_source, time_source : str, optional
        UHD's names of the antenna port, of the channels of each board, of the 10 MHz reference and of
        the pulse per second; the device's own choice where not given.

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it.
    """

    address: str
    rate: float
    frequencies: Sequence[float]
    gains: Sequence[float] = (0.0,)
    n_antennas: int = 1
    antenna_port: str | None = None
    subdev: str | None = None
    clock_source: str | None = None
    time_source: str | None = None

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_integer("n_antennas", self.n_antennas, 1)
        for name in ("frequencies", "gains"):
            if len(getattr(self, name)) not in (1, self.n_antennas):
                wanted = f"one value or {self.n_antennas}" if self.n_antennas > 1 else "one value"
                raise ValueError(f"{name}: expected {wanted}, got {len(getattr(self, name))}")


@dataclass(frozen=True)
class SoapySettings(UsrpSettings):
    """What a radio of SoapySDR is set to: `address` is its device arguments, ``"driver=…"``."""


def open_receivers(settings: UsrpSettings) -> Source:
    """The USRPs that receive; ValueError where they are not there."""
    with _named_errors(settings.address):
        from gnuradio import uhd

        channels = list(range(settings.n_antennas))
        usrp = uhd.usrp_source(settings.address, uhd.stream_args(cpu_format="fc32", channels=channels))
        _set_up(usrp, settings, channels)
        _set_time(usrp, uhd.time_spec, settings.time_source)
        usrp.set_start_time(usrp.get_time_now() + uhd.time_spec(START_DELAY_S))
    return Source(usrp, settings.n_antennas, usrp.get_samp_rate(), live=True)


def open_transmitter(settings: UsrpSettings) -> Sink:
    """The USRP that transmits; ValueError where it is not there."""
    with _named_errors(settings.address):
        from gnuradio import uhd

        usrp = uhd.usrp_sink(settings.address, uhd.stream_args(cpu_format="fc32", channels=[0]), "")
        _set_up(usrp, settings, [0])
        _set_time(usrp, uhd.time_spec, settings.time_source)
    return Sink(usrp, usrp.get_samp_rate(), lambda: usrp.get_time_now().get_real_secs())


@contextmanager
def _named_errors(address: str) -> Iterator[None]:
    """What UHD raises becomes a ValueError of one line."""
    try:
        yield
    except (RuntimeError, ImportError) as error:
        raise ValueError(f"usrp {address!r}: {' '.join(str(error).split())}") from error


def _set_up(usrp: Any, settings: UsrpSettings, channels: Sequence[int]) -> None:
    for board in range(usrp.get_num_mboards()):
        _set_up_board(usrp, board, settings)
    usrp.set_samp_rate(settings.rate)
    for channel in channels:
        if settings.antenna_port:
            usrp.set_antenna(settings.antenna_port, channel)
        usrp.set_center_freq(of_channel(settings.frequencies, channel), channel)
        usrp.set_gain(of_channel(settings.gains, channel), channel)


def _set_up_board(usrp: Any, board: int, settings: UsrpSettings) -> None:
    if settings.clock_source:
        usrp.set_clock_source(settings.clock_source, board)
    if settings.time_source:
        usrp.set_time_source(settings.time_source, board)
    if settings.subdev:
        usrp.set_subdev_spec(settings.subdev, board)


def _set_time(usrp: Any, time_spec: Callable, time_source: str | None) -> None:
    """Set the device time to this host's, on all boards at the same pulse if there are several."""
    if usrp.get_num_mboards() == 1 and time_source in (None, "internal"):
        usrp.set_time_now(time_spec(time.time()))
    else:
        usrp.set_time_unknown_pps(time_spec(int(time.time()) + 2))


def of_channel(values: Sequence[float], channel: int) -> float:
    """The value for a channel, of one for all or one for each."""
    return values[channel] if len(values) > 1 else values[0]
