# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata of a recording as JSON, and the journal of its segments while it is being written."""

import json
import os
from pathlib import Path
from typing import Any

from ..files import PathLike, open_regular, replaced_file
from .fields import field


class Journal:
    """One line of JSON for each capture segment since the metadata were written: a segment costs a line.

    Parameters
    ----------
    meta_path : Path
        Of the recording; the journal is ``NAME.sigmf-journal`` beside it.
    """

    def __init__(self, meta_path: Path) -> None:
        self._path = journal_path(meta_path)
        self._file = open(self._path, "wb", buffering=0)

    def append(self, capture: dict[str, Any]) -> None:
        """Add a segment; OSError if the disk does not take it whole."""
        line = memoryview(json.dumps(capture).encode() + b"\n")
        while len(line):
            line = line[self._file.write(line) :]

    def remove(self) -> None:
        """Delete the journal, when the metadata hold all segments."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the journal to readers."""
        self._file.close()


def journal_path(meta_path: Path) -> Path:
    """Where the journal of a recording is while it is being written."""
    return meta_path.with_name(f"{meta_path.name.removesuffix('.sigmf-meta')}.sigmf-journal")


def read_journal(meta_path: Path) -> tuple[list[dict[str, Any]] | None, int]:
    """The segments in a journal and its torn lines, which are left out; None if there is no journal."""
    try:
        lines = read_bytes(journal_path(meta_path)).splitlines()
    except FileNotFoundError:
        return None, 0
    captures = [capture for line in lines if (capture := _parse_line(line)) is not None]
    return captures, len(lines) - len(captures)


def read_bytes(path: PathLike) -> bytes:
    """All of a regular file; ValueError if it is no such."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def parse_meta(text: bytes) -> dict[str, Any]:
    """Metadata with its three parts, the lists as lists; ValueError if it is no such."""
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {error}") from error
    if not isinstance(meta, dict):
        raise ValueError(f"expected a JSON object, got {type(meta).__name__}")
    field(meta, "global", dict)
    for key in ("captures", "annotations"):
        meta[key] = _objects(meta, key)
    return meta


def add_journal(meta: dict[str, Any], captures: list[dict[str, Any]] | None) -> None:
    """Add the segments of a journal that the metadata of an unfinished recording do not have yet."""
    last = max((field(entry, "core:sample_start", int) for entry in meta["captures"]), default=-1)
    for entry in captures or []:
        start = field(entry, "core:sample_start", int)
        if start > last:
            meta["captures"].append(entry)
            last = start


def write_meta(path: Path, meta: dict[str, Any]) -> None:
    """Replace metadata at once, so that the file is whole at any moment."""
    text = meta_text(meta)
    with replaced_file(path) as file:
        file.write(text)


def meta_text(meta: dict[str, Any]) -> bytes:
    """Metadata as they are written."""
    return json.dumps(meta, indent=2, default=_plain).encode() + b"\n"


def _objects(meta: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects; one object stands for a list of it."""
    if isinstance(meta.get(key), dict) and meta[key]:
        return [meta[key]]
    entries = field(meta, key, list, [])
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{key}: expected a list of objects, got something else in it")
    return entries


def _parse_line(line: bytes) -> dict[str, Any] | None:
    try:
        capture = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return capture if isinstance(capture, dict) else None


def _plain(value: Any) -> Any:
    """What a NumPy scalar or array is in JSON."""
    if not hasattr(value, "tolist"):
        raise TypeError(f"expected a value that JSON can hold, got {value!r}")
    return value.tolist()
