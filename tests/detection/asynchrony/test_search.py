# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found by chance counts as noise where others are tested."""

import numpy as np
import pytest

from gr_jadce import make_pilots
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.detection.asynchrony.cluster_fit import Cluster
from gr_jadce.detection.asynchrony.maximum import Rule
from gr_jadce.detection.asynchrony.search import Search
from gr_jadce.uplink.simulation import complex_normal

BOOK = make_pilots("gaussian", n_devices=60, pilot_length=48, seed=1)
DELAYED = Delayed(BOOK, Asynchrony(4, 0.0, 4), backend="numpy")
STRONG = 7


def loudest(one, devices):
    """The path of these devices that matches the noise best."""
    paths = [Cluster(n, float(delay), power=0.1) for n in devices for delay in DELAYED.table.delays]
    return max(paths, key=one._statistic)


def found(delays):
    """A search that took for there a device at these delays and once in the noise, and one that is not."""
    rng = np.random.default_rng(1)
    signal = DELAYED.table.at(STRONG, delays, 0.0) @ complex_normal(rng, (len(delays), 4))
    frame = 30 * signal + complex_normal(rng, (48, 4))
    rule = Rule.of(DELAYED.asynchrony, DELAYED.table.extent, 1e-3, 4)
    one = Search(DELAYED.table, rule, frame, None)
    one.fit.clusters, one.fit.noise_var = [Cluster(STRONG, delay, power=900.0) for delay in delays], 1.0
    one.fit.invert()
    false = loudest(one, [n for n in range(60) if n != STRONG])
    one.fit.clusters += [loudest(one, [STRONG]), false]
    one.fit.invert()
    one._measure_noise()
    return one, false.device


@pytest.mark.parametrize("delays", [[0.5], [0.5, 2.2]])
def test_paths_that_are_not_sure_count_as_noise(delays, monkeypatch):
    one, false = found(np.array(delays))
    together = one._score_all()
    monkeypatch.setattr(Search, "_unsure_paths", lambda *_: (0.0, 0.0))
    alone = one._score_all()
    assert together[STRONG] == alone[STRONG] > 10
    assert 0.5 < together[false] < alone[false] - 0.05


def test_paths_that_are_sure_do_not():
    one, _ = found(np.array([0.5, 2.2]))
    energy, dof = one._unsure_paths([0, 1, 2], 4.0)
    assert (energy, dof) == (one._statistic_without([2]), one._taken([2]))


def test_where_the_noise_is_told_none_do():
    one, _ = found(np.array([0.5]))
    one.told = one.fit.noise_var
    assert one._unsure_paths([0, 1], 4.0) == (0.0, 0.0)
