# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports scored against the truth, frame by frame, in constant memory."""

from math import inf, isfinite, log10, nan, sqrt

import numpy as np

from ..metrics import wilson_interval

_MOST_CHANNELS = 2**27  # of a frame; they are compared in memory


class Score:
    """Accumulates the figures of merit over pairs of a truth report and its estimate.

    Frames whose status is "bad_input" were not estimated; they are counted and not scored. A truth
    of one antenna may be a transmitter's, which knows no receive antenna's channel: with reports of
    several antennas, the activity is scored and the channels are left out.

    Attributes
    ----------
    frames, frames_bad, frames_activity_only : int
        Frames scored, frames reported as bad input, and frames scored whose channels were left out.
    """

    def __init__(self):
        self.frames = self.frames_bad = self.frames_activity_only = 0
        self._missed = self._active = self._false_alarms = self._inactive = 0
        # Sums over frames of e, p, e², e·p and p², e the error energy of a frame, p its channel energy.
        self._energies = np.zeros(5)

    def add(self, truth, estimate):
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
        _check_match(truth, estimate)
        if estimate.status == "bad_input":
            self.frames_bad += 1
            return
        if truth.n_antennas == estimate.n_antennas:
            self._compare_channels(truth, estimate)
        else:
            self.frames_activity_only += 1
        self.frames += 1
        self._count_devices(truth, estimate)

    def miss_probability(self) -> float:
        """Share of the active devices that were not detected; NaN when none was active."""
        return _share(self._missed, self._active)

    def false_alarm_probability(self) -> float:
        """Share of the inactive devices that were reported active; NaN when none was inactive."""
        return _share(self._false_alarms, self._inactive)

    def activity_error_rate(self) -> float:
        """Share of all devices whose activity was decided wrongly; NaN before the first frame."""
        return _share(self._missed + self._false_alarms, self._active + self._inactive)

    def nmse_db(self) -> float:
        """Normalised mean square error of the channels, dB; NaN when none was compared."""
        error, power = self._energies[:2]
        return _decibel(error / power) if power else nan

    def summary(self) -> dict:
        """All figures, each with the low and high end of its 95 % interval as ``NAME_interval``.

        Wilson score intervals for the probabilities, the delta method for the NMSE.
        """
        missed, false_alarms = self._missed, self._false_alarms
        n_devices = self._active + self._inactive
        return {
            "frames": self.frames,
            "frames_bad": self.frames_bad,
            "frames_activity_only": self.frames_activity_only,
            "miss_probability": self.miss_probability(),
            "miss_probability_interval": wilson_interval(missed, self._active),
            "false_alarm_probability": self.false_alarm_probability(),
            "false_alarm_probability_interval": wilson_interval(false_alarms, self._inactive),
            "activity_error_rate": self.activity_error_rate(),
            "activity_error_rate_interval": wilson_interval(missed + false_alarms, n_devices),
            "nmse_db": self.nmse_db(),
            "nmse_db_interval": self._nmse_interval_db(),
        }

    def _compare_channels(self, truth, estimate):
        error, power = _error_energy(truth, estimate), _energy(truth.channel)
        if not isfinite(power + error):
            raise ValueError(f"channel: expected finite values, got an error energy of {error}")
        self._energies += (error, power, error * error, error * power, power * power)

    def _count_devices(self, truth, estimate):
        decided = np.zeros(truth.n_devices, dtype=bool)
        decided[estimate.device] = True
        found = int(np.count_nonzero(decided[truth.device]))
        self._active += len(truth.device)
        self._inactive += truth.n_devices - len(truth.device)
        self._missed += len(truth.device) - found
        self._false_alarms += len(estimate.device) - found

    def _nmse_interval_db(self, z=1.96):
        """`metrics.nmse_interval_db`, from the sums instead of from all frames."""
        error, power, error2, cross, power2 = self._energies
        if not power:
            return nan, nan
        ratio = error / power
        spread = max(error2 - 2 * ratio * cross + ratio * ratio * power2, 0.0)
        half = z * sqrt(spread) / power
        return _decibel(max(ratio - half, 0.0)), _decibel(ratio + half)


class TruthWindow:
    """Truth reports waiting for the estimates of their frames.

    Parameters
    ----------
    limit : int
        Most reports kept; the oldest give way.

    Attributes
    ----------
    evicted : int
        Truth given up: a later frame was answered first, or the window was full.
    unmatched : int
        Estimates whose truth was not there.
    """

    def __init__(self, limit=4096):
        if limit < 1:
            raise ValueError(f"window: expected at least 1 frame, got {limit}")
        self.evicted = 0
        self.unmatched = 0
        self._limit = limit
        self._waiting = {}

    def __len__(self):
        return len(self._waiting)

    def put(self, truth):
        """Keep a truth report."""
        self.evicted += self._waiting.pop(truth.frame_id, None) is not None
        self._waiting[truth.frame_id] = truth
        if len(self._waiting) > self._limit:
            self._give_up(next(iter(self._waiting)))

    def take(self, frame_id):
        """The truth of a frame that was answered, or None; truth of earlier frames is given up."""
        while self._waiting and next(iter(self._waiting)) < frame_id:
            self._give_up(next(iter(self._waiting)))
        truth = self._waiting.pop(frame_id, None)
        self.unmatched += truth is None
        return truth

    def _give_up(self, frame_id):
        del self._waiting[frame_id]
        self.evicted += 1


def _check_match(truth, estimate):
    for name in ("frame_id", "n_devices", "n_antennas"):
        expected, given = getattr(truth, name), getattr(estimate, name)
        if expected != given and not (name == "n_antennas" and expected == 1):
            raise ValueError(f"{name}: expected that of the truth, {expected}, got {given}")
    if truth.n_devices * truth.n_antennas > _MOST_CHANNELS:
        raise ValueError(
            f"n_devices: expected at most {_MOST_CHANNELS} channels, "
            f"got {truth.n_devices} × {truth.n_antennas} antennas"
        )


def _error_energy(truth, estimate):
    error = np.zeros((truth.n_devices, truth.n_antennas), dtype=np.complex64)
    error[estimate.device] = estimate.channel
    error[truth.device] -= truth.channel
    return _energy(error)


def _energy(channel):
    return float(np.sum(np.abs(channel) ** 2, dtype=float))


def _share(count, total):
    return count / total if total else nan


def _decibel(ratio):
    return float(10 * log10(ratio)) if ratio > 0 else -inf
