# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise and signal of each antenna over the last frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric import decibels, sum_squares


@dataclass(frozen=True)
class AntennaLevels:
    """Levels of the M antennas, means over some frames; NaN where not known.

    Attributes
    ----------
    noise_var : (M,) float
        Noise variance of a sample.
    signal_power : (M,) float
        Power of a sample of the devices found; those missed count as noise.
    is_dead : (M,) bool
        Whether there was no signal at all in the newest frame.
    """

    noise_var: NDArray
    signal_power: NDArray
    is_dead: NDArray

    @classmethod
    def of(cls, reports: Sequence[Any]) -> "AntennaLevels":
        """The levels in reports of equal M, the newest last.

        A report's SNR is that of all antennas together; the channels of its devices tell how the signal is
        shared out among them. Reports without channels, as messages of activity are, tell only the noise.
        """
        newest = reports[-1]
        reports = [report for report in reports if report.n_antennas == newest.n_antennas]
        noise = [_noise_of(report) for report in reports]
        signal = [_signal_of(report, noise_var) for report, noise_var in zip(reports, noise, strict=True)]
        dead = np.zeros(newest.n_antennas, bool)
        if getattr(newest, "antennas_dead", None) is not None:
            dead[np.asarray(newest.antennas_dead, int)] = True
        return cls(_mean(noise, dead), _mean(signal, dead), dead)

    @property
    def noise_db(self) -> NDArray:
        """Noise variance of each antenna, dB."""
        return decibels(self.noise_var)

    @property
    def snr_db(self) -> NDArray:
        """SNR of each antenna, dB."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return decibels(self.signal_power / self.noise_var)


def _noise_of(report):
    noise_vars = getattr(report, "noise_vars", None)
    return np.full(report.n_antennas, report.noise_var) if noise_vars is None else np.asarray(noise_vars)


def _signal_of(report, noise_var):
    """Signal power of each antenna: their mean is that of the noise times the SNR of the report."""
    if report.snr_db == -np.inf:
        return np.zeros(report.n_antennas)
    channel = getattr(report, "channel", None)
    if channel is None or not len(channel) or not isfinite(report.snr_db):
        return np.full(report.n_antennas, np.nan)
    power = sum_squares(channel.astype(complex), 0)
    return power / max(power.mean(), np.finfo(float).tiny) * noise_var.mean() * 10 ** (report.snr_db / 10)


def _mean(rows, dead):
    """The mean of the finite values of each antenna; NaN where there is none, and of dead antennas."""
    values = np.array(rows, float)
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean = np.sum(values, 0, where=finite) / np.sum(finite, 0)
    return np.where(dead, np.nan, mean)
