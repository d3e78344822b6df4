# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording opened, whatever form it has."""

from pathlib import Path

from ...checks import check_choice
from ...files import PathLike
from ..reader import Recording, read_recording
from .arrays import read_npy
from .collection import SUFFIX, read_collection
from .raw import RAW_TYPES, read_raw

UNTIMED_FORMS = (*RAW_TYPES, "npy")


def open_recording(path: PathLike) -> Recording:
    """The recording, archive or collection of that name; errors are those of `read_recording`."""
    return read_collection(path) if Path(path).suffix == SUFFIX else read_recording(path)


def open_untimed(path: PathLike, form: str, *, n_antennas: int, sample_rate: float) -> Recording:
    """The samples of a file without metadata, from device time 0 on.

    Parameters
    ----------
    path : path
    form : {"cf32", "ci16", "npy"}
    n_antennas : int
        M of a raw file; a NumPy file tells its own.
    sample_rate : float
        Samples per second and antenna.

    Raises
    ------
    ValueError
        If it is no such file.
    OSError
        If the file cannot be opened.
    """
    check_choice("raw", form, UNTIMED_FORMS)
    if form == "npy":
        return read_npy(path, sample_rate=sample_rate)
    return read_raw(path, form, n_antennas=n_antennas, sample_rate=sample_rate)
