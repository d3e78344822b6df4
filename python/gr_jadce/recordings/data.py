# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the metadata and the samples of a recording are, in two files or in an archive of them."""

import os
import tarfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..files import PathLike, open_regular
from .fields import ARCHIVE_SUFFIX, recording_paths

_CHUNK_BYTES = 1 << 20  # read at once where all is read


class DataFile:
    """A file, or a part of one, that is read where it is asked for.

    It is not mapped into memory: a mapped file that somebody cuts short ends the process.

    Parameters
    ----------
    path : path
    start : int
        Bytes before the part.
    size : int, optional
        Bytes of the part; default to the end of the file.

    Raises
    ------
    ValueError
        If it is no regular file, such as a pipe or a device.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: PathLike, *, start: int = 0, size: int | None = None) -> None:
        self.path = Path(path)
        self._descriptor = open_regular(path)
        self._start, self._size = start, size
        weakref.finalize(self, os.close, self._descriptor)

    @property
    def size(self) -> int:
        """Bytes there are now."""
        there = max(os.fstat(self._descriptor).st_size - self._start, 0)
        return there if self._size is None else min(there, self._size)

    def read(self, start: int, array: np.ndarray) -> np.ndarray:
        """Fill an array with what is from byte `start` on; ValueError if the file ends before."""
        buffer, position = array.reshape(-1).view(np.uint8).data, self._start + start
        while len(buffer):
            count = os.preadv(self._descriptor, [buffer], position)
            if count == 0:
                raise ValueError(
                    f"{self.path}: the file was cut short while it was read: expected "
                    f"{len(buffer)} bytes more after {position - self._start}"
                )
            buffer, position = buffer[count:], position + count
        return array

    def chunks(self) -> Iterator[np.ndarray]:
        """All of it, a part at a time."""
        size = self.size
        for start in range(0, size, _CHUNK_BYTES):
            yield self.read(start, np.empty(min(_CHUNK_BYTES, size - start), np.uint8))


def is_archive(path: PathLike) -> bool:
    """Whether a path is that of an archive, ``NAME.sigmf``, not of two files named after one."""
    meta_path = recording_paths(path)[0]
    return Path(path).suffix == ARCHIVE_SUFFIX and (os.path.exists(path) or not meta_path.exists())


def open_archive(path: PathLike) -> tuple[bytes, DataFile]:
    """The metadata and the samples in a SigMF archive, an uncompressed tar file of one recording."""
    os.close(open_regular(path))
    try:
        with tarfile.open(path, "r:") as archive:
            meta, data = (_member(archive, suffix) for suffix in (".sigmf-meta", ".sigmf-data"))
    except Exception as error:  # tarfile raises what its readers do
        raise ValueError(f"expected an archive (tar) of one recording: {error}") from error
    text = DataFile(path, start=meta.offset_data, size=meta.size)
    return b"".join(map(bytes, text.chunks())), DataFile(path, start=data.offset_data, size=data.size)


def _member(archive: tarfile.TarFile, suffix: str) -> tarfile.TarInfo:
    """The only file with a suffix."""
    members = [entry for entry in archive if entry.isreg() and entry.name.endswith(suffix)]
    if len(members) != 1 or members[0].issparse():
        names = ", ".join(entry.name for entry in members[:3]) or "none"
        raise ValueError(f"expected one file NAME{suffix} in it, got {names}")
    return members[0]
