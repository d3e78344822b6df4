# SPDX-License-Identifier: GPL-3.0-or-later
"""Echoes of devices out of step, each too weak to be found."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import make_pilots
from gr_jadce.detection.asynchrony import Asynchrony, Delayed, diffuse
from gr_jadce.detection.asynchrony.diffuse import EchoRule, taps_of_clusters, with_weak_echoes
from gr_jadce.detection.asynchrony.last_look import LastLook
from gr_jadce.detection.asynchrony.maximum import Rule
from gr_jadce.estimate import at_unit_power
from gr_jadce.uplink.simulation import complex_normal

N_ACTIVE, NOISE_VAR = 4, 0.01
MANY, ONE = np.arange(0.2, 6, 0.45), np.array([1.3])  # delays of paths
BOOK = make_pilots("gaussian", n_devices=40, pilot_length=48, seed=1)
DELAYED = Delayed(BOOK, Asynchrony(6, 0.0, 6), backend="numpy")


def frames(delays, count, seed=2):
    """Frames (B, L, M) at unit power, what each device adds to them (B, N, L, M), and their σ² (B,)."""
    rng = np.random.default_rng(seed)
    share = np.exp(-delays / 2) / np.sum(np.exp(-delays / 2))
    parts = np.zeros((count, 40, 48, 4), complex)
    for frame in parts:
        for n in rng.choice(40, N_ACTIVE, replace=False):
            gain = np.sqrt(share)[:, None] * complex_normal(rng, (len(delays), 4))
            frame[n] = DELAYED.table.at(n, delays, 0.0) @ gain
    received = parts.sum(axis=1) + np.sqrt(NOISE_VAR) * complex_normal(rng, (count, 48, 4))
    received, power = at_unit_power(received)
    return received, parts / np.sqrt(power)[:, None, None, None], NOISE_VAR / power


def found(frame):
    search = LastLook(DELAYED.table, Rule.of(DELAYED.asynchrony, DELAYED.table.extent, 1e-3, 4), frame, None)
    search.run()
    return search, search.fit.own()


def error_of(search, own, taps, truth):
    estimate = np.zeros_like(truth)
    for n, numbers in own.items():
        mine = taps.device == n
        offset = search.fit.clusters[numbers[0]].offset
        estimate[n] = DELAYED.table.at(n, taps.delay[mine], offset) @ taps.gain[mine]
    return np.sum(np.abs(estimate - truth) ** 2)


def test_weak_echoes_belong_to_the_channel_and_not_to_the_noise():
    errors, levels = np.zeros(2), []
    for frame, truth, noise_var in zip(*frames(MANY, 6), strict=True):
        search, own = found(frame)
        before, after = taps_of_clusters(search.fit, own), with_weak_echoes(search.fit, own, 0.0)
        errors += error_of(search, own, before, truth), error_of(search, own, after or before, truth)
        levels.append([part.noise_var / noise_var for part in (before, after or before)])
    assert errors[1] < 0.8 * errors[0]
    before, after = np.mean(levels, axis=0)
    assert before > 1.5 and abs(np.log(after)) < 0.6 * np.log(before)


def test_paths_that_are_found_are_left_as_they_are():
    used = [
        with_weak_echoes(search.fit, own, 0.0) is not None
        for search, own in map(found, frames(ONE, 6, seed=3)[0])
    ]
    assert np.sum(used) <= 2


def test_noise_is_at_least_what_is_told():
    frame, _, noise_var = (part[0] for part in frames(MANY, 1))
    search, own = found(frame)
    taps = with_weak_echoes(search.fit, own, 4 * noise_var)
    assert taps is not None and taps.noise_var == 4 * noise_var


@pytest.mark.parametrize("delays", [MANY, ONE], ids=["many", "one"])
def test_the_kernel_tells_the_same(delays):
    compiled_kernel()
    received = frames(delays, 4)[0]
    plain = DELAYED.decide_rows(received)
    fast = Delayed(BOOK, DELAYED.asynchrony, backend="kernel").decide_rows(received)
    assert np.array_equal(plain.device, fast.device)
    assert np.array_equal(plain.tap_start, fast.tap_start)
    assert np.allclose(plain.tap_delay, fast.tap_delay, atol=1e-3)
    assert np.allclose(plain.tap_gain, fast.tap_gain, atol=1e-3)
    assert np.allclose(plain.noise_var, fast.noise_var, rtol=1e-3)


def test_the_kernel_is_told_how_echoes_are_fitted(monkeypatch):
    compiled_kernel()
    received = frames(MANY, 2)[0]
    usual = DELAYED.decide_rows(received)
    monkeypatch.setattr(diffuse, "RULE", EchoRule(0.3, 2, 1, 3, 1e-3, 0.5))
    plain = DELAYED.decide_rows(received)
    fast = Delayed(BOOK, DELAYED.asynchrony, backend="kernel").decide_rows(received)
    assert len(plain.tap_delay) < len(usual.tap_delay)
    assert np.array_equal(plain.tap_start, fast.tap_start)
    assert np.allclose(plain.tap_gain, fast.tap_gain, atol=1e-3)
    assert np.allclose(plain.noise_var, fast.noise_var, rtol=1e-3)
