# SPDX-License-Identifier: GPL-3.0-or-later
"""How often values lay in which interval."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf, isnan


class Histogram:
    """Counts of values up to each of some edges, and beyond all.

    Parameters
    ----------
    edges : sequence of float
        Ascending.

    Attributes
    ----------
    total : float
        Sum of all values.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self.total = 0.0
        self._edges = (*edges, inf)
        self._counts = [0] * len(self._edges)

    def add(self, value: float) -> None:
        """Count a value; one that is NaN is left out."""
        if not isnan(value):
            self._counts[bisect_left(self._edges, value)] += 1
            self.total += value

    def cumulated(self) -> Iterator[tuple[float, int]]:
        """For each edge, the last of which is infinite, how many values are not above it."""
        return zip(self._edges, accumulate(self._counts), strict=True)

    def copy(self) -> "Histogram":
        """Another one of the same counts."""
        other = Histogram(self._edges[:-1])
        other.total, other._counts = self.total, self._counts.copy()
        return other
