# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found by chance counts as noise where others are tested."""

import numpy as np
import pytest

from gr_jadce import make_pilots
from gr_jadce.detection.asynchrony import Asynchrony, Delayed, search
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


def scores(delays):
    """Of a device that is not there, without and with what paths of one that is count for.

    That one has a path at each of these delays, and one in the noise.
    """
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "_unsure_paths", lambda *_: (0.0, 0.0))
        alone = one._score_all()
    together = one._score_all()
    assert together[STRONG] == alone[STRONG] > 10
    return alone[false.device], together[false.device]


@pytest.mark.parametrize("delays", [[0.5], [0.5, 2.2]])
def test_paths_that_are_not_sure_count_as_noise(delays):
    alone, together = scores(np.array(delays))
    assert 0.5 < together < alone - 0.05


def test_paths_that_are_sure_do_not(monkeypatch):
    monkeypatch.setattr(search, "RULE", search.RULE._replace(sure_false_count=60.0))  # all are
    alone, together = scores(np.array([0.5, 2.2]))
    assert alone == together
