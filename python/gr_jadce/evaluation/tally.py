# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted over simulated frames for one estimator, and the figures that follow from it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..detection.decide import Decision
from ..estimate import Estimate
from ..metrics import DetectionCounts, EnergySums, energy, wilson_interval
from ..uplink.simulation import Uplink

_BINS = 1 << 16
# How the file of a sweep names the sums of energies (the refit's are named alike) and the counts.
_ENERGY_KEYS = {"error": "{}_error", "error_error": "{}_error_error", "error_power": "{}_error_power"}
_POWER_KEYS = {"power": "power", "power_power": "power_power"}
_COUNT_KEYS = {"active": "active", "inactive": "inactive", "missed": "misses", "false_alarms": "false_alarms"}


class Tally:
    """Sums over frames and histograms of scores, for one estimator at one point of a sweep.

    Tallies of different frames add up. Scores are pooled in bins of a relative width of 2⁻⁷ (the
    upper half of a float32, which sorts like the number itself), so that a threshold can be set
    with hindsight over any number of frames.

    Attributes
    ----------
    frames : int
    detections : DetectionCounts
        Of the decisions; without decisions nothing is detected or counted as missed.
    raw, refit : EnergySums
        Of the estimated channels, and of those after the decision.
    scores : (2, bins) int64 array
        How many inactive and active devices scored in each bin.
    """

    def __init__(self) -> None:
        self.frames, self.iterations, self.certified, self.log10_gap = 0, 0.0, 0, 0.0
        self.detections, self.raw, self.refit = DetectionCounts(), EnergySums(), EnergySums()
        self.scores = np.zeros((2, _BINS), np.int64)

    def add(self, uplink: Uplink, estimate: Estimate, decision: Decision | None) -> None:
        """Count a batch of frames; the decision is None where the estimator does not decide."""
        power = energy(uplink.channel, (1, 2))
        self.raw.merge(_energies(estimate.channel, uplink.channel, power))
        if decision is None:
            active = int(np.count_nonzero(uplink.activity))
            self.detections.merge(DetectionCounts(active, 0, uplink.activity.size - active, 0))
        else:
            self.refit.merge(_energies(decision.channel, uplink.channel, power))
            self.detections.merge(DetectionCounts.of(decision.activity, uplink.activity))
        self.frames += len(power)
        self._add_solving(estimate)
        for scores, members in zip(self.scores, (~uplink.activity, uplink.activity), strict=True):
            scores += np.bincount(score_bin(estimate.score[members]), minlength=_BINS)

    def merge(self, other: "Tally") -> None:
        """Add the frames of another tally."""
        for name in ("frames", "iterations", "certified", "log10_gap"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("detections", "raw", "refit"):
            getattr(self, name).merge(getattr(other, name))
        self.scores += other.scores

    @property
    def sums(self) -> dict[str, float]:
        """All sums by the names that they have in the file of a sweep."""
        sums = {
            "frames": self.frames,
            "iterations": self.iterations,
            "certified": self.certified,
            "log10_gap": self.log10_gap,
            **_named(self.raw, _POWER_KEYS),
        }
        for kind in ("raw", "refit"):
            sums |= _named(getattr(self, kind), _energy_keys(kind))
        return {name: float(value) for name, value in (sums | _named(self.detections, _COUNT_KEYS)).items()}

    def to_dict(self) -> dict:
        """Plain lists and numbers, from which `from_dict` makes the tally again."""
        used = np.flatnonzero(self.scores.any(axis=0))
        return {"sums": self.sums, "bins": used.tolist(), "scores": self.scores[:, used].tolist()}

    @classmethod
    def from_dict(cls, saved: dict) -> "Tally":
        """The tally that `to_dict` saved."""
        tally, sums = cls(), saved["sums"]
        for name in ("iterations", "log10_gap"):
            setattr(tally, name, float(sums[name]))
        for name in ("frames", "certified"):
            setattr(tally, name, int(sums[name]))
        for kind in ("raw", "refit"):
            setattr(tally, kind, EnergySums(**_picked(sums, _POWER_KEYS | _energy_keys(kind), float)))
        tally.detections = DetectionCounts(**_picked(sums, _COUNT_KEYS, int))
        tally.scores[:, saved["bins"]] = saved["scores"]
        return tally

    def figures(self, false_alarm: float, decided: bool = True) -> dict:
        """The figures of merit by name, each with its 95 % interval; None where there is none."""
        active = self.detections.active
        missed = active - self._detections_at(false_alarm)
        figures = _nmse("nmse_db", self.raw)
        figures["miss_at_false_alarm"] = missed / active if active else None
        figures["miss_at_false_alarm_interval"] = wilson_interval(missed, active)
        if decided:
            figures |= _nmse("refit_nmse_db", self.refit) | self.detections.figures()
        figures = _without_nan(figures)
        figures["iterations"] = self.iterations / max(self.frames, 1)
        figures["log10_gap"] = self.log10_gap / self.certified if self.certified else None
        return figures

    def roc(self) -> tuple[NDArray, NDArray]:
        """False-alarm and detection probability at every threshold, ascending."""
        above = np.cumsum(self.scores[:, ::-1], axis=1)
        corners = np.flatnonzero(self.scores.sum(axis=0)[::-1])
        totals = np.maximum(self.scores.sum(axis=1), 1)
        return above[0, corners] / totals[0], above[1, corners] / totals[1]

    def _detections_at(self, false_alarm):
        """Active devices above the lowest threshold that at most this share of the inactive passes."""
        above = np.cumsum(self.scores[:, ::-1], axis=1)
        passing = above[0] <= false_alarm * above[0, -1]
        return float(above[1, passing][-1]) if passing.any() else 0.0

    def _add_solving(self, estimate):
        """Count iterations, and the duality gaps of those frames that have one."""
        gap = estimate.gap[np.isfinite(estimate.gap)]
        self.iterations += float(np.sum(estimate.n_iter, dtype=float))
        self.certified += len(gap)
        self.log10_gap += float(np.sum(np.log10(np.maximum(gap, 1e-16)), dtype=float))


def score_bin(score: ArrayLike) -> NDArray:
    """The upper half of each score's float32, mapped so that it sorts like the score."""
    bits = (np.asarray(score, np.float32) + np.float32(0)).view(np.uint32)  # + 0: no −0
    return (np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)) >> 16).astype(np.int64)


def _energies(channel, truth, power):
    error = energy(channel - truth, (1, 2))
    if not np.all(np.isfinite(error)):
        raise ValueError("estimate: expected finite channels, got NaN or Inf")
    return EnergySums.of(error, power)


def _nmse(name, sums):
    """Ratio of sums in dB, with an interval that is symmetric in dB."""
    if not sums.power or not sums.error:
        return {name: None, f"{name}_interval": None}
    value, margin = sums.nmse_db(), sums.margin_db()
    return {name: value, f"{name}_interval": (value - margin, value + margin)}


def _without_nan(figures):
    """Figures as JSON has them: pairs as lists, None for a figure that is not there and its interval."""
    absent = {name for name, value in figures.items() if value is None or value != value}
    return {
        name: None
        if name.removesuffix("_interval") in absent
        else (list(value) if isinstance(value, tuple) else value)
        for name, value in figures.items()
    }


def _energy_keys(kind):
    return {name: key.format(kind) for name, key in _ENERGY_KEYS.items()}


def _named(sums, keys):
    return {key: getattr(sums, name) for name, key in keys.items()}


def _picked(saved, keys, kind):
    return {name: kind(saved[key]) for name, key in keys.items()}
