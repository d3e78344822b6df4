# SPDX-License-Identifier: GPL-3.0-or-later
"""Impulse responses as monitors show them: the power of each tap."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric import decibels
from ..reports.report import Taps


class Response(NamedTuple):
    """The impulse response of a device: delays (T,) of its taps, symbols, and their powers (T,), dB."""

    device: int
    delay: NDArray
    power_db: NDArray

    @classmethod
    def of(cls, device: NDArray, taps: Taps, row: int) -> "Response":
        """That of the device in a row; the power is the mean over antennas."""
        delay, gain = taps.of(row)
        return cls(int(device[row]), delay, decibels(np.mean(np.abs(gain.astype(complex)) ** 2, axis=1)))


def strongest(device: NDArray, taps: Taps) -> Response | None:
    """The response of the device of most energy; None if no device has taps."""
    if not len(taps.delay):
        return None
    row = np.repeat(np.arange(len(device)), taps.counts)
    energy = np.bincount(row, np.sum(np.abs(taps.gain.astype(complex)) ** 2, axis=1), len(device))
    return Response.of(device, taps, int(energy.argmax()))
