# SPDX-License-Identifier: GPL-3.0-or-later
"""The scored fields of reports in lines of JSON: with the compiled kernel, of many lines at once."""

import json
from io import BytesIO
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import kernel_for
from ..reports.fields import SCHEMA
from ..reports.json_lines import from_json
from ..reports.report import STATUSES, Report, check_sizes
from ..reports.scoring import Frames


class Frame(NamedTuple):
    """Those fields of a report that are scored."""

    frame_id: int
    n_devices: int
    n_antennas: int
    status: str
    estimator: str
    device: list[int]
    channel: NDArray
    responses: None = None  # it tells no delays
    payload: None = None  # nor packets


_SCORED_FIELDS = itemgetter(*Frame._fields[:5], "schema", "device", "channel")

_MORE_SCORED_FIELDS = {"delay", "taps", "payload"}
_OF_PACKETS = ("has_packets", "packet")  # lines with packets are not plain


def read_frames(text: bytes, backend: str = "auto") -> tuple[Frames, list[tuple[int, ValueError]]]:
    """The scored fields of the lines that are reports, and the places and faults of the others.

    Parameters
    ----------
    text : bytes
        Lines of JSON in UTF-8, with a newline behind each, but perhaps the last.
    backend : {"auto", "numpy", "kernel"}
        The kernel reads what is plain; the rest is read line by line, many times slower.
    """
    n_lines, places, frames = _read_plain(text, backend)
    if len(places) == n_lines:
        return frames, []
    others, faults = {}, []
    lines = BytesIO(text).readlines()
    for place in sorted(set(range(len(lines))).difference(places.tolist())):
        try:
            others[place] = read_frame(lines[place].decode(errors="replace"))
        except ValueError as fault:
            faults.append((place, fault))
    order = np.argsort([*places, *others])
    return Frames.join([frames, Frames.of(others.values())]).select(order), faults


def count_lines(text: bytes) -> int:
    """How many lines there are; the last may lack its newline."""
    newlines = np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n"))  # faster than `bytes.count`
    return newlines + (text[-1:] not in (b"", b"\n"))


def read_frame(line: str) -> Frame | Report:
    """The scored fields of a report in a line of JSON, or all of them; ValueError if it is no report."""
    try:
        entry = json.loads(line)
        if not _MORE_SCORED_FIELDS.isdisjoint(entry):
            return from_json(line)
        frame_id, n_devices, n_antennas, status, estimator, schema, device, rows = _SCORED_FIELDS(entry)
        channel = np.array(rows or np.empty((0, n_antennas, 2)), np.float32)
        is_text = isinstance(estimator, str) and status in STATUSES
        if is_text and _fit(schema, frame_id, n_devices, n_antennas, device, channel):
            channel = channel.view(np.complex64)[..., 0]
            return Frame(frame_id, n_devices, n_antennas, status, estimator, device, channel)
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        pass
    return from_json(line)  # which says what is wrong


def _fit(schema, frame_id, n_devices, n_antennas, device, channel):
    """Whether schema, sizes, devices and channels are for sure what `from_json` accepts."""
    check_sizes(n_devices, n_antennas)
    return (
        {type(schema), type(frame_id), type(n_devices), type(n_antennas), *map(type, device)} == {int}
        and schema == SCHEMA
        and 0 <= frame_id < 2**64
        and channel.shape == (len(device), n_antennas, 2)
        and device == sorted(set(device))
        and (not device or 0 <= device[0] <= device[-1] < n_devices)
    )


def _read_plain(text, backend):
    """How many lines there are, the places of those that the kernel is sure of, and their frames."""
    kernel = kernel_for(backend)
    if kernel is None:
        return count_lines(text), np.empty(0, np.int64), Frames.of([])
    n_lines, places, *columns = kernel.read_frames(text, SCHEMA)
    names = [name for name in Frames._fields if name not in _OF_PACKETS]
    frames = Frames.of([])._replace(**dict(zip(names, columns, strict=True)))
    frames = frames._replace(
        has_packets=np.zeros(len(frames.frame_id), bool),
        packet=np.zeros(len(frames.device), np.uint64),
        is_bad=frames.is_bad.view(bool),
        is_truth=frames.is_truth.view(bool),
        has_delays=frames.has_delays.view(bool),
        channel=frames.channel.view(np.complex64),
        tap_gain=frames.tap_gain.view(np.complex64),
    )
    return n_lines, places, frames
