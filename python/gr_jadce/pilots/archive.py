# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the arrays of an ``.npz`` file that may be anything: nothing in it is executed."""

import os
from typing import Any

import numpy as np

from ..files import PathLike, open_regular

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


def _arrays(file: Any) -> dict[str, np.ndarray]:
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("expected an .npz file, as np.savez writes it, got a single array")
    with file:
        size = sum(member.file_size for member in file.zip.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"expected at most {_MAX_BYTES} bytes of arrays, got {size}")
        arrays = {name: file[name] for name in file.files}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
