# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples as a NumPy file."""

import numpy as np

from ...files import PathLike
from ..reader import Recording

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
