# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw files of interleaved samples, without metadata: what is in them is told."""

from ...checks import check_choice, check_integer, check_positive
from ...files import PathLike
from ...slots.clock import SampleClock
from ..data import DataFile
from ..fields import PART
from ..reader import Recording
from ..segments import Segment

RAW_TYPES = {"cf32": "cf32_le", "ci16": "ci16_le"}


def read_raw(path: PathLike, sample_type: str, *, n_antennas: int, sample_rate: float) -> Recording:
    """Open a raw file as a recording that begins at device time 0.

    Parameters
    ----------
    path : path
    sample_type : {"cf32", "ci16"}
        Real and imaginary parts as little-endian float32, or int16, which is read as −1 … 1.
    n_antennas : int
        M; all antennas of an instant stand together.
    sample_rate : float
        Samples per second and antenna.

    Raises
    ------
    ValueError
        If an argument is out of range, or the file is no multiple of a sample of all antennas.
    OSError
        If the file cannot be opened.
    """
    datatype = RAW_TYPES[check_choice("raw", sample_type, RAW_TYPES)]
    return raw_recording(DataFile(path), datatype, n_antennas=n_antennas, sample_rate=sample_rate)


def raw_recording(data: DataFile, datatype: str, *, n_antennas: int, sample_rate: float) -> Recording:
    """Interleaved samples as a recording; arguments and errors are those of `read_raw`."""
    check_integer("n_antennas", n_antennas, 1)
    SampleClock(check_positive("sample_rate", sample_rate))
    sample_size = 2 * PART[datatype].itemsize * n_antennas
    n_samples, rest = divmod(data.size, sample_size)
    if rest:
        raise ValueError(
            f"{data.path}: expected a multiple of {sample_size} bytes (one sample of {n_antennas} antennas), "
            f"got {data.size}"
        )
    segments = (Segment(0, n_samples, (0, 0.0), None),) if n_samples else ()
    return Recording(
        data.path, float(sample_rate), n_antennas, n_samples, datatype, segments, (), None, (), data
    )
