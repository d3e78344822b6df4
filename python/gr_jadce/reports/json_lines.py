# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as JSON lines."""

import json
import logging
import re
from math import isfinite

import numpy as np

from .report import (
    EXPECTED,
    FRAME_ID,
    OPTIONAL,
    SCALARS,
    SCHEMA,
    SHARED,
    Report,
    check_device,
    check_schema,
    check_sizes,
    optional_of,
    shown,
)

_log = logging.getLogger("gr_jadce")


def to_json(report) -> str:
    """The report as one line of JSON, no newline; NaN and infinities become null."""
    entry = {
        "frame_id": int(report.frame_id),
        "rx_time": {"seconds": int(report.rx_time[0]), "fraction": float(report.rx_time[1])},
        **{name: _JSON_KINDS[kind](getattr(report, name)) for name, kind in (SHARED | SCALARS).items()},
        "schema": SCHEMA,
        "device": report.device.tolist(),
    }
    if report.device_id is not None:
        entry["device_id"] = list(report.device_id)
    rows = np.ascontiguousarray(report.channel).view(np.float32).reshape(*report.channel.shape, 2)
    arrays = {"score": report.score, "channel": rows, **optional_of(report)}
    arrays = ", ".join(f'"{name}": {_json_numbers(array)}' for name, array in arrays.items())
    return f"{json.dumps(entry)[:-1]}, {arrays}}}"


def from_json(line) -> Report:
    """The report in a line written by `to_json`; null becomes NaN.

    Raises
    ------
    ValueError
        If the line is not such a report; the message names the key, what was expected and given.
    """
    try:
        entry = json.loads(line)
    except RecursionError as error:
        raise ValueError("report: expected a JSON object, got one nested too deeply") from error
    if not isinstance(entry, dict):
        raise ValueError(f"report: expected a JSON object, got {shown(entry)}")
    check_schema(_from_entry(entry, "schema", int))
    fields = {name: _from_entry(entry, name, kind) for name, kind in (FRAME_ID | SHARED | SCALARS).items()}
    check_sizes(fields["n_devices"], fields["n_antennas"])
    rx_time = _from_entry(entry, "rx_time", dict)
    device = _array_from_entry(entry, "device", None)
    check_device(device, fields["n_devices"])
    rows = _array_from_entry(entry, "channel", np.float32)
    shape = (len(device), fields["n_antennas"], 2)
    if rows.size != np.prod(shape) or (rows.size and rows.shape != shape):
        raise ValueError(f"channel: expected {shape[0]} rows of {shape[1]} pairs, got {rows.shape}")
    return Report(
        rx_time=(_from_entry(rx_time, "seconds", int), _from_entry(rx_time, "fraction", float)),
        device=device,
        score=_array_from_entry(entry, "score", np.float32),
        channel=rows.reshape(shape).view(np.complex64)[..., 0],
        device_id=_names_from_entry(entry),
        **{name: _array_from_entry(entry, name, np.float32) for name in OPTIONAL if name in entry},
        **fields,
    )


def read_reports(path):
    """The reports in a file of JSON lines, one after the other; ValueError with the line if one is none.

    A last line that was cut off, as when its writer was killed, is left out with a warning.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                report = from_json(line)
            except ValueError as error:
                if not line.endswith("\n"):
                    _log.warning("%s, line %d: left out, for it was cut off", path, number)
                    return
                raise ValueError(f"{path}, line {number}: {error}") from error
            yield report


def _finite_or_none(value):
    value = float(value)
    return value if isfinite(value) else None


_JSON_KINDS = {int: int, float: _finite_or_none, str: str}


def _json_numbers(array):
    """JSON of a float32 array: nine digits give back every value exactly, shorter and faster than json's."""
    template = "%.9g"
    for size in reversed(array.shape):
        template = "[" + ", ".join([template] * size) + "]"
    text = template % tuple(array.ravel().tolist())
    return text if np.isfinite(array).all() else re.sub(r"-?(nan|inf)", "null", text)


def _from_entry(entry, name, kind):
    value = entry.get(name)
    if kind is float and name in entry and value is None:
        return float("nan")
    good = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not good or (kind is int and not 0 <= value < 2**64):
        raise ValueError(
            f"{name}: expected {EXPECTED[kind]}, got {shown(value) if name in entry else 'nothing'}"
        )
    try:
        return kind(value)
    except OverflowError as error:
        raise ValueError(f"{name}: expected {EXPECTED[kind]}, got one beyond all floats") from error


def _array_from_entry(entry, name, dtype):
    values = _from_entry(entry, name, list)
    try:
        with np.errstate(over="raise"):
            return np.array(values, dtype=dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{name}: expected numbers in rows of equal length, got {shown(values)}") from error


def _names_from_entry(entry):
    if "device_id" not in entry:
        return None
    names = _from_entry(entry, "device_id", list)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"device_id: expected strings, got {shown(names)}")
    return tuple(names)
