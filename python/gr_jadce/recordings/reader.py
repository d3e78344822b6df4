# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-antenna SigMF recordings, read without loading them; `recording_writer` writes them.

A recording is ``NAME.sigmf-meta`` (JSON) and ``NAME.sigmf-data`` (interleaved samples, all
antennas of one instant together). A new capture segment starts wherever device time jumps. Its
exact device time is ``jadce:rx_time``; ``core:datetime`` is the same, read as UTC, in nanoseconds.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..slots.clock import SampleClock
from .fields import (
    FULL_SCALE,
    PART,
    check_at_least,
    check_number,
    check_positive,
    check_time,
    field,
    from_datetime,
    recording_paths,
)

_MOST_ANTENNAS = 2**16  # as in a report
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
            parts /= FULL_SCALE
        return parts.view(np.complex64)[..., 0]

    def find(self, rx_time) -> tuple[int, Segment] | None:
        """The sample nearest to a device time, and its segment; None if that was not recorded."""
        position = SampleClock(self.sample_rate).position(*rx_time)
        for segment, first in zip(self.segments, self._positions, strict=True):
            index = segment.start + round(position - first)
            if segment.start <= index < segment.stop:
                return index, segment
        return None

    @cached_property
    def _positions(self):
        clock = SampleClock(self.sample_rate)
        return [clock.position(*segment.rx_time) for segment in self.segments]

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


def time_after(rx_time, n_samples, sample_rate) -> tuple[int, float]:
    """Device time (seconds, fraction) `n_samples` after `rx_time`, computed exactly, rounded once."""
    clock = SampleClock(sample_rate)
    return clock.time(clock.position(*rx_time) + n_samples)


def _open(meta, data_path, size):
    fields = meta["global"]
    datatype = field(fields, "core:datatype", str)
    if datatype not in PART:
        raise ValueError(f"core:datatype: expected one of {', '.join(PART)}, got {datatype!r}")
    sample_rate = float(check_positive("core:sample_rate", field(fields, "core:sample_rate", (int, float))))
    n_antennas = check_positive("core:num_channels", field(fields, "core:num_channels", int, 1))
    SampleClock(sample_rate)
    if n_antennas > _MOST_ANTENNAS:
        raise ValueError(f"core:num_channels: expected at most {_MOST_ANTENNAS}, got {n_antennas}")
    sample_size = n_antennas * 2 * PART[datatype].itemsize
    if field(fields, "jadce:finished", bool, True):
        captures, n_samples = meta["captures"], _count_samples(fields, size, sample_size)
    else:  # being written, or cut short: what is there is good
        n_samples = size // sample_size
        captures = [entry for entry in meta["captures"] if field(entry, "core:sample_start", int) < n_samples]
    _refuse_others(fields, *captures)
    segments = _segments(captures, n_samples, sample_rate)
    for entry in meta["annotations"]:
        check_at_least("annotation core:sample_start", field(entry, "core:sample_start", int), 0)
    parts = _map_parts(data_path, PART[datatype], (n_samples, n_antennas, 2))
    sha512 = field(fields, "core:sha512", str, None)
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
    field(meta, "global", dict)
    for key in ("captures", "annotations"):
        meta[key] = field(meta, key, list, [])
        if not all(isinstance(entry, dict) for entry in meta[key]):
            raise ValueError(f"{key}: expected a list of objects, got something else in it")
    return meta


def _count_samples(fields, size, sample_size):
    if size % sample_size:
        raise ValueError(
            f"the data file is truncated: expected a multiple of {sample_size} bytes "
            f"(one sample of all antennas), got {size}"
        )
    count = field(fields, "jadce:sample_count", int, size // sample_size)
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
    starts = [field(capture, "core:sample_start", int) for capture in captures]
    _check_starts(starts, n_samples)
    segments, origin = [], None
    for capture, start, stop in zip(captures, starts, [*starts[1:], n_samples], strict=True):
        index = field(capture, "core:global_index", int, None)
        rx_time = _segment_time(capture, index, origin, segments, sample_rate)
        if index is not None and origin is None:
            origin = (rx_time, index)
        frequency = field(capture, "core:frequency", (int, float), None)
        if frequency is not None:
            frequency = check_number("core:frequency", frequency)
        segments.append(Segment(start, stop, rx_time, frequency))
    return tuple(segments) if n_samples else ()


def _check_starts(starts, n_samples):
    if starts[0] != 0:
        raise ValueError(f"core:sample_start: expected 0 in the first capture segment, got {starts[0]}")
    for before, start in pairwise(starts):
        check_at_least("core:sample_start (out of order)", start, before + 1)
    if starts[-1] >= max(n_samples, 1):
        raise ValueError(
            f"the data file is truncated: expected more than {starts[-1]} samples "
            f"(start of the last segment), got {n_samples}"
        )


def _segment_time(capture, index, origin, segments, sample_rate):
    exact = field(capture, "jadce:rx_time", dict, None)
    if exact is not None:
        fraction = field(exact, "fraction", (int, float))
        return check_time("jadce:rx_time", field(exact, "seconds", int), fraction)
    if index is not None and origin is not None:
        return check_time("core:global_index", *time_after(origin[0], index - origin[1], sample_rate))
    written = field(capture, "core:datetime", str, None)
    if written is not None:
        return from_datetime(written)
    if not segments:
        return 0, 0.0
    last = segments[-1]
    return time_after(last.rx_time, last.stop - last.start, sample_rate)


def _map_parts(path, dtype, shape):
    if shape[0] == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, mode="r", shape=shape)
