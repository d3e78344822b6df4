# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-antenna SigMF recordings, read without loading them; `writer` writes them.

A recording is ``NAME.sigmf-meta`` (JSON) and ``NAME.sigmf-data`` (interleaved samples, all
antennas of one instant together), or an archive of both. A new capture segment starts wherever device
time jumps. Its exact device time is ``jadce:rx_time``; ``core:datetime`` is the same, read as UTC, in
nanoseconds.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import check_choice, check_integer, check_positive
from ..files import PathLike
from ..slots.clock import SampleClock
from .data import DataFile, is_archive, open_archive
from .fields import FULL_SCALE, PART, check_extensions, field, recording_paths
from .metadata import add_journal, parse_meta, read_bytes, read_journal
from .segments import Segment, find_segments

_MAX_ANTENNAS = 2**16  # as in a report
_MAX_MESSAGE_LENGTH = 300  # characters of what a file is refused for
# What makes a SigMF dataset "non-conforming", or a part of a larger one.
_NOT_SUPPORTED = (
    "core:dataset",
    "core:metadata_only",
    "core:offset",
    "core:trailing_bytes",
    "core:header_bytes",
)


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording that was opened by `read_recording`; its samples stay on disk until read.

    Attributes
    ----------
    path : Path
        Of the samples.
    sample_rate : float
        Samples per second and antenna.
    n_antennas, n_samples : int
        M, and the number of samples of each antenna.
    datatype : {"cf32_le", "ci16_le"}
    segments : tuple of Segment
        In order, covering every sample. Empty if there is no sample.
    annotations : tuple of dict
        As in the file, `core:` and `jadce:` keys included.
    sha512 : str or None
        Checksum of the samples.
    notes : tuple of str
        What the user of its device times should know.
    data : DataFile
    """

    path: Path
    sample_rate: float
    n_antennas: int
    n_samples: int
    datatype: str
    segments: tuple[Segment, ...]
    annotations: tuple[dict[str, Any], ...]
    sha512: str | None
    notes: tuple[str, ...]
    data: DataFile

    def read(self, start: int | None = 0, stop: int | None = None) -> np.ndarray:
        """Samples `start` to `stop - 1` of all antennas, (n, M) complex64; ci16 gives -1 to 1.

        ValueError if the file has been cut short since it was opened.
        """
        rows, part = range(self.n_samples)[start:stop], PART[self.datatype]
        shape = (len(rows), self.n_antennas, 2)
        raw = self.data.read(rows.start * self.n_antennas * 2 * part.itemsize, np.empty(shape, part))
        parts = raw.astype(np.float32, copy=False)
        if self.datatype == "ci16_le":
            parts /= FULL_SCALE
        return parts.view(np.complex64)[..., 0]

    def find(self, rx_time: tuple[int, float]) -> tuple[int, Segment] | None:
        """The sample nearest to a device time, and its segment; None if that was not recorded."""
        position = SampleClock(self.sample_rate).position(*rx_time)
        for segment, first in zip(self.segments, self._positions, strict=True):
            index = segment.start + round(position - first)
            if segment.start <= index < segment.stop:
                return index, segment
        return None

    @cached_property
    def _positions(self) -> list[Any]:
        clock = SampleClock(self.sample_rate)
        return [clock.position(*segment.rx_time) for segment in self.segments]

    def verify(self) -> None:
        """Compare the data with `core:sha512`; ValueError if they differ or it is not given."""
        if self.sha512 is None:
            raise ValueError(f"{self.path}: core:sha512: expected a checksum, got none")
        checksum = hashlib.sha512()
        for chunk in self.data.chunks():
            checksum.update(chunk.data)
        if checksum.hexdigest() != self.sha512.lower():
            raise ValueError(
                f"{self.path}: expected the SHA-512 checksum {self.sha512[:8]}…, "
                f"got {checksum.hexdigest()[:8]}…"
            )


def read_recording(path: PathLike) -> Recording:
    """Open a recording, check all of its metadata and leave its samples on disk.

    Recordings of other programs are read too. A segment without `jadce:rx_time` takes its time
    from `core:global_index`, else `core:datetime`, else it follows on from the one before. A
    `core:datetime` that is within its own written resolution of the time at which the segment follows
    on tells of no gap; see `Recording.notes`.

    Parameters
    ----------
    path : path
        ``NAME``, ``NAME.sigmf-meta`` or ``NAME.sigmf-data``, or an archive, ``NAME.sigmf``.

    Raises
    ------
    ValueError
        If the metadata is not what it should be, or the data is truncated.
    OSError
        If a file cannot be opened.
    """
    if Path(path).suffix == ".sigmf-collection":
        raise ValueError(
            f"{path}: expected a recording, got a collection of them: name one of its recordings"
        )
    opened, meta_path = (_open_archive, path) if is_archive(path) else (_open_pair, recording_paths(path)[0])
    try:
        return opened(meta_path)
    except ValueError as error:
        text = str(error)
        text = text if len(text) <= _MAX_MESSAGE_LENGTH else f"{text[:_MAX_MESSAGE_LENGTH]}…"
        raise ValueError(f"{meta_path}: cannot use this recording: {text}") from error


def _open_archive(path):
    text, data = open_archive(path)
    return _recording(parse_meta(text), data, data.size)


def _open_pair(meta_path):
    """A recording that may be growing: samples are counted before, and so have, their segments."""
    data = DataFile(recording_paths(meta_path)[1])
    size, (captures, n_torn) = data.size, read_journal(meta_path)
    meta = parse_meta(read_bytes(meta_path))
    if _is_finished(meta):
        return _recording(meta, data, data.size)
    add_journal(meta, captures)
    return _recording(meta, data, size, notes=_journal_notes(meta, captures, n_torn))


def _journal_notes(meta, captures, n_torn):
    if captures is None and meta["global"].get("jadce:journal"):
        return ("the recording is unfinished and its .sigmf-journal is not there: gaps may be missing",)
    return (f"{n_torn} torn lines of the journal are left out",) if n_torn else ()


def _alignment_notes(fields):
    count = field(fields, "jadce:misaligned", int, 0)
    return (f"{count} samples are of antennas that were out of step with each other",) if count else ()


def _is_finished(meta):
    return field(meta["global"], "jadce:finished", bool, True)


def _recording(meta, data, size, notes=()):
    fields, captures = meta["global"], meta["captures"]
    check_extensions(fields)
    datatype = check_choice("core:datatype", field(fields, "core:datatype", str), PART)
    sample_rate, n_antennas = _rate(fields), _n_antennas(fields)
    n_samples = _count_samples(meta, size, n_antennas * 2 * PART[datatype].itemsize)
    if not _is_finished(meta):  # being written, or cut short: what is there is good
        captures = [entry for entry in captures if field(entry, "core:sample_start", int) < n_samples]
    _refuse_others(fields, *captures)
    segments, time_notes = find_segments(captures, n_samples, sample_rate)
    notes = (*notes, *time_notes, *_alignment_notes(fields))
    for entry in meta["annotations"]:
        check_integer("annotation core:sample_start", field(entry, "core:sample_start", int), 0)
    return Recording(
        data.path, sample_rate, n_antennas, n_samples, datatype, segments, tuple(meta["annotations"]),
        field(fields, "core:sha512", str, None), notes, data,
    )  # fmt: skip


def _rate(fields):
    rate = check_positive("core:sample_rate", field(fields, "core:sample_rate", (int, float)))
    SampleClock(rate)
    return rate


def _n_antennas(fields):
    return check_integer("core:num_channels", field(fields, "core:num_channels", int, 1), 1, _MAX_ANTENNAS)


def _count_samples(meta, size, sample_size):
    if not _is_finished(meta):
        return size // sample_size
    if size % sample_size:
        raise ValueError(
            f"the data file is truncated: expected a multiple of {sample_size} bytes "
            f"(one sample of all antennas), got {size}"
        )
    count = field(meta["global"], "jadce:sample_count", int, size // sample_size)
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
