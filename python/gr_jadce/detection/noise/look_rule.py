# SPDX-License-Identifier: GPL-3.0-or-later
"""What `rounds` asks of noise that does not look white, for the kernel."""

from typing import NamedTuple

from ...pilots.book import PilotBook
from ..refinement import Rule, make_rule
from .covariance import chi2_limits
from .rounds import (
    COLOURED,
    COLOURED_CROWD,
    CROWD_SHARE,
    CROWDED,
    LOOK_ROUNDS,
    ODD,
    ONE_WAY,
    SETTLED,
    TELLING,
    sure_false_alarm,
)

_Limits = tuple[float, float]  # of the two statistics of the noise


class LookRule(NamedTuple):
    """When noise that does not look white is white all the same (`kernel/settling/noise_look.hpp`)."""

    sure: Rule  # of devices that are sure to be there
    sure_crowd: Rule  # in a crowded frame
    whitened: Rule  # of whitened frames
    crowded: float  # rows that bear witness of the noise
    telling: float
    n_rounds: int  # of whitening, at most: until the covariance changes by no more than `settled`
    settled: float
    coloured: _Limits
    coloured_crowd: _Limits
    odd: _Limits
    one_way: _Limits

    @classmethod
    def of(cls, pilots: PilotBook, n_antennas: int, false_alarm: float, max_rounds: int) -> "LookRule":
        """For frames of so many antennas."""
        L, sure = pilots.pilot_length, sure_false_alarm(pilots, false_alarm)
        white, crowd = (
            make_rule(pilots, n_antennas, error, max_rounds, "white") for error in (sure, CROWD_SHARE * sure)
        )
        whitened = make_rule(pilots, n_antennas, false_alarm, max_rounds, "spatial")
        errors = (COLOURED, COLOURED_CROWD, ODD, ONE_WAY)
        limits = (tuple(chi2_limits(n_antennas, error).tolist()) for error in errors)
        return cls(white, crowd, whitened, CROWDED * L, TELLING * L, LOOK_ROUNDS, SETTLED, *limits)
