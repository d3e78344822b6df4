# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver's status as a line of text, and the lines of reports and statuses read."""

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from .json_lines import from_json
from .report import Report, shown

# The first key of a status's line; that of a report's is "frame_id". Subscribers can filter by it.
STATUS_KEY = "receiver_status"
STATUS_START = f'{{"{STATUS_KEY}"'
_COUNTS = (
    "frames_in",
    "frames_solved",
    "frames_dropped",
    "frames_bad",
    "gaps",
    "slots_lost",
    "partial_frames",
    "packets_decoded",
    "packets_failed",
    "backlog",
    "samples",
    "lines_published",
    "publisher_overflows",
)
_NUMBERS = (
    "solve_time_p50",
    "solve_time_p99",
    "noise_var",
    "snr_db",
    "active_per_frame",
    "seconds",
    "false_alarm",
)
_MAX_COUNT = 2**63


def status_to_json(status: Mapping[str, Any]) -> str:
    """A receiver's status as one line of JSON, ``{"receiver_status": {...}}``; no NaN or infinity."""
    plain = {name: _finite_or_none(value) for name, value in status.items()}
    return json.dumps({STATUS_KEY: plain})


def read_line(line: str) -> Report | dict[str, Any]:
    """The `Report`, or the status dictionary, in a line of text.

    Raises
    ------
    ValueError
        If it is neither, or a value in it is not what it should be.
    """
    if not line.startswith(STATUS_START):
        return from_json(line)
    try:
        status = json.loads(line)[STATUS_KEY]
    except RecursionError as error:
        raise ValueError(f"{STATUS_KEY}: expected an object, got one nested too deeply") from error
    if not isinstance(status, dict):
        raise ValueError(f"{STATUS_KEY}: expected an object, got {shown(status)}")
    _check(status)
    return status


def single_line(text: str) -> str:
    """JSON on one line of ASCII, also where it has new lines between its tokens."""
    return text if text.isascii() and text.isprintable() else json.dumps(json.loads(text))


def _check(status: Mapping[str, Any]) -> None:
    """ValueError if a value of a status is not of its kind; other keys may have any value."""
    kinds: dict[str, tuple[Callable[[Any], bool], str]] = {
        **dict.fromkeys(_COUNTS, (_is_count, "an integer from 0 to 2**63")),
        **dict.fromkeys(_NUMBERS, (_is_number, "a number or null")),
        "estimator": (_is_text, "a string of valid Unicode"),
        "nobody_heard": (lambda value: isinstance(value, bool), "true or false"),
        "final": (lambda value: isinstance(value, bool), "true or false"),
    }
    for name, value in status.items():
        is_good, expected = kinds.get(name, (lambda _: True, ""))
        if not is_good(value):
            raise ValueError(f"{STATUS_KEY}: {name}: expected {expected}, got {shown(repr(value))}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
