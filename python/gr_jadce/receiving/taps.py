# SPDX-License-Identifier: GPL-3.0-or-later
"""The taps and packets of a report, from the rows of a decision."""

from typing import Any

import numpy as np

from ..detection.rows import Rows
from ..reports.report import Taps


def taps_of(rows: Rows, part: slice) -> dict[str, Taps]:
    """The taps of the rows of a frame, if one of them has several."""
    if rows.tap_start is None or rows.tap_delay is None or rows.tap_gain is None:
        return {}
    start = rows.tap_start[part.start : part.stop + 1].astype(np.int64)
    if np.diff(start).max(initial=0) < 2:
        return {}
    own = slice(start[0], start[-1])
    delay, gain = rows.tap_delay[own].astype(np.float32), rows.tap_gain[own].astype(np.complex64)
    return {"taps": Taps(start - start[0], delay, gain)}


def optional_fields(rows: Rows, part: slice) -> dict[str, Any]:
    """What a report tells of the rows of a frame if it is known: taps, and what was decoded."""
    return {**taps_of(rows, part), **packets_of(rows, part)}


def packets_of(rows: Rows, part: slice) -> dict[str, Any]:
    """The packets of the rows of a frame, if devices send any."""
    if rows.packets is None:
        return {}
    packets = rows.packets[part]
    return {
        "payload": tuple(packet.data if packet.crc_ok else b"" for packet in packets),
        "evm_db": np.array([packet.evm_db for packet in packets], np.float32),
        "payload_snr_db": np.array([packet.snr_db for packet in packets], np.float32),
    }
