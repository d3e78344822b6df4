# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are replaced whole, so that a reader never finds half of one."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]


@contextmanager
def replaced_file(path: PathLike, mode: str = "wb", **options: Any) -> Iterator[Any]:
    """Open a file to be written beside `path` and renamed over it at the end.

    After an error, a full disk for one, the file at `path` is as it was. A device or a pipe cannot be
    replaced and is written as it is.

    Parameters
    ----------
    path : path
    mode : str
    **options
        As for `open`.

    Raises
    ------
    OSError
        If the file cannot be written; its filename is `path`.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with open(target, mode, **options) as file:
            yield file
        return
    partial = target.with_name(target.name + ".part")
    try:
        with open(partial, mode, **options) as file:
            yield file
        os.replace(partial, target)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(partial)):  # None: a full disk
            error.filename = os.fspath(path)
        raise


def open_regular(path: PathLike) -> int:
    """A descriptor to read a regular file; ValueError for a pipe, a device or a folder, without waiting."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{os.fspath(path)}: expected a file, got a pipe, a device or a folder")
    return descriptor
