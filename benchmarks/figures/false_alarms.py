# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what decisions about simulated frames got wrong, and turn the counts into figures.

Decisions within a frame depend on each other, frames do not: intervals are those of as many independent
events as tell as much.
"""

import numpy as np
from scipy.special import gammaincinv

from gr_jadce import metrics

ENOUGH_EVENTS = 100  # false alarms expected of a ratio that counts as it is
MAX_NOISE_LEVELS = 1000  # kept of a cell: enough for a median
_TAIL = 0.025  # on either side of an interval


def count(uplink, rows, noise_var):
    """What is counted over the rows decided about frames whose noise is of this variance."""
    is_active = uplink.activity[rows.frame, rows.device]
    inactive = np.sum(~uplink.activity, axis=1, dtype=float)
    alarms = np.bincount(rows.frame[~is_active], minlength=len(inactive)).astype(float)
    return {
        "inactive": float(inactive.sum()),
        "alarms": alarms.sum(),
        "alarms_alarms": np.sum(alarms**2),
        "alarms_inactive": np.sum(alarms * inactive),
        "inactive_inactive": np.sum(inactive**2),
        "active": float(uplink.activity.sum()),
        "misses": float(uplink.activity.sum() - is_active.sum()),
        "error": _error(uplink, rows),
        "power": float(metrics.energy(uplink.channel[uplink.activity])),
        "noise_db": [round(float(x), 3) for x in 10 * np.log10(rows.noise_var / noise_var)],
    }


def told_counts(uplink, rows):
    """What is counted beside that over the rows of a receiver that is told more."""
    is_active = uplink.activity[rows.frame, rows.device]
    return {
        "told_alarms": float(np.sum(~is_active)),
        "told_misses": float(uplink.activity.sum() - is_active.sum()),
        "told_error": _error(uplink, rows),
    }


def _error(uplink, rows):
    """Squared error of the channels of all devices, zero where there is no row."""
    true = uplink.channel[rows.frame, rows.device]
    missed = metrics.energy(uplink.channel[uplink.activity]) - metrics.energy(true)
    return float(missed + metrics.energy(rows.channel - true))


def add(total, more):
    """Add a chunk's counts of each wanted probability to the total of a cell."""
    total["turns"] = total.get("turns", 0) + 1
    for wanted, numbers in more.items():
        entry = total.setdefault(wanted, {})
        for key, value in numbers.items():
            if key != "noise_db" or len(entry.get(key, ())) < MAX_NOISE_LEVELS:
                entry[key] = entry.get(key, type(value)()) + value


def together(cells):
    """The counts of several cells as if they were one."""
    total = {}
    for counts in cells:
        add(total, {wanted: numbers for wanted, numbers in counts.items() if wanted != "turns"})
    return total


def figures(counts, wanted):
    """False-alarm ratio, miss probability, NMSE and error of σ² of a cell at one wanted probability."""
    c, expected = counts[wanted], counts[wanted]["inactive"] * float(wanted)
    told = _told(c, expected) if "told_misses" in c else {}
    entry = told | {
        "inactive": int(c["inactive"]),
        "events_expected": expected,
        "ratio": c["alarms"] / expected,
        "ratio_interval": [limit / expected for limit in _interval(c)],
        "miss_probability": c["misses"] / max(c["active"], 1),
        "nmse_db": _nmse_db(c["error"], c["power"]),
        "noise_var_error_db": float(np.median(c["noise_db"])),
    }
    return {key: _short(value) for key, value in entry.items()}


def _short(value):
    """A float, or each of a list, to four digits."""
    if isinstance(value, list):
        return [_short(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def verdict(entry, factor):
    """Whether a measured ratio is right by a factor: "holds", "fails" or "undecided".

    Where few false alarms are expected, what the whole interval says.
    """
    low, high = entry["ratio_interval"]
    if high < 1 / factor or low > factor:
        return "fails"
    if entry["events_expected"] >= ENOUGH_EVENTS:
        return "holds" if 1 / factor <= entry["ratio"] <= factor else "fails"
    return "holds" if 1 / factor <= low and high <= factor else "undecided"


def _told(c, expected):
    least = {"least_nmse_db": _nmse_db(c["least_error"], c["power"])} if "least_error" in c else {}
    return least | {
        "told_ratio": c["told_alarms"] / expected,
        "told_miss_probability": c["told_misses"] / max(c["active"], 1),
        "told_nmse_db": _nmse_db(c["told_error"], c["power"]),
    }


def _nmse_db(error, power):
    return float(10 * np.log10(error / power)) if error and power else None


def _interval(c):
    """Limits of the number of false alarms, 95 %: of a Poisson number of groups that come together."""
    share, alarms = c["alarms"] / c["inactive"], c["alarms"]
    squares = c["alarms_alarms"] + share * (share * c["inactive_inactive"] - 2 * c["alarms_inactive"])
    group = max(squares / alarms, np.finfo(float).tiny) if alarms > 1 else 1.0
    n_groups = alarms / group
    low = gammaincinv(n_groups, _TAIL) if alarms else 0.0
    return float(low) * group, float(gammaincinv(n_groups + 1, 1 - _TAIL)) * group
