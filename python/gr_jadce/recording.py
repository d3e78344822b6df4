# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-antenna SigMF recordings: written while samples arrive, read without loading them.

A recording is ``NAME.sigmf-meta`` (JSON) and ``NAME.sigmf-data`` (interleaved samples, all
antennas of one instant together). A new capture segment starts wherever device time jumps. Its
exact device time is ``jadce:rx_time``; ``core:datetime`` is the same, read as UTC, in nanoseconds.
"""

import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .framing import SampleClock

# The type of a real or imaginary part. ci16 is scaled by 2**15, as by other SigMF readers; UHD's own
# conversion of such samples divides by 2**15 - 1.
_PART = {"cf32_le": np.dtype("<f4"), "ci16_le": np.dtype("<i2")}
_FULL_SCALE = 32768.0
_SIGMF_VERSION = "1.0.0"
_EXTENSION = {"name": "jadce", "version": "1.0.0", "optional": True}
_MOST_ANTENNAS = 2**16  # as in a report
_LAST_SECOND = 253402300799  # of the year 9999, the last that core:datetime can write
# What makes a SigMF dataset "non-conforming", or a part of a larger one.
_NOT_SUPPORTED = (
    "core:dataset",
    "core:metadata_only",
    "core:offset",
    "core:trailing_bytes",
    "core:header_bytes",
)


class Segment(NamedTuple):
    """Samples without a gap: rows `start` to `stop - 1`; row `start` was taken at `rx_time`."""

    start: int
    stop: int
    rx_time: tuple[int, float]
    frequency: float | None


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording that was opened by `read_recording`; its samples stay on disk until read.

    Attributes
    ----------
    sample_rate : float
        Samples per second and antenna.
    n_antennas, n_samples : int
        M, and the number of samples of each antenna.
    datatype : {"cf32_le", "ci16_le"}
    segments : tuple of Segment
        In order, covering every sample. Empty if there is no sample.
    annotations : tuple of dict
        As in the file, `core:` and `jadce:` keys included.
    """

    path: Path
    sample_rate: float
    n_antennas: int
    n_samples: int
    datatype: str
    segments: tuple[Segment, ...]
    annotations: tuple[dict, ...]
    sha512: str | None
    parts: np.ndarray

    def read(self, start=0, stop=None) -> np.ndarray:
        """Samples `start` to `stop - 1` of all antennas, (n, M) complex64; ci16 gives -1 to 1."""
        parts = self.parts[start:stop].astype(np.float32)
        if self.datatype == "ci16_le":
            parts /= _FULL_SCALE
        return parts.view(np.complex64)[..., 0]

    def verify(self):
        """Compare the data with `core:sha512`; ValueError if they differ or it is not given."""
        if self.sha512 is None:
            raise ValueError(f"{self.path}: core:sha512: expected a checksum, got none")
        with open(self.path, "rb") as file:
            found = hashlib.file_digest(file, "sha512").hexdigest()
        if found != self.sha512.lower():
            raise ValueError(
                f"{self.path}: expected the SHA-512 checksum {self.sha512[:8]}…, got {found[:8]}…"
            )


class RecordingWriter:
    """Write a recording block by block; a context manager.

    The metadata is on disk from the start and renewed at every segment, so that a recording
    that was cut short can be read.

    Parameters
    ----------
    path : path
        ``NAME`` or ``NAME.sigmf-meta``; both files are replaced if they exist.
    n_antennas : int
        M interleaved channels.
    sample_rate : float
        Samples per second and antenna.
    frequency : float, optional
        Centre frequency in Hz.
    datatype : {"cf32_le", "ci16_le"}
        ci16 stores round(32768 x) and clips: see `clipped`.
    description : str
    checksum : bool
        Add `core:sha512` of the data.

    Attributes
    ----------
    n_samples : int
        Written so far, for each antenna.
    clipped : int
        Samples of any antenna that did not fit ci16 and were clipped to full scale.
    """

    def __init__(
        self,
        path,
        n_antennas,
        sample_rate,
        frequency=None,
        datatype="cf32_le",
        description="",
        checksum=False,
    ):
        _check_positive("n_antennas", n_antennas, int)
        _check_positive("sample_rate", sample_rate, (int, float))
        if datatype not in _PART:
            raise ValueError(f"datatype: expected one of {', '.join(_PART)}, got {datatype!r}")
        SampleClock(sample_rate)
        if frequency is not None:
            _check_number("frequency", frequency)
        self.n_antennas, self.sample_rate = n_antennas, float(sample_rate)
        self.frequency, self.datatype = frequency, datatype
        self.n_samples = self.clipped = 0
        self._description = description
        self._hash = hashlib.sha512() if checksum else None
        self._captures, self._annotations = [], []
        self._expected = (0, 0.0)
        self._meta_path, data_path = recording_paths(path)
        self._data = open(data_path, "wb")
        self._write_meta(finished=False)

    def write(self, samples, rx_time=None):
        """Append samples of all antennas.

        Parameters
        ----------
        samples : (n, M) complex array
        rx_time : (int, float), optional
            Device time of the first of them, in seconds and fraction. Half a sample or more
            away from the time expected, it starts a new segment. Default: no gap.

        Raises
        ------
        ValueError
            If the shape or the time is wrong, or a sample cannot be stored.
        """
        samples = np.asarray(samples)
        if samples.ndim != 2 or samples.shape[1] != self.n_antennas:
            raise ValueError(f"samples: expected shape (n, {self.n_antennas}), got {samples.shape}")
        data = self._encode(samples)
        if len(samples) and self._starts_segment(rx_time):
            self._start_segment(rx_time or (0, 0.0))
        self._data.write(data)
        if self._hash:
            self._hash.update(data)
        self.n_samples += len(samples)
        self._expected = time_after(self._expected, len(samples), self.sample_rate)

    def annotate(self, sample_start, sample_count, label="", **fields):
        """Annotate a range of samples; further `fields` are stored as ``jadce:<name>``."""
        entry = {"core:sample_start": int(sample_start), "core:sample_count": int(sample_count)}
        if label:
            entry["core:label"] = label
        self._annotations.append(entry | {f"jadce:{name}": value for name, value in fields.items()})

    def close(self):
        """Finish both files; the recording is complete only then."""
        if not self._data.closed:
            self._data.close()
            self._write_meta(finished=True)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def _encode(self, samples):
        parts = np.ascontiguousarray(samples, dtype=np.complex64).view(np.float32)
        if self.datatype == "ci16_le":
            if not np.all(np.isfinite(parts)):
                raise ValueError("samples: expected finite values for ci16_le, got NaN or Inf")
            parts = np.rint(parts * np.float32(_FULL_SCALE))
            clipped = np.clip(parts, -_FULL_SCALE, _FULL_SCALE - 1)
            outside = (clipped != parts).reshape(len(samples), self.n_antennas, 2)
            self.clipped += int(outside.any(axis=2).sum())
            parts = clipped
        return parts.astype(_PART[self.datatype]).tobytes()

    def _starts_segment(self, rx_time):
        if not self._captures or rx_time is None:
            return not self._captures
        clock = SampleClock(self.sample_rate)
        return 2 * abs(clock.position(*rx_time) - clock.position(*self._expected)) >= 1

    def _start_segment(self, rx_time):
        seconds, fraction = _check_time("rx_time", *rx_time)
        capture = {"core:sample_start": self.n_samples, "core:datetime": _to_datetime(seconds, fraction)}
        capture["jadce:rx_time"] = {"seconds": seconds, "fraction": fraction}
        if self.frequency is not None:
            capture["core:frequency"] = float(self.frequency)
        self._captures.append(capture)
        self._expected = (seconds, fraction)
        self._write_meta(finished=False)

    def _write_meta(self, finished):
        annotations = sorted(self._annotations, key=lambda entry: entry["core:sample_start"])
        meta = {"global": self._global(finished), "captures": self._captures, "annotations": annotations}
        partial = self._meta_path.with_name(self._meta_path.name + ".part")
        partial.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, self._meta_path)

    def _global(self, finished):
        fields = {
            "core:datatype": self.datatype,
            "core:sample_rate": self.sample_rate,
            "core:num_channels": self.n_antennas,
            "core:version": _SIGMF_VERSION,
            "core:recorder": "gr-jadce",
            "core:description": self._description,
            "core:extensions": [_EXTENSION],
        }
        if finished:
            fields["jadce:sample_count"] = self.n_samples
        if finished and self._hash:
            fields["core:sha512"] = self._hash.hexdigest()
        return fields


def read_recording(path) -> Recording:
    """Open a recording, check all of its metadata and map its samples.

    Recordings of other programs are read too. A segment without `jadce:rx_time` takes its time
    from `core:global_index`, else `core:datetime`, else it follows on from the one before.

    Parameters
    ----------
    path : path
        ``NAME``, ``NAME.sigmf-meta`` or ``NAME.sigmf-data``.

    Raises
    ------
    ValueError
        If the metadata is not what it should be, or the data is truncated.
    OSError
        If a file cannot be opened.
    """
    meta_path, data_path = recording_paths(path)
    size = data_path.stat().st_size
    try:
        meta = _parse(meta_path.read_bytes())
        return _open(meta, data_path, size)
    except ValueError as error:
        text = str(error) if len(str(error)) <= 300 else f"{str(error)[:300]}…"
        raise ValueError(f"{meta_path}: cannot use this recording: {text}") from error


def recording_paths(path) -> tuple[Path, Path]:
    """Metadata path and data path of a recording named by either of them, or without suffix."""
    path = Path(path)
    name = path.name.removesuffix(".sigmf-meta").removesuffix(".sigmf-data")
    return path.with_name(f"{name}.sigmf-meta"), path.with_name(f"{name}.sigmf-data")


def time_after(rx_time, n_samples, sample_rate) -> tuple[int, float]:
    """Device time (seconds, fraction) `n_samples` after `rx_time`, computed exactly, rounded once."""
    clock = SampleClock(sample_rate)
    return clock.time(clock.position(*rx_time) + n_samples)


def _open(meta, data_path, size):
    fields = meta["global"]
    datatype = _field(fields, "core:datatype", str)
    if datatype not in _PART:
        raise ValueError(f"core:datatype: expected one of {', '.join(_PART)}, got {datatype!r}")
    sample_rate = float(_check_positive("core:sample_rate", _field(fields, "core:sample_rate", (int, float))))
    n_antennas = _check_positive("core:num_channels", _field(fields, "core:num_channels", int, 1))
    SampleClock(sample_rate)
    if n_antennas > _MOST_ANTENNAS:
        raise ValueError(f"core:num_channels: expected at most {_MOST_ANTENNAS}, got {n_antennas}")
    n_samples = _count_samples(fields, size, n_antennas * 2 * _PART[datatype].itemsize)
    _refuse_others(fields, *meta["captures"])
    segments = _segments(meta["captures"], n_samples, sample_rate)
    for entry in meta["annotations"]:
        _check_at_least("annotation core:sample_start", _field(entry, "core:sample_start", int), 0)
    parts = _map_parts(data_path, _PART[datatype], (n_samples, n_antennas, 2))
    sha512 = _field(fields, "core:sha512", str, None)
    annotations = tuple(meta["annotations"])
    return Recording(
        data_path, sample_rate, n_antennas, n_samples, datatype, segments, annotations, sha512, parts
    )


def _parse(text):
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {error}") from error
    if not isinstance(meta, dict):
        raise ValueError(f"expected a JSON object, got {type(meta).__name__}")
    _field(meta, "global", dict)
    for key in ("captures", "annotations"):
        meta[key] = _field(meta, key, list, [])
        if not all(isinstance(entry, dict) for entry in meta[key]):
            raise ValueError(f"{key}: expected a list of objects, got something else in it")
    return meta


def _count_samples(fields, size, sample_size):
    if size % sample_size:
        raise ValueError(
            f"the data file is truncated: expected a multiple of {sample_size} bytes "
            f"(one sample of all antennas), got {size}"
        )
    count = _field(fields, "jadce:sample_count", int, size // sample_size)
    if count != size // sample_size:
        raise ValueError(
            f"the data file has the wrong size: expected {count} samples, got {size // sample_size}"
        )
    return count


def _refuse_others(*scopes):
    for scope in scopes:
        for key in _NOT_SUPPORTED:
            if scope.get(key):
                raise ValueError(f"{key}: expected none (not supported), got {scope[key]!r}")


def _segments(captures, n_samples, sample_rate):
    captures = captures or [{"core:sample_start": 0}]
    starts = [_field(capture, "core:sample_start", int) for capture in captures]
    _check_starts(starts, n_samples)
    segments, origin = [], None
    for capture, start, stop in zip(captures, starts, [*starts[1:], n_samples], strict=True):
        index = _field(capture, "core:global_index", int, None)
        rx_time = _segment_time(capture, index, origin, segments, sample_rate)
        if index is not None and origin is None:
            origin = (rx_time, index)
        frequency = _field(capture, "core:frequency", (int, float), None)
        if frequency is not None:
            frequency = _check_number("core:frequency", frequency)
        segments.append(Segment(start, stop, rx_time, frequency))
    return tuple(segments) if n_samples else ()


def _check_starts(starts, n_samples):
    if starts[0] != 0:
        raise ValueError(f"core:sample_start: expected 0 in the first capture segment, got {starts[0]}")
    for before, start in pairwise(starts):
        _check_at_least("core:sample_start (out of order)", start, before + 1)
    if starts[-1] >= max(n_samples, 1):
        raise ValueError(
            f"the data file is truncated: expected more than {starts[-1]} samples "
            f"(start of the last segment), got {n_samples}"
        )


def _segment_time(capture, index, origin, segments, sample_rate):
    exact = _field(capture, "jadce:rx_time", dict, None)
    if exact is not None:
        fraction = _field(exact, "fraction", (int, float))
        return _check_time("jadce:rx_time", _field(exact, "seconds", int), fraction)
    if index is not None and origin is not None:
        return _check_time("core:global_index", *time_after(origin[0], index - origin[1], sample_rate))
    written = _field(capture, "core:datetime", str, None)
    if written is not None:
        return _from_datetime(written)
    if not segments:
        return 0, 0.0
    last = segments[-1]
    return time_after(last.rx_time, last.stop - last.start, sample_rate)


def _map_parts(path, dtype, shape):
    if shape[0] == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, mode="r", shape=shape)


def _to_datetime(seconds, fraction):
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{min(round(fraction * 1e9), 999_999_999):09d}Z"


def _from_datetime(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?Z", text)
    if not match:
        raise ValueError(f"core:datetime: expected YYYY-MM-DDTHH:MM:SS.SSSZ, got {text!r}")
    whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    return _check_time("core:datetime", int(whole.timestamp()), float(f"0{match[2] or ''}"))


def _check_time(name, seconds, fraction):
    if not 0 <= seconds <= _LAST_SECOND or not 0 <= fraction < 1:
        raise ValueError(
            f"{name}: expected seconds from 0 (1970) to {_LAST_SECOND} and a fraction of at least 0 "
            f"and below 1, got ({seconds}, {fraction})"
        )
    return int(seconds), float(fraction)


def _field(scope, key, kind, *default):
    value = scope.get(key, *default)
    if default and value is default[0]:
        return value
    if isinstance(value, bool) or not isinstance(value, kind):
        kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{key}: expected {kinds}, got {'nothing' if value is None else repr(value)}")
    return value


def _check_positive(name, value, kind=(int, float)):
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value <= sys.float_info.max:
        whole = "an integer of at least 1" if kind is int else "a number above 0"
        raise ValueError(f"{name}: expected {whole}, got {value!r}")
    return value


def _check_number(name, value):
    if not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def _check_at_least(name, value, least):
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
