# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the arrays of an ``.npz`` file that may be anything: nothing in it is executed."""

import numpy as np

_MOST_BYTES = 2**30  # once unpacked: a small file may hold any number of zeros


def read_npz(path, kind) -> dict[str, np.ndarray]:
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
    # Opened here: np.load leaves a file that it cannot read open.
    with open(path, "rb") as stream:
        try:
            return _arrays(np.load(stream, allow_pickle=False))
        except Exception as error:  # zipfile, its unpackers and np.load raise nearly all there are
            raise ValueError(f"{path}: not a {kind}: {error or type(error).__name__}") from error


def _arrays(file):
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("expected an .npz file, got a single array")
    with file:
        size = sum(member.file_size for member in file.zip.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES} bytes of arrays, got {size}")
        arrays = {name: file[name] for name in file.files}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
