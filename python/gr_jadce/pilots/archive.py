# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the arrays of an ``.npz`` file that may be anything, and writes such files; nothing is executed."""

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files import PathLike, open_regular, replaced_file

_MAX_BYTES = 2**30  # once unpacked: a small file may hold any number of zeros


def read_npz(path: PathLike, kind: str) -> dict[str, np.ndarray]:
    """The arrays of a file by name.

    Parameters
    ----------
    path : path
    kind : str
        What the file should be, for the message.

    Raises
    ------
    ValueError
        If it is no ``.npz`` file, is damaged, or holds more than 1 GiB.
    OSError
        If it cannot be opened.
    """
    descriptor = open_regular(path)
    # Opened here: np.load leaves a file that it cannot read open.
    with os.fdopen(descriptor, "rb") as stream:
        try:
            return _arrays(np.load(stream, allow_pickle=False))
        except Exception as error:  # zipfile, its unpackers and np.load raise nearly all there are
            raise ValueError(f"{path}: not a {kind}: {error or type(error).__name__}") from error


def write_npz(path: PathLike, arrays: Mapping[str, Any]) -> None:
    """Replace a file by one of these arrays, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; a file that was there before is as it was.
    """
    content = io.BytesIO()  # a zip file that cannot be finished complains from its destructor
    np.savez(content, **arrays)
    with replaced_file(path) as file:
        file.write(content.getbuffer())


def _arrays(file: Any) -> dict[str, np.ndarray]:
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("expected an .npz file, as np.savez writes it, got a single array")
    with file:
        size = sum(member.file_size for member in file.zip.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"expected at most {_MAX_BYTES} bytes of arrays, got {size}")
        arrays = {name: file[name] for name in file.files}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
