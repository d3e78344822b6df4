# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports scored against the truth, frame by frame, in constant memory."""

from collections.abc import Iterable
from hashlib import blake2b
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..metrics import DetectionCounts, EnergySums, PacketCounts, energy, response_energy
from .report import Report


class Frames(NamedTuple):
    """Columns of the scored fields of F frames; the active devices of all frames stand in one row.

    Attributes
    ----------
    frame_id : (F,) uint64 array
    n_devices, n_antennas : (F,) int64 arrays
        N and M of each frame.
    n_active : (F,) int64 array
        K of each frame.
    is_bad, is_truth, has_delays, has_packets : (F,) bool arrays
        Whether the status is "bad_input", the estimator "truth", and whether it tells delays, and packets.
    n_taps : (F,) int64 array
        Of frames with delays, how many taps their devices have; a device without taps has one.
    device : (ΣK,) int64 array
        The active devices, ascending in each frame.
    channel : (ΣKM,) complex64 array
        Their channels, device by device.
    packet : (ΣK,) uint64 array
        A hash of each one's packet, 0 of none.
    tap_row : (ΣT,) int64 array
        Which of its frame's active devices each tap belongs to, from 0.
    tap_delay : (ΣT,) float32 array
    tap_gain : (ΣTM,) complex64 array
    """

    frame_id: NDArray
    n_devices: NDArray
    n_antennas: NDArray
    n_active: NDArray
    is_bad: NDArray
    is_truth: NDArray
    has_delays: NDArray
    has_packets: NDArray
    n_taps: NDArray
    device: NDArray
    channel: NDArray
    packet: NDArray
    tap_row: NDArray
    tap_delay: NDArray
    tap_gain: NDArray

    @classmethod
    def of(cls, reports: Iterable[Any]) -> "Frames":
        """The frames of reports, or of what has their scored fields."""
        reports = list(reports)
        taps = [report.responses for report in reports]
        known = [own for own in taps if own is not None]
        return cls(
            np.array([report.frame_id for report in reports], np.uint64),
            np.array([report.n_devices for report in reports], np.int64),
            np.array([report.n_antennas for report in reports], np.int64),
            np.array([len(report.device) for report in reports], np.int64),
            np.array([report.status == "bad_input" for report in reports], bool),
            np.array([report.estimator == "truth" for report in reports], bool),
            np.array([own is not None for own in taps], bool),
            np.array([report.payload is not None for report in reports], bool),
            np.array([0 if own is None else len(own.delay) for own in taps], np.int64),
            _column(np.int64, (report.device for report in reports)),
            _column(np.complex64, (report.channel for report in reports)),
            _column(np.uint64, map(_packets, reports)),
            _column(np.int64, (np.repeat(np.arange(len(own.counts)), own.counts) for own in known)),
            _column(np.float32, (own.delay for own in known)),
            _column(np.complex64, (own.gain for own in known)),
        )

    @classmethod
    def join(cls, parts: Iterable["Frames"]) -> "Frames":
        """The frames of several such, in their order."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    @property
    def n_channels(self) -> NDArray:
        """How many channels each frame has: K M."""
        return self.n_active * self.n_antennas

    @property
    def n_gains(self) -> NDArray:
        """How many gains of taps each frame has: T M."""
        return self.n_taps * self.n_antennas

    def select(self, index: ArrayLike) -> "Frames":
        """The frames at these places, in this order."""
        index = np.asarray(index, np.intp)
        if np.array_equal(index, np.arange(len(self.frame_id))):
            return self
        counts = (self.n_active, self.n_channels, self.n_active, self.n_taps, self.n_taps, self.n_gains)
        frames, values = self[: -len(counts)], self[-len(counts) :]
        return Frames(
            *(column[index] for column in frames),
            *(column[_places(count, index)] for column, count in zip(values, counts, strict=True)),
        )


class Score:
    """Accumulates the figures of merit over pairs of a truth report and its estimate.

    Frames whose status is "bad_input" were not estimated; they are counted and not scored. A truth
    of one antenna may be a transmitter's, which knows no receive antenna's channel: with reports of
    several antennas, the activity is scored and the channels are left out. Where both tell delays, the
    impulse responses are scored, too: all their taps, in a band of one symbol rate. So are packets.

    Attributes
    ----------
    frames, frames_bad, frames_activity_only : int
        Frames scored, frames reported as bad input, and frames scored whose channels were left out.
    """

    def __init__(self) -> None:
        self.frames = self.frames_bad = self.frames_activity_only = 0
        self._detections, self._energies, self._responses = DetectionCounts(), EnergySums(), EnergySums()
        self._packets = PacketCounts()

    def add(self, truth: Report, estimate: Report) -> None:
        """Score one frame.

        Parameters
        ----------
        truth, estimate : Report
            Of the same frame.

        Raises
        ------
        ValueError
            If the two differ in frame, number of devices or of antennas (unless the truth has one),
            or a channel is not finite.
        """
        self.add_frames(Frames.of([truth]), Frames.of([estimate]))

    def add_frames(self, truth: Frames, estimate: Frames) -> None:
        """Score several frames of equal sizes, none of them if `add` would refuse one.

        Parameters
        ----------
        truth, estimate : Frames
            Pairs of the same frame, all of the same number of devices and of antennas.
        """
        check_pairs(truth, estimate)
        n_frames, good = len(truth.frame_id), np.flatnonzero(~estimate.is_bad)
        if len(good) < n_frames:
            truth, estimate = truth.select(good), estimate.select(good)
        if len(good):
            self._add(_Rows(truth), _Rows(estimate))
        self.frames += len(good)
        self.frames_bad += n_frames - len(good)

    def miss_probability(self) -> float:
        """Share of the active devices that were not detected; NaN when none was active."""
        return self._detections.miss_probability()

    def false_alarm_probability(self) -> float:
        """Share of the inactive devices that were reported active; NaN when none was inactive."""
        return self._detections.false_alarm_probability()

    def activity_error_rate(self) -> float:
        """Share of all devices whose activity was decided wrongly; NaN before the first frame."""
        return self._detections.activity_error_rate()

    def nmse_db(self) -> float:
        """Normalised mean square error of the channels, dB; NaN when none was compared."""
        return self._energies.nmse_db()

    def response_nmse_db(self) -> float:
        """Normalised mean square error of the impulse responses, dB; NaN when none was compared."""
        return self._responses.nmse_db()

    def summary(self) -> dict:
        """All figures, each with the low and high end of its 95 % interval as ``NAME_interval``.

        Wilson score intervals for the probabilities, the delta method for the NMSE.
        """
        return {
            "frames": self.frames,
            "frames_bad": self.frames_bad,
            "frames_activity_only": self.frames_activity_only,
            **self._detections.figures(),
            "nmse_db": self.nmse_db(),
            "nmse_db_interval": self._energies.interval_db(),
            "response_nmse_db": self.response_nmse_db(),
            "response_nmse_db_interval": self._responses.interval_db(),
            **(self._packets.figures() if self._packets.sent or self._packets.wrong else {}),
        }

    def _add(self, truth, estimate):
        """Score frames of equal sizes, of which only the rows of active devices are compared."""
        rows = np.searchsorted(truth.keys, estimate.keys)
        hits = np.append(truth.keys, -1)[rows] == estimate.keys
        if truth.n_antennas == estimate.n_antennas:
            energies = _energies(truth, estimate, hits, rows[hits])
            self._responses.merge(_response_energies(truth, estimate))
            self._energies.merge(energies)
        else:
            self.frames_activity_only += truth.n_frames
        n_devices, n_hits = truth.n_devices * truth.n_frames, int(np.count_nonzero(hits))
        counts = DetectionCounts.of_frame(n_devices, len(truth.keys), len(estimate.keys), n_hits)
        self._detections.merge(counts)
        self._packets.merge(_packet_counts(truth, estimate, hits, rows[hits]))


class _Rows:
    """The active devices of frames of equal sizes in one row: `keys` ascend by frame, then by device."""

    def __init__(self, frames):
        self.n_frames, self.n_devices = len(frames.frame_id), int(frames.n_devices[0])
        self.n_antennas = int(frames.n_antennas[0])
        self.frame = np.repeat(np.arange(self.n_frames), frames.n_active)
        self.keys = self.frame * self.n_devices + frames.device
        self.channel = frames.channel.reshape(-1, self.n_antennas)
        self.packet, self.has_packets, self.has_delays = frames.packet, frames.has_packets, frames.has_delays
        self._tap_start = np.concatenate([[0], np.cumsum(frames.n_taps)])
        first_rows = np.cumsum(frames.n_active) - frames.n_active
        self.tap_device = frames.device[np.repeat(first_rows, frames.n_taps) + frames.tap_row]
        self.tap_delay, self.tap_gain = frames.tap_delay, frames.tap_gain.reshape(-1, self.n_antennas)

    def taps(self, frame):
        """Devices, delays and gains of the taps of a frame."""
        own = slice(*self._tap_start[frame : frame + 2])
        return self.tap_device[own], self.tap_delay[own], self.tap_gain[own]

    def energies(self, rows):
        """The sum of the rows' values in each frame."""
        return np.bincount(self.frame, rows, self.n_frames)


def check_pairs(truth: Frames, estimate: Frames) -> None:
    """ValueError unless numbers and sizes of estimated frames are those of their truth."""
    for name in ("frame_id", "n_devices", "n_antennas"):
        expected, values = getattr(truth, name), getattr(estimate, name)
        wrong = (expected != values) & ((name != "n_antennas") | (expected != 1))
        if np.any(wrong):
            first = np.argmax(wrong)
            raise ValueError(f"{name}: expected that of the truth, {expected[first]}, got {values[first]}")


def _energies(truth, estimate, hits, rows):
    """The error of devices rightly detected, all the channel of those missed, and all of false alarms."""
    power = energy(truth.channel, 1)
    errors = energy(estimate.channel, 1)
    errors[hits] = energy(estimate.channel[hits] - truth.channel[rows], 1)
    missed = power.copy()
    missed[rows] = 0
    return _sums("channel", truth.energies(missed) + estimate.energies(errors), truth.energies(power))


def _sums(name, error, power):
    if not isfinite(np.sum(error) + np.sum(power)):
        raise ValueError(f"{name}: expected finite values, got an error energy of {np.sum(error)}")
    return EnergySums.of(error, power)


def _response_energies(truth, estimate):
    """The error of the impulse responses of all devices, in frames of which both tell delays."""
    error, power = [], []
    for frame in np.flatnonzero(truth.has_delays & estimate.has_delays):
        (device, delay, gain), (found, found_delay, found_gain) = truth.taps(frame), estimate.taps(frame)
        power.append(response_energy(device, delay, gain))
        both = zip((device, delay, gain), (found, found_delay, -found_gain), strict=True)
        error.append(response_energy(*map(np.concatenate, both)))
    return _sums("taps", np.array(error), np.array(power))


def _packet_counts(truth, estimate, hits, rows):
    """What became of the packets, in frames of which both tell them."""
    scored = truth.has_packets & estimate.has_packets
    sent, n_told = scored[truth.frame], np.count_nonzero(estimate.packet[scored[estimate.frame]])
    received, is_detected = np.zeros_like(truth.packet), np.zeros_like(sent)
    received[rows], is_detected[rows] = estimate.packet[hits], True
    return PacketCounts.of(truth.packet[sent], received[sent], is_detected[sent], n_told)


def _packets(report):
    """A hash of the packet of each device (K,), 0 where there is none."""
    hashes = [blake2b(packet, digest_size=8).digest() if packet else b"" for packet in report.payload or ()]
    return [int.from_bytes(own, "big") for own in hashes] or [0] * len(report.device)


def _column(dtype, parts):
    return np.concatenate([np.empty(0, dtype), *map(np.ravel, parts)]).astype(dtype)


def _places(counts, index):
    """Where the values of the frames at `index` stand, if each frame has so many."""
    starts, counts = (np.cumsum(counts) - counts)[index], counts[index]
    offsets = starts - (np.cumsum(counts) - counts)
    return np.repeat(offsets, counts) + np.arange(np.sum(counts))
