# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples as a NumPy file."""

import os
from tokenize import TokenError

import numpy as np

from ...files import PathLike, open_regular
from ..data import DataFile
from ..reader import Recording
from .raw import raw_recording

_CHUNK = 1 << 16  # samples that are copied at once


def write_npy(path: PathLike, recording: Recording) -> None:
    """Write the samples of a recording as an array (n, M) of complex64; times and gaps are left out."""
    shape = (recording.n_samples, recording.n_antennas)
    if not recording.n_samples:
        np.save(path, np.zeros(shape, np.complex64))
        return
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.complex64, shape=shape)
    for start in range(0, len(array), _CHUNK):
        array[start : start + _CHUNK] = recording.read(start, start + _CHUNK)
    array.flush()


def read_npy(path: PathLike, *, sample_rate: float) -> Recording:
    """Open an array (n, M), or (n,), of complex64 as a recording that begins at device time 0.

    Parameters
    ----------
    path : path
        As `numpy.save` writes it; it is read where it is asked for.
    sample_rate : float
        Samples per second and antenna.

    Raises
    ------
    ValueError
        If it is no such file.
    OSError
        If the file cannot be opened.
    """
    array = _mapped(path)
    data = DataFile(path, start=array.offset, size=array.nbytes)
    n_antennas = array.shape[1] if array.ndim == 2 else 1
    return raw_recording(data, "cf32_le", n_antennas=n_antennas, sample_rate=sample_rate)


def _mapped(path: PathLike) -> np.memmap:
    """The array in a file. Its samples are not to be touched: DataFile says why."""
    os.close(open_regular(path))
    try:
        array = np.load(path, mmap_mode="r")
    except (ValueError, EOFError, SyntaxError, TokenError) as error:
        raise ValueError(f"{path}: cannot use this NumPy file: {error}") from error
    if not isinstance(array, np.memmap):
        raise ValueError(f"{path}: expected an array, as numpy.save writes it, got a set of them")
    if array.dtype != "<c8" or array.ndim not in (1, 2) or not array.flags.c_contiguous:
        raise ValueError(
            f"{path}: expected complex64 of shape (n, M) or (n,) in C order, got {array.dtype} {array.shape}"
        )
    return array
