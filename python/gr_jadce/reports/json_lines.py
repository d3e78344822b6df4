# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as JSON lines."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import FIELDS, Kind
from .report import Report, Taps, check_indices, check_schema, check_sizes, shown

_log = logging.getLogger("gr_jadce")
_EXPECTED: dict[type, str] = {
    int: "an integer from 0 to 2**64 - 1",
    float: "a number",
    str: "a string",
    dict: "an object",
    list: "a list",
}


def to_json(report: Report) -> str:
    """The report as one line of JSON, no newline; NaN and infinities become null."""
    values = ((field, getattr(report, field.name)) for field in FIELDS)
    parts = [f'"{field.name}": {_WRITERS[field.kind](value)}' for field, value in values if value is not None]
    return f"{{{', '.join(parts)}}}"


def from_json(line: str) -> Report:
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
    check_schema(_read(entry, "schema", int))
    fields = {
        field.name: _READERS[field.kind](entry, field.name)
        for field in FIELDS
        if field.name != "schema" and (field.name in entry or not field.optional)
    }
    check_sizes(fields["n_devices"], fields["n_antennas"])
    check_indices("device", fields["device"], fields["n_devices"])
    n_antennas = fields["n_antennas"]
    fields["channel"] = _complex_rows("channel", fields["channel"], len(fields["device"]), n_antennas)
    if "taps" in fields:
        taps = fields["taps"]
        fields["taps"] = taps._replace(gain=_complex_rows("taps", taps.gain, len(taps.delay), n_antennas))
    return Report(**fields)


def read_reports(path: str | os.PathLike) -> Iterator[Report]:
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


def _number_text(value: float) -> str:
    return repr(float(value)) if isfinite(value) else "null"


def _time_text(time: tuple[int, float]) -> str:
    return f'{{"seconds": {int(time[0])}, "fraction": {float(time[1])!r}}}'


def _numbers_text(array: NDArray) -> str:
    """JSON of a float32 array: nine digits give back every value exactly, shorter and faster than json's."""
    template = "%.9g"
    for size in reversed(array.shape):
        template = "[" + ", ".join([template] * size) + "]"
    text = template % tuple(array.ravel().tolist())
    return re.sub(r"-?(nan|inf)", "null", text) if "n" in text else text


def _channels_text(channel: NDArray) -> str:
    pairs = np.ascontiguousarray(channel, np.complex64).view(np.float32)
    return _numbers_text(pairs.reshape(*channel.shape, 2))


def _taps_text(taps: Taps) -> str:
    """JSON of taps: a list of each device, of objects with a delay and the gains."""
    gain = np.ascontiguousarray(taps.gain, np.complex64).view(np.float32)
    pairs = ", ".join(["[%.9g, %.9g]"] * taps.gain.shape[1])
    tap = f'{{"delay": %.9g, "gain": [{pairs}]}}'
    template = ", ".join(f"[{', '.join([tap] * int(count))}]" for count in taps.counts)
    text = template % tuple(np.column_stack([taps.delay, gain]).ravel().tolist())
    return f"[{re.sub('-?(nan|inf)', 'null', text) if 'n' in text else text}]"


def _integer_text(value: int) -> str:
    return str(int(value))


def _texts_text(texts: tuple[str, ...]) -> str:
    return json.dumps(list(texts))


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    Kind.UINT64: _integer_text,
    Kind.INTEGER: _integer_text,
    Kind.NUMBER: _number_text,
    Kind.TEXT: json.dumps,
    Kind.TIME: _time_text,
    Kind.INDICES: lambda indices: str(indices.tolist()),
    Kind.NUMBERS: _numbers_text,
    Kind.TEXTS: _texts_text,
    Kind.CHANNELS: _channels_text,
    Kind.TAPS: _taps_text,
    Kind.PACKETS: lambda packets: json.dumps([packet.hex() for packet in packets]),
}


def _read(entry: dict, name: str, kind: type) -> Any:
    value = entry.get(name)
    if kind is float and name in entry and value is None:
        return float("nan")
    good = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not good or (kind is int and not 0 <= value < 2**64):  # type: ignore[operator]
        given = shown(value) if name in entry else "nothing"
        raise ValueError(f"{name}: expected {_EXPECTED[kind]}, got {given}")
    try:
        return kind(value)
    except OverflowError as error:
        raise ValueError(f"{name}: expected {_EXPECTED[kind]}, got one beyond all floats") from error


def _read_array(entry: dict, name: str, dtype: type | None = np.float32) -> NDArray:
    values = _read(entry, name, list)
    try:
        with np.errstate(over="raise"):
            return np.array(values, dtype=dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{name}: expected numbers in rows of equal length, got {shown(values)}") from error


def _read_time(entry: dict, name: str) -> tuple[int, float]:
    time = _read(entry, name, dict)
    return _read(time, "seconds", int), _read(time, "fraction", float)


def _read_texts(entry: dict, name: str) -> tuple[str, ...]:
    texts = _read(entry, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name}: expected strings, got {shown(texts)}")
    return tuple(texts)


def _read_taps(entry: dict, name: str) -> Taps:
    """Taps whose gains are pairs of real and imaginary part."""
    devices = _read(entry, name, list)
    try:
        with np.errstate(over="raise"):
            count = [len(taps) for taps in devices]
            delay = np.array([tap["delay"] for taps in devices for tap in taps], np.float32)
            gain = np.array([tap["gain"] for taps in devices for tap in taps], np.float32)
        if np.isinf(delay).any() or np.isinf(gain).any():  # NumPy before 1.24 raises nothing
            raise OverflowError("beyond all floats")
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f'{name}: expected a list of {{"delay": …, "gain": …}} of each device, got {shown(devices)}'
        ) from error
    return Taps.of_counts(np.array(count, np.int64), delay, gain)


def _read_packets(entry: dict, name: str) -> tuple[bytes, ...]:
    texts = _read(entry, name, list)
    try:
        return tuple(map(bytes.fromhex, texts))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected texts of hexadecimal digits, got {shown(texts)}") from error


def _complex_rows(name: str, pairs: NDArray, n_rows: int, n_antennas: int) -> NDArray:
    """Complex rows (n_rows, M) in pairs (n_rows, M, 2) of real and imaginary part."""
    shape = (n_rows, n_antennas, 2)
    if pairs.size != np.prod(shape) or (pairs.size and pairs.shape != shape):
        raise ValueError(f"{name}: expected {n_rows} rows of {n_antennas} pairs, got {pairs.shape}")
    return pairs.reshape(shape).view(np.complex64)[..., 0]


_READERS: dict[Kind, Callable[[dict, str], Any]] = {
    Kind.UINT64: lambda entry, name: _read(entry, name, int),
    Kind.INTEGER: lambda entry, name: _read(entry, name, int),
    Kind.NUMBER: lambda entry, name: _read(entry, name, float),
    Kind.TEXT: lambda entry, name: _read(entry, name, str),
    Kind.TIME: _read_time,
    Kind.INDICES: lambda entry, name: _read_array(entry, name, None),
    Kind.NUMBERS: _read_array,
    Kind.TEXTS: _read_texts,
    Kind.CHANNELS: _read_array,
    Kind.TAPS: _read_taps,
    Kind.PACKETS: _read_packets,
}
