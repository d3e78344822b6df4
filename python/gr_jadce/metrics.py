# SPDX-License-Identifier: GPL-3.0-or-later
"""The field's figures of merit, pooled over all frames, and the sums that they are made of."""

from dataclasses import dataclass, fields
from math import inf, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .numeric import decibels, sum_squares

_Z95 = 1.96  # standard deviations either side of a Gaussian's mean that hold 95 % of it


class _Sums:
    """What a dataclass of sums over frames has in common: sums of different frames add up."""

    def merge(self, other: Any) -> None:
        """Add the sums over other frames."""
        for field in fields(other):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass
class DetectionCounts(_Sums):
    """Counts of devices, active and inactive, and of those that were decided wrongly.

    Intervals take the devices' decisions for independent.
    """

    active: int = 0
    missed: int = 0
    inactive: int = 0
    false_alarms: int = 0

    @classmethod
    def of(cls, decided: ArrayLike, activity: ArrayLike) -> "DetectionCounts":
        """The counts of boolean arrays of equal shape, all their devices together."""
        decided, activity = _same_shape("decided", decided, "activity", activity)
        active, detections = np.count_nonzero(activity), np.count_nonzero(decided)
        return cls.of_frame(activity.size, active, detections, np.count_nonzero(decided & activity))

    @classmethod
    def of_frame(cls, n_devices: int, active: int, detections: int, hits: int) -> "DetectionCounts":
        """The counts of devices of which so many are active, and so many detected, `hits` of them rightly."""
        return cls(active, active - hits, n_devices - active, detections - hits)

    @property
    def errors(self) -> int:
        """Devices decided wrongly."""
        return self.missed + self.false_alarms

    def miss_probability(self) -> float:
        """Share of the active devices that were not detected; NaN when none was active."""
        return _share(self.missed, self.active)

    def false_alarm_probability(self) -> float:
        """Share of the inactive devices that were reported active; NaN when none was inactive."""
        return _share(self.false_alarms, self.inactive)

    def activity_error_rate(self) -> float:
        """Share of all devices whose activity was decided wrongly; NaN without devices."""
        return _share(self.errors, self.active + self.inactive)

    def figures(self) -> dict:
        """The three shares by name, each with its 95 % Wilson score interval as ``NAME_interval``."""
        return {
            "miss_probability": self.miss_probability(),
            "miss_probability_interval": wilson_interval(self.missed, self.active),
            "false_alarm_probability": self.false_alarm_probability(),
            "false_alarm_probability_interval": wilson_interval(self.false_alarms, self.inactive),
            "activity_error_rate": self.activity_error_rate(),
            "activity_error_rate_interval": wilson_interval(self.errors, self.active + self.inactive),
        }


@dataclass
class PacketCounts(_Sums):
    """Counts of the packets that active devices sent, and of those that did not come through.

    sent : of active devices. missed : of those, the packets of devices that were not detected. lost : of
    devices detected, not delivered as sent. wrong : delivered and not what was sent, or nobody sent any.
    """

    sent: int = 0
    missed: int = 0
    lost: int = 0
    wrong: int = 0

    @classmethod
    def of(cls, sent: NDArray, received: NDArray, is_detected: NDArray, n_received: int) -> "PacketCounts":
        """The counts of active devices (K,), told apart by hashes of what they sent and what was received.

        A hash of 0 stands for nothing received; `n_received` packets were, those of other devices included.
        """
        right, missed = np.count_nonzero(sent == received), np.count_nonzero(~is_detected)
        return cls(len(sent), missed, len(sent) - missed - right, n_received - right)

    @property
    def delivered(self) -> int:
        """Packets that came through as they were sent."""
        return self.sent - self.missed - self.lost

    def packet_error_rate(self) -> float:
        """Share of the packets of detected devices that were not delivered as sent; NaN without any."""
        return _share(self.lost, self.sent - self.missed)

    def pupe(self) -> float:
        """Per-user probability of error: share of all packets not delivered as sent; NaN without any."""
        return _share(self.sent - self.delivered, self.sent)

    def figures(self) -> dict:
        """Counts, and the two shares by name, each with its 95 % Wilson score interval."""
        return {
            "packets_sent": self.sent,
            "packets_delivered": self.delivered,
            "packets_wrong": self.wrong,
            "packet_error_rate": self.packet_error_rate(),
            "packet_error_rate_interval": wilson_interval(self.lost, self.sent - self.missed),
            "pupe": self.pupe(),
            "pupe_interval": wilson_interval(self.sent - self.delivered, self.sent),
        }


@dataclass
class EnergySums(_Sums):
    """Sums over frames of the energies of error and channel, and of their squares and product."""

    error: float = 0.0
    power: float = 0.0
    error_error: float = 0.0
    error_power: float = 0.0
    power_power: float = 0.0

    @classmethod
    def of(cls, error: ArrayLike, power: ArrayLike) -> "EnergySums":
        """The sums of the error and channel energies of frames, one of each a frame."""
        error, power = np.asarray(error, dtype=float), np.asarray(power, dtype=float)
        products = error, power, error * error, error * power, power * power
        return cls(*(float(np.sum(product)) for product in products))

    def nmse_db(self) -> float:
        """Normalised mean square error, dB: −inf without an error, NaN without an active device."""
        return float(decibels(self.error / self.power)) if self.power else nan

    def interval_db(self, z: float = _Z95) -> tuple[float, float]:
        """Interval of the NMSE: the delta method for the ratio of the sums, its ends in dB."""
        if not self.power:
            return nan, nan
        ratio, half = self.error / self.power, z * self._deviation() / self.power
        low, high = decibels([max(ratio - half, 0.0), ratio + half])
        return float(low), float(high)

    def margin_db(self, z: float = _Z95) -> float:
        """Half an interval that is symmetric in dB: the delta method for the NMSE in dB itself."""
        return z * self._deviation() / self.error * 10 / np.log(10) if self.error else inf

    def _deviation(self):
        """√Σ(e − r p)², r the ratio of the sums of e and p."""
        ratio = self.error / self.power
        squares = self.error_error + ratio * (ratio * self.power_power - 2 * self.error_power)
        return sqrt(max(squares, 0.0))


def nmse_db(estimated: ArrayLike, channel: ArrayLike) -> float:
    """Normalised mean square error 10 log10(Σ‖X̂ − X‖² / Σ‖X‖²), a ratio of sums, in dB.

    Parameters
    ----------
    estimated, channel : complex arrays of equal shape, (B, N, M) or (N, M)
    """
    estimated, channel = _same_shape("estimated", estimated, "channel", channel)
    power = energy(channel)
    if power == 0:
        raise ValueError("channel: expected at least one active device, got all zeros")
    return EnergySums.of(energy(estimated - channel), power).nmse_db()


def miss_probability(decided: ArrayLike, activity: ArrayLike) -> float:
    """Share of the active devices that were not detected; NaN when none was active."""
    return DetectionCounts.of(decided, activity).miss_probability()


def false_alarm_probability(decided: ArrayLike, activity: ArrayLike) -> float:
    """Share of the inactive devices that were reported active; NaN when none was inactive."""
    return DetectionCounts.of(decided, activity).false_alarm_probability()


def activity_error_rate(decided: ArrayLike, activity: ArrayLike) -> float:
    """Share of all devices whose activity was decided wrongly."""
    return DetectionCounts.of(decided, activity).activity_error_rate()


def miss_at_false_alarm(score: ArrayLike, activity: ArrayLike, false_alarm: float) -> float:
    """Miss probability at the score threshold that gives this false-alarm probability on these frames.

    The threshold is set with hindsight, as papers do; a receiver decides with `detection.decide`.
    """
    score, activity = _same_shape("score", score, "activity", activity)
    threshold = np.quantile(score[activity == 0], 1 - false_alarm)
    return miss_probability(score > threshold, activity.astype(bool))


def wilson_interval(count: float, total: float, z: float = _Z95) -> tuple[float, float]:
    """Wilson score interval of a probability estimated as `count` of `total`; 95 % for z = 1.96."""
    if total == 0:
        return 0.0, 1.0
    share, shrink = count / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / shrink
    half = z * np.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2) / shrink
    low = max(centre - half, 0.0) if count else 0.0  # exactly, whatever rounding leaves
    high = min(centre + half, 1.0) if count < total else 1.0
    return float(low), float(high)


def nmse_interval_db(error: ArrayLike, power: ArrayLike, z: float = _Z95) -> tuple[float, float]:
    """Interval of the NMSE in dB from per-frame error and channel energies (delta method)."""
    return EnergySums.of(error, power).interval_db(z)


def energy(array: NDArray, axis: int | tuple[int, ...] | None = None) -> NDArray:
    """Σ|x|² in double precision, over all axes unless given; no float32 overflows on its way."""
    return sum_squares(np.asarray(array, dtype=np.complex128), axis)


def response_energy(device: NDArray, delay: NDArray, gain: NDArray) -> float:
    """Energy of the impulse responses of some devices, in a band of one symbol rate.

    Of the taps t of device n it is ∫ ‖Σ_t g_t e^{−2πifτ_t}‖² df from −½ to ½, all devices together.
    Taps that are closer than 1/bandwidth count as one, wherever they are: the energy of the difference of
    two responses is that of the taps of one with the negative ones of the other.

    Parameters
    ----------
    device : (T,) int array
        Whose taps these are, in any order.
    delay : (T,) array
        Symbols.
    gain : (T, M) complex array
    """
    order = np.argsort(device, kind="stable")
    delay, gain = delay[order].astype(float), gain[order].astype(np.complex128)
    count = np.unique(device, return_counts=True)[1]
    partners = np.repeat(count, count)  # of each tap, itself among them
    first = np.repeat(np.repeat(np.cumsum(count) - count, count), partners)
    one = np.repeat(np.arange(len(delay)), partners)
    other = first + np.arange(len(one)) - np.repeat(np.cumsum(partners) - partners, partners)
    products = np.sum(gain[one] * gain[other].conj(), axis=1).real
    return float(products @ np.sinc(delay[one] - delay[other]))


def _share(count, total):
    return float(count / total) if total else nan


def _same_shape(name, value, other_name, other):
    value, other = np.asarray(value), np.asarray(other)
    if value.shape != other.shape:
        raise ValueError(f"{name}: expected the shape {other.shape} of {other_name}, got {value.shape}")
    return value, other
