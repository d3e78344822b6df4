# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in the files of a recording: names, sample types and times, and checks of them."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

# The type of a real or imaginary part. ci16 is scaled by 2**15, as by other SigMF readers; UHD's own
# conversion of such samples divides by 2**15 - 1.
PART = {"cf32_le": np.dtype("<f4"), "ci16_le": np.dtype("<i2")}
FULL_SCALE = 32768.0
_LAST_SECOND = 253402300799  # of the year 9999, the last that core:datetime can write


def recording_paths(path) -> tuple[Path, Path]:
    """Metadata path and data path of a recording named by either of them, or without suffix."""
    path = Path(path)
    name = path.name.removesuffix(".sigmf-meta").removesuffix(".sigmf-data")
    return path.with_name(f"{name}.sigmf-meta"), path.with_name(f"{name}.sigmf-data")


def to_datetime(seconds, fraction):
    """The text of a `core:datetime`, to the nanosecond."""
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{min(round(fraction * 1e9), 999_999_999):09d}Z"


def from_datetime(text):
    """Seconds and fraction of a `core:datetime`."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?Z", text)
    if not match:
        raise ValueError(f"core:datetime: expected YYYY-MM-DDTHH:MM:SS.SSSZ, got {text!r}")
    whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    return check_time("core:datetime", int(whole.timestamp()), float(f"0{match[2] or ''}"))


def check_time(name, seconds, fraction):
    """The time, if a recording can hold it; else ValueError."""
    if not 0 <= seconds <= _LAST_SECOND or not 0 <= fraction < 1:
        raise ValueError(
            f"{name}: expected seconds from 0 (1970) to {_LAST_SECOND} and a fraction of at least 0 "
            f"and below 1, got ({seconds}, {fraction})"
        )
    return int(seconds), float(fraction)


def field(scope, key, kind, *default):
    """The value of a key, of the right kind; the default, if one is given and the key is not there."""
    value = scope.get(key, *default)
    if default and value is default[0]:
        return value
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{key}: expected {kinds}, got {'nothing' if value is None else repr(value)}")
    return value


def check_positive(name, value, kind=(int, float)):
    """The value, if it is above 0 and of a kind; else ValueError."""
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value <= sys.float_info.max:
        whole = "an integer of at least 1" if kind is int else "a number above 0"
        raise ValueError(f"{name}: expected {whole}, got {value!r}")
    return value


def check_number(name, value):
    """The value as a finite float; else ValueError."""
    if not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def check_at_least(name, value, least):
    """ValueError if the value is below `least`."""
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
