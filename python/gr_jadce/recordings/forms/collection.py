# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF Collections: one recording for each antenna, or for some, read and written as one of all antennas."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...files import PathLike, replaced_file
from ...slots.clock import SampleClock
from ..data import DataFile
from ..fields import PART, field, recording_paths
from ..metadata import read_bytes
from ..reader import Recording, read_recording
from ..writer import RecordingWriter

SUFFIX = ".sigmf-collection"
_SIGMF_VERSION = "1.0.0"
_CHUNK = 1 << 16  # samples that are copied at once
_MAX_STREAMS = 2**16


class StripedData(DataFile):
    """The data of several recordings, read as if their antennas were interleaved in one file.

    Parameters
    ----------
    path : Path
        Of the collection.
    parts : sequence of Recording
        Of equal sample type.
    """

    def __init__(self, path: Path, parts: Sequence[Recording]) -> None:
        self.path, self._parts = path, list(parts)
        self._bytes_each = 2 * PART[parts[0].datatype].itemsize  # a sample of an antenna
        self._n_antennas = sum(part.n_antennas for part in parts)

    @property
    def size(self) -> int:
        """Bytes there are now of all antennas."""
        whole = min(part.data.size // (part.n_antennas * self._bytes_each) for part in self._parts)
        return whole * self._n_antennas * self._bytes_each

    def read(self, start: int, array: np.ndarray) -> np.ndarray:
        """Fill an array (n, M, 2) with what is from byte `start` on, the first of a sample."""
        first, antenna = start // (self._n_antennas * self._bytes_each), 0
        for part in self._parts:
            columns = np.empty((len(array), part.n_antennas, 2), array.dtype)
            part.data.read(first * part.n_antennas * self._bytes_each, columns)
            array[:, antenna : antenna + part.n_antennas] = columns
            antenna += part.n_antennas
        return array

    def chunks(self) -> Iterator[np.ndarray]:
        """All of it, a recording after the other."""
        for part in self._parts:
            yield from part.data.chunks()


def read_collection(path: PathLike) -> Recording:
    """Open a collection as one recording of all its antennas, in the order of its streams.

    Its recordings must have one sample type, rate and length, and segments at the same samples and times;
    centre frequencies are those of the first.

    Raises
    ------
    ValueError
        If the collection is not what it should be, or its recordings do not fit together.
    OSError
        If a file cannot be opened.
    """
    path = Path(path)
    try:
        entries = _streams(read_bytes(path))
        parts = [read_recording(_beside(path, name)) for name, _ in entries]
        _check_alike(parts)
    except ValueError as error:
        raise ValueError(f"{path}: cannot use this collection: {error}") from error
    first = parts[0]
    notes = [note for part in parts for note in part.notes] + _changed(path, entries)
    return replace(
        first, path=path, n_antennas=sum(part.n_antennas for part in parts), annotations=(), sha512=None,
        notes=tuple(dict.fromkeys(notes)), data=StripedData(path, parts),
    )  # fmt: skip


def write_collection(path: PathLike, recording: Recording) -> list[Path]:
    """Write a recording as a collection of one recording for each antenna.

    Parameters
    ----------
    path : path
        ``NAME.sigmf-collection``; the recordings are ``NAME-1`` … beside it. All are replaced.
    recording : Recording

    Returns
    -------
    list of Path
        The metadata of the recordings.
    """
    path = Path(path)
    names = [f"{path.name.removesuffix(SUFFIX)}-{i + 1}" for i in range(recording.n_antennas)]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                RecordingWriter(
                    path.with_name(name), 1, recording.sample_rate, datatype=recording.datatype, checksum=True
                )
            )
            for name in names
        ]
        _copy(recording, writers)
    metas = [recording_paths(path.with_name(name))[0] for name in names]
    streams = [{"name": name, "hash": _sha512(meta)} for name, meta in zip(names, metas, strict=True)]
    fields = {
        "core:version": _SIGMF_VERSION,
        "core:description": "one recording an antenna",
        "core:streams": streams,
    }
    with replaced_file(path) as file:
        file.write((json.dumps({"collection": fields}, indent=2) + "\n").encode())
    return metas


def _copy(recording: Recording, writers: Sequence[RecordingWriter]) -> None:
    for segment in recording.segments:
        for start in range(segment.start, segment.stop, _CHUNK):
            samples = recording.read(start, min(start + _CHUNK, segment.stop))
            rx_time = segment.rx_time if start == segment.start else None
            for antenna, writer in enumerate(writers):
                writer.write(samples[:, antenna : antenna + 1], rx_time, frequency=segment.frequency)


def _streams(text: bytes) -> list[tuple[str, Any]]:
    """(name, hash) of the recordings of a collection; before SigMF 1.0 a stream was a pair of them."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {error}") from error
    fields = field(document if isinstance(document, dict) else {}, "collection", dict)
    entries = field(fields, "core:streams", list)
    if not 1 <= len(entries) <= _MAX_STREAMS:
        raise ValueError(f"core:streams: expected 1 to {_MAX_STREAMS} recordings, got {len(entries)}")
    return [_stream(entry) for entry in entries]


def _stream(entry: Any) -> tuple[str, Any]:
    if isinstance(entry, list) and len(entry) == 2:
        entry = dict(zip(("name", "hash"), entry, strict=True))
    return field(entry if isinstance(entry, dict) else {}, "name", str), entry.get("hash")


def _beside(path: Path, name: str) -> Path:
    """The recording of a name in the folder of a collection, and in no other."""
    if name != Path(name).name or name in ("", ".", ".."):
        raise ValueError(f"name: expected that of a recording beside the collection, got {name!r}")
    return path.with_name(name)


def _check_alike(parts: Sequence[Recording]) -> None:
    first = parts[0]
    for part in parts[1:]:
        for name in ("datatype", "sample_rate", "n_samples"):
            if getattr(part, name) != getattr(first, name):
                raise ValueError(
                    f"{part.path.name}: {name}: expected {getattr(first, name)}, as in {first.path.name}, "
                    f"got {getattr(part, name)}"
                )
        if [segment.start for segment in part.segments] != [segment.start for segment in first.segments]:
            raise ValueError(f"{part.path.name}: expected segments at the same samples as {first.path.name}")
        _check_times(part, first)


def _check_times(part: Recording, first: Recording) -> None:
    clock = SampleClock(first.sample_rate)
    for mine, others in zip(part.segments, first.segments, strict=True):
        if abs(float(clock.position(*mine.rx_time) - clock.position(*others.rx_time))) >= 0.5:
            raise ValueError(
                f"{part.path.name}: expected the time {others.rx_time} at sample {mine.start}, as in "
                f"{first.path.name}, got {mine.rx_time}"
            )


def _changed(path: Path, entries: Sequence[tuple[str, Any]]) -> list[str]:
    """Notes about metadata that have changed since the collection was made, as by an annotation."""
    metas = [(name, recording_paths(_beside(path, name))[0], found) for name, found in entries if found]
    return [
        f"the metadata of {name} have changed since the collection was made"
        for name, meta, found in metas
        if meta.exists() and _sha512(meta) != found
    ]


def _sha512(path: Path) -> str:
    return hashlib.sha512(read_bytes(path)).hexdigest()
