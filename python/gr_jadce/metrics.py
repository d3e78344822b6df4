# SPDX-License-Identifier: GPL-3.0-or-later
"""The field's figures of merit, pooled over all frames given."""

import numpy as np


def nmse_db(estimated, channel) -> float:
    """Normalised mean square error 10 log10(Σ‖X̂ − X‖² / Σ‖X‖²), a ratio of sums, in dB.

    Parameters
    ----------
    estimated, channel : complex arrays of equal shape, (B, N, M) or (N, M)
    """
    estimated, channel = _same_shape("estimated", estimated, "channel", channel)
    power = np.sum(np.abs(channel) ** 2, dtype=float)
    if power == 0:
        raise ValueError("channel: expected at least one active device, got all zeros")
    error = np.sum(np.abs(estimated - channel) ** 2, dtype=float)
    return float(10 * np.log10(error / power)) if error else -np.inf


def miss_probability(decided, activity) -> float:
    """Share of the active devices that were not detected; NaN when none was active."""
    decided, activity = _same_shape("decided", decided, "activity", activity)
    return _share(np.sum(~decided & activity), np.sum(activity))


def false_alarm_probability(decided, activity) -> float:
    """Share of the inactive devices that were reported active; NaN when none was inactive."""
    decided, activity = _same_shape("decided", decided, "activity", activity)
    return _share(np.sum(decided & ~activity), np.sum(~activity))


def activity_error_rate(decided, activity) -> float:
    """Share of all devices whose activity was decided wrongly."""
    decided, activity = _same_shape("decided", decided, "activity", activity)
    return _share(np.sum(decided != activity), activity.size)


def miss_at_false_alarm(score, activity, false_alarm) -> float:
    """Miss probability at the score threshold that gives this false-alarm probability on these frames.

    The threshold is found with hindsight, as papers do; a receiver decides with `detection.decide`.
    """
    score, activity = _same_shape("score", score, "activity", activity)
    threshold = np.quantile(score[activity == 0], 1 - false_alarm)
    return miss_probability(score > threshold, activity.astype(bool))


def wilson_interval(count, total, z=1.96) -> tuple[float, float]:
    """Wilson score interval of a probability seen as `count` of `total`; 95 % for z = 1.96."""
    if total == 0:
        return 0.0, 1.0
    share, shrink = count / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / shrink
    half = z * np.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2) / shrink
    low = max(centre - half, 0.0) if count else 0.0  # exactly, whatever rounding leaves
    high = min(centre + half, 1.0) if count < total else 1.0
    return float(low), float(high)


def nmse_interval_db(error, power, z=1.96) -> tuple[float, float]:
    """Interval of the NMSE in dB from per-frame error and channel energies (delta method)."""
    error, power = np.asarray(error, dtype=float), np.asarray(power, dtype=float)
    ratio = error.sum() / power.sum()
    half = z * np.sqrt(np.sum((error - ratio * power) ** 2)) / power.sum()
    with np.errstate(divide="ignore"):
        low, high = 10 * np.log10([max(ratio - half, 0.0), ratio + half])
    return float(low), float(high)


def _share(count, total):
    return float(count / total) if total else float("nan")


def _same_shape(name, value, other_name, other):
    value, other = np.asarray(value), np.asarray(other)
    if value.shape != other.shape:
        raise ValueError(f"{name}: expected the shape {other.shape} of {other_name}, got {value.shape}")
    return value, other
