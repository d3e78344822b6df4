# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked for in a frame, and how sure it has to be."""

from typing import NamedTuple

from .asynchrony import Asynchrony
from .maximum import Extent, limit
from .pilot_table import PilotTable

_PATH_FALSE_ALARM = 1e-2  # of one more path of an active device


class Rule(NamedTuple):
    """What is looked for, and how sure a device has to be."""

    asynchrony: Asynchrony
    false_alarm: float
    extent: Extent
    device_limit: float
    path_limit: float

    @classmethod
    def of(cls, table: PilotTable, false_alarm: float, n_antennas: int) -> "Rule":
        """The rule for a false-alarm probability of each device."""
        extent = table.extent
        return cls(
            table.asynchrony,
            false_alarm,
            extent,
            limit(false_alarm, n_antennas, extent),
            limit(_PATH_FALSE_ALARM, n_antennas, (extent[0], 0.0)),
        )
