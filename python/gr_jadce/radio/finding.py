# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check of a radio found: a verdict, a figure, and what to do."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..numeric import decibels

_POWER_FLOOR = 1e-20  # that stands for no power at all: -200 dB


class Finding(NamedTuple):
    """What a check found: `verdict` is "ok", "warn" or "fail"; `value` None if it cannot be told."""

    name: str
    verdict: str
    value: float | None
    unit: str
    text: str
    remedy: str = ""


def grade(value: float, limits: tuple[float, float]) -> str:
    """The verdict on a figure by the limits from which on it is a warning, and a failure."""
    warn, fail = limits
    return "fail" if value >= fail else "warn" if value >= warn else "ok"


def make_finding(name: str, verdict: str, value: float | None, unit: str, text: str, remedy: str) -> Finding:
    """A finding; what is ok needs no remedy."""
    figure = None if value is None else float(value)
    return Finding(name, verdict, figure, unit, text, "" if verdict == "ok" else remedy)


def worst_of(values: np.ndarray) -> tuple[float, int]:
    """The largest of the values, and whose it is."""
    worst = int(np.argmax(values))
    return float(values[worst]), worst


def antenna_names(samples: np.ndarray, antennas: Sequence[int] | None) -> list[int]:
    """The numbers of the antennas whose samples (n, M) these are."""
    return list(range(samples.shape[1])) if antennas is None else list(antennas)


def level_db(power: ArrayLike) -> np.ndarray:
    """A power, or a ratio of powers, in dB; −200 where there is none."""
    return decibels(np.maximum(power, _POWER_FLOOR))
