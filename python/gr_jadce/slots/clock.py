# SPDX-License-Identifier: GPL-3.0-or-later
"""Device time (whole seconds, fraction) to and from samples, exactly."""

from fractions import Fraction
from typing import Any

from ..checks import check_number

_SNAP = Fraction(1, 10_000)  # of a sample: how far off a time stored as a double may be
END_OF_TIME = 2**63  # seconds, samples, slots
LONGEST_SLOT = 2**32  # samples


class SampleClock:
    """Device time (whole seconds, fraction) to and from samples, exactly.

    A rate that is no integer is taken for the simplest fraction that it stands for as a double
    (33333333.333333332 for 100000000/3); whole seconds then need not fall on samples, and
    positions may be fractions.

    Parameters
    ----------
    rate : float
        Samples a second.

    Raises
    ------
    ValueError
        If the rate is not from 0.001 to 1e12.
    """

    def __init__(self, rate: float) -> None:
        rate = check_number("rate", rate, 1e-3, 1e12)
        simple = Fraction(rate).limit_denominator(10_000)
        exact = simple if float(simple) == rate else Fraction(rate)
        self.rate: int | Fraction = exact.numerator if exact.denominator == 1 else exact

    def position(self, seconds: int, fraction: float) -> int | Fraction:
        """Samples since time zero: an int, or a Fraction if the time is between two samples.

        Raises
        ------
        ValueError
            If the time is negative, not finite, or beyond 2**63 samples.
        """
        if not seconds < END_OF_TIME or not 0 <= seconds <= seconds + fraction < END_OF_TIME / self.rate:
            raise ValueError(f"rx_time: expected a time, got {seconds!r} + {fraction!r} s")
        exact = (int(seconds) + Fraction(float(fraction))) * self.rate
        nearest = round(exact)
        return nearest if abs(exact - nearest) <= _SNAP else exact

    def time(self, position: int | Fraction) -> tuple[int, float]:
        """The time of a position; the fraction is in [0, 1). Before time zero, the seconds are negative."""
        seconds, rest = divmod(position, self.rate)
        fraction = float(rest / self.rate)
        return (int(seconds), fraction) if fraction < 1 else (int(seconds) + 1, 0.0)


def check_device_time(name: str, value: Any, alternative: str = "") -> tuple[int, float]:
    """A device time as (whole seconds, fraction), if it is one; else ValueError.

    `alternative` is what else the argument may be, for the message.
    """
    try:
        seconds, fraction = value
        good = seconds == int(seconds) >= 0 and seconds < END_OF_TIME and 0 <= fraction < 1
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise ValueError(f"{name}: expected {alternative}(whole seconds, fraction in [0, 1)), got {value!r}")
    return int(seconds), float(fraction)


def check_origin(slot_origin: Any) -> tuple[int, float]:
    """A slot origin as a device time, if it is one; else ValueError."""
    return check_device_time("slot_origin", slot_origin, '"first" or ')
