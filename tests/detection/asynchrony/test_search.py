# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found by chance counts as noise where others are tested, and is looked for again."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, make_pilots, simulate
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
    return max(paths, key=one.fit.statistic)


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
    monkeypatch.setattr(Search, "_unsure_paths", lambda *_: [])
    alone = one._score_all()
    assert together[STRONG] == alone[STRONG] > 10
    assert 0.5 < together[false] < alone[false] - 0.05


def test_paths_that_are_sure_do_not():
    one, _ = found(np.array([0.5, 2.2]))
    assert one._unsure_paths([0, 1, 2]) == [2]


def test_where_the_noise_is_told_none_do(monkeypatch):
    one, _ = found(np.array([0.5]))
    one.told = one.fit.noise_var
    together = one._score_all()
    monkeypatch.setattr(Search, "_unsure_paths", lambda *_: [])
    assert together == one._score_all()


def test_devices_that_are_not_sure_do_not_vouch_for_each_other():
    one, false = found(np.array([0.5]))
    others = [n for n in range(60) if n not in (STRONG, false)]
    one.fit.clusters = [one.fit.clusters[0], loudest(one, [false]), loudest(one, others)]
    one.fit.invert()
    one._measure_noise()
    scores = one._score_all()
    unsure = [1, 2]
    for i in unsure:
        device, other = one.fit.clusters[i].device, [j for j in unsure if j != i]
        alone = one._statistic_without([i], unsure)
        assert alone != pytest.approx(one._statistic_without([i]), rel=1e-6)
        taken = one._statistic_without(other), one._taken(other)
        assert scores[device] == pytest.approx(one._score(alone, *taken))


def test_what_is_not_sure_is_taken_off_and_the_rest_stays():
    one, _ = found(np.array([0.5, 2.2]))
    one.dropped[3] = 2
    one.scores = one._score_all()
    assert one._take_unsure_off()
    assert {cluster.device for cluster in one.fit.clusters} == {STRONG}
    assert len(one.fit.clusters) == 2
    assert not one.dropped.any()
    one.scores = one._score_all()
    assert not one._take_unsure_off()


@pytest.mark.parametrize("max_paths", [1, None])
def test_looked_for_again_fewer_devices_are_missed(max_paths, monkeypatch):
    compiled_kernel()
    book = make_pilots("gaussian", 200, 64, seed=1)
    scenario = Scenario(book, 4, n_active=20, snr_db=10, max_delay=8, cyclic_prefix=8)
    uplink = simulate(scenario, 400, seed=3)
    delayed = Delayed(book, Asynchrony(8, prefix=8, max_paths=max_paths))

    def missed():
        found = delayed.decide(uplink.received, 1e-3, uplink.noise_var)
        return np.sum(uplink.activity & ~found.activity)

    again = missed()
    monkeypatch.setattr(search, "RULE", search.RULE._replace(sure_false_count=1e9))  # all are sure
    assert again < 0.9 * missed()
