# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording opened, whatever form it has."""

from pathlib import Path

from ...files import PathLike
from ..reader import Recording, read_recording
from .collection import SUFFIX, read_collection


def open_recording(path: PathLike) -> Recording:
    """The recording, archive or collection of that name; errors are those of `read_recording`."""
    return read_collection(path) if Path(path).suffix == SUFFIX else read_recording(path)
