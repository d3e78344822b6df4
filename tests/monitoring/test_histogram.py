# SPDX-License-Identifier: GPL-3.0-or-later
"""A histogram counts what is not above each edge, as NumPy does."""

from math import inf, nan

import numpy as np
import pytest

from gr_jadce.monitoring.histogram import Histogram


def test_counts_are_those_of_the_values():
    edges, values = [0.1, 0.2, 0.5], np.random.default_rng(1).random(500).round(2)
    histogram = Histogram(edges)
    for value in values:
        histogram.add(value)
    expected = [(edge, np.count_nonzero(values <= edge)) for edge in (*edges, inf)]
    assert list(histogram.cumulated()) == expected
    assert histogram.total == pytest.approx(values.sum())


def test_what_is_no_number_is_left_out():
    histogram = Histogram([1.0])
    histogram.add(nan)
    assert [count for _, count in histogram.cumulated()] == [0, 0] and histogram.total == 0


def test_a_copy_stays_as_it_is():
    histogram = Histogram([1.0])
    other = histogram.copy()
    histogram.add(0.5)
    assert list(other.cumulated()) == [(1.0, 0), (inf, 0)]
