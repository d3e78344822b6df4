# SPDX-License-Identifier: GPL-3.0-or-later
"""The taps of a report, from the rows of a decision."""

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
