# SPDX-License-Identifier: GPL-3.0-or-later
"""The last look for devices that arrive as the others of their frame do."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import make_pilots
from gr_jadce.detection.asynchrony import Asynchrony, Delayed, last_look
from gr_jadce.detection.asynchrony.last_look import LastLook
from gr_jadce.detection.asynchrony.maximum import Rule
from gr_jadce.detection.asynchrony.search import Search
from gr_jadce.estimate import at_unit_power
from gr_jadce.uplink.simulation import complex_normal

BOOK = make_pilots("gaussian", n_devices=60, pilot_length=48, seed=1)
DELAYED = Delayed(BOOK, Asynchrony(4, 0.0, 4), backend="numpy")
N_ACTIVE, DELAYS = 10, np.array([0.5, 1.2, 1.9])


def frames(count, noise_var, seed=2):
    """Frames (B, L, M) of devices with paths at the same delays, and their activity."""
    rng = np.random.default_rng(seed)
    received = np.empty((count, 48, 4), complex)
    activity = np.zeros((count, 60), bool)
    for frame, active in zip(received, activity, strict=True):
        frame[:] = complex_normal(rng, frame.shape) * np.sqrt(noise_var)
        for n in rng.choice(60, N_ACTIVE, replace=False):
            active[n] = True
            frame += DELAYED.table.at(n, DELAYS, 0.0) @ complex_normal(rng, (3, 4)) / np.sqrt(3)
    return received, activity


def found_by(search, frame):
    one = search(DELAYED.table, Rule.of(DELAYED.asynchrony, DELAYED.table.extent, 1e-3, 4), frame, None)
    one.run()
    activity = np.zeros(60, bool)
    activity[list(one.fit.own())] = True
    return activity


def test_fewer_devices_are_missed_by_those_that_look_again():
    received, activity = frames(5, noise_var=0.06)
    missed = {search: 0 for search in (Search, LastLook)}
    for frame, active in zip(at_unit_power(received)[0], activity, strict=True):
        for search in missed:
            missed[search] += np.count_nonzero(active & ~found_by(search, frame))
    assert missed[LastLook] < missed[Search]


def test_false_alarms_are_as_rare_as_wanted():
    received, activity = frames(40, noise_var=0.06, seed=3)
    fast = Delayed(BOOK, Asynchrony(4, 0.0, 4))
    decision = fast.decide(received, 1e-2)
    assert np.mean(decision.activity[~activity]) < 2e-2


@pytest.mark.parametrize("max_offset", [0.0, 0.003])
def test_the_kernel_finds_the_same(max_offset):
    compiled_kernel()
    received, _ = frames(2, noise_var=0.1, seed=4)
    plain, fast = (
        Delayed(BOOK, Asynchrony(4, max_offset, 4), backend=name).decide(received, 1e-3)
        for name in ("numpy", "kernel")
    )
    np.testing.assert_array_equal(plain.activity, fast.activity)
    np.testing.assert_allclose(plain.score, fast.score, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(plain.channel, fast.channel, atol=1e-3 * np.abs(plain.channel).max())


def test_the_kernel_is_told_how_it_looks(monkeypatch):
    compiled_kernel()
    received, _ = frames(4, noise_var=0.06, seed=5)
    usual = DELAYED.decide(received, 1e-3)
    monkeypatch.setattr(last_look, "RULE", last_look.LookRule(1, 5, 2, 0.3, 0.4, 1, 3.0, 2.0, 6, 0.03))
    plain = DELAYED.decide(received, 1e-3)
    fast = Delayed(BOOK, DELAYED.asynchrony, backend="kernel").decide(received, 1e-3)
    assert not np.allclose(plain.score, usual.score, atol=0.01)
    np.testing.assert_allclose(plain.score, fast.score, rtol=1e-3, atol=1e-3)
