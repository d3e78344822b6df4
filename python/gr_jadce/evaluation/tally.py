# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted over simulated frames for one estimator, and the figures that follow from it."""

import numpy as np

from ..metrics import wilson_interval

# Sums over frames; "refit" and "decided" are after `detection.decide`.
SUMS = (
    *("frames", "iterations", "certified", "log10_gap"),
    *("power", "power_power", "raw_error", "raw_error_error", "raw_error_power"),
    *("refit_error", "refit_error_error", "refit_error_power"),
    *("active", "inactive", "misses", "false_alarms"),
)
_BINS = 1 << 16


class Tally:
    """Sums over frames and histograms of scores, for one estimator at one point of a sweep.

    Tallies of different frames add up. Scores are pooled in bins of a relative width of 2⁻⁷ (the
    upper half of a float32, which sorts like the number itself), so that a threshold can be found
    with hindsight over any number of frames.
    """

    def __init__(self):
        self.sums = dict.fromkeys(SUMS, 0.0)
        self.scores = np.zeros((2, _BINS), np.int64)  # of inactive, of active devices

    def add(self, uplink, estimate, decision):
        """Count a batch of frames: `Uplink`, `Estimate`, and `Decision` or None."""
        power = _energy(uplink.channel)
        self._count("power", power, "power_power", power**2)
        self._add_errors("raw", estimate.channel, uplink.channel, power)
        if decision is not None:
            self._add_errors("refit", decision.channel, uplink.channel, power)
            self._count("misses", uplink.activity & ~decision.activity)
            self._count("false_alarms", decision.activity & ~uplink.activity)
        self._count("active", uplink.activity, "inactive", ~uplink.activity)
        self._count("frames", np.ones(len(power)), "iterations", estimate.n_iter)
        gap = estimate.gap[np.isfinite(estimate.gap)]
        self._count("certified", np.ones(len(gap)), "log10_gap", np.log10(np.maximum(gap, 1e-16)))
        for scores, members in zip(self.scores, (~uplink.activity, uplink.activity), strict=True):
            scores += np.bincount(score_bin(estimate.score[members]), minlength=_BINS)

    def merge(self, other):
        """Add the frames of another tally."""
        for name in SUMS:
            self.sums[name] += other.sums[name]
        self.scores += other.scores

    def to_dict(self):
        """Plain lists and numbers, from which `from_dict` makes the tally again."""
        used = np.flatnonzero(self.scores.any(axis=0))
        return {"sums": dict(self.sums), "bins": used.tolist(), "scores": self.scores[:, used].tolist()}

    @classmethod
    def from_dict(cls, saved):
        tally = cls()
        tally.sums = {name: float(saved["sums"][name]) for name in SUMS}
        tally.scores[:, saved["bins"]] = saved["scores"]
        return tally

    @property
    def wrong_decisions(self):
        return self.sums["misses"] + self.sums["false_alarms"]

    def figures(self, false_alarm, decided=True) -> dict:
        """The figures of merit by name, each with its 95 % interval; None where there is none.

        Intervals of probabilities take the devices' decisions for independent.
        """
        sums, devices = self.sums, self.sums["active"] + self.sums["inactive"]
        missed = sums["active"] - self._detected_at(false_alarm)
        figures = self._nmse("raw", "nmse_db") | _share("miss_at_false_alarm", missed, sums["active"])
        if decided:
            figures |= self._nmse("refit", "refit_nmse_db")
            figures |= _share("miss_probability", sums["misses"], sums["active"])
            figures |= _share("false_alarm_probability", sums["false_alarms"], sums["inactive"])
            figures |= _share("activity_error_rate", self.wrong_decisions, devices)
        figures["iterations"] = sums["iterations"] / max(sums["frames"], 1)
        figures["log10_gap"] = sums["log10_gap"] / sums["certified"] if sums["certified"] else None
        return figures

    def roc(self):
        """False-alarm and detection probability at every threshold, ascending."""
        above = np.cumsum(self.scores[:, ::-1], axis=1)
        corners = np.flatnonzero(self.scores.any(axis=0)[::-1])
        totals = np.maximum(self.scores.sum(axis=1), 1)
        return above[0, corners] / totals[0], above[1, corners] / totals[1]

    def _detected_at(self, false_alarm):
        """Active devices above the lowest threshold that at most this share of the inactive passes."""
        above = np.cumsum(self.scores[:, ::-1], axis=1)
        passing = above[0] <= false_alarm * above[0, -1]
        return float(above[1, passing][-1]) if passing.any() else 0.0

    def _add_errors(self, kind, channel, truth, power):
        error = _energy(channel - truth)
        if not np.all(np.isfinite(error)):
            raise ValueError("estimate: expected finite channels, got NaN or Inf")
        self._count(f"{kind}_error", error, f"{kind}_error_error", error**2)
        self._count(f"{kind}_error_power", error * power)

    def _count(self, *names_and_values):
        for name, value in zip(names_and_values[::2], names_and_values[1::2], strict=True):
            self.sums[name] += float(np.sum(value, dtype=float))

    def _nmse(self, kind, name):
        """Ratio of sums in dB; the interval is the delta method's, taken in dB."""
        power, error = self.sums["power"], self.sums[f"{kind}_error"]
        if not power or not error:
            return {name: None, f"{name}_interval": None}
        ratio, squares = error / power, self.sums[f"{kind}_error_error"]
        squares += ratio * (ratio * self.sums["power_power"] - 2 * self.sums[f"{kind}_error_power"])
        value, half = 10 * np.log10(ratio), 1.96 * np.sqrt(max(squares, 0)) / error * 10 / np.log(10)
        return {name: float(value), f"{name}_interval": [float(value - half), float(value + half)]}


def score_bin(score):
    """The upper half of each score's float32, mapped so that it sorts like the score."""
    bits = (np.asarray(score, np.float32) + np.float32(0)).view(np.uint32)  # + 0: no −0
    return (np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)) >> 16).astype(np.int64)


def _share(name, count, total):
    if not total:
        return {name: None, f"{name}_interval": None}
    return {name: count / total, f"{name}_interval": list(wilson_interval(count, total))}


def _energy(array):
    return np.sum(np.abs(array).astype(float) ** 2, axis=(1, 2))
