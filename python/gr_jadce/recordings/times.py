# SPDX-License-Identifier: GPL-3.0-or-later
"""Device times as recordings hold them, and how exact they are."""

import re
from datetime import datetime, timezone
from typing import Any

from ..slots.clock import SampleClock

_LAST_SECOND = 253402300799  # of the year 9999, the last that core:datetime can write
_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.([0-9]+))? ?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def time_after(rx_time: tuple[int, float], n_samples: int, sample_rate: float) -> tuple[int, float]:
    """Device time (seconds, fraction) `n_samples` after `rx_time`, computed exactly, rounded once."""
    clock = SampleClock(float(sample_rate))
    return clock.time(clock.position(*rx_time) + int(n_samples))


def to_datetime(seconds: int, fraction: float) -> str:
    """The text of a `core:datetime`, to the nanosecond."""
    whole = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{min(round(fraction * 1e9), 999_999_999):09d}Z"


def from_datetime(text: str) -> tuple[tuple[int, float], float]:
    """The time (seconds, fraction) of a `core:datetime`, and the resolution that it has, in seconds.

    Without a zone it is UTC, as SigMF wants; another zone is converted.
    """
    match = _DATETIME.fullmatch(text)
    if not match:
        raise ValueError(f"core:datetime: expected YYYY-MM-DDTHH:MM:SS.SSSZ, got {text!r}")
    date, time, digits, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    whole = int(datetime.fromisoformat(f"{date}T{time}{offset}").timestamp())
    fraction = float(f"0.{digits or 0}")
    carry = int(fraction)  # of so many nines that a double is 1
    resolution_s = 10.0 ** -min(len(digits or ""), 300)
    return check_time("core:datetime", whole + carry, fraction - carry), resolution_s


def check_time(name: str, seconds: Any, fraction: Any) -> tuple[int, float]:
    """The time, if a recording can hold it; else ValueError."""
    if not 0 <= seconds <= _LAST_SECOND or not 0 <= fraction < 1:
        raise ValueError(
            f"{name}: expected seconds from 0 (1970) to {_LAST_SECOND} and a fraction of at least 0 "
            f"and below 1, got ({seconds}, {fraction})"
        )
    return int(seconds), float(fraction)
