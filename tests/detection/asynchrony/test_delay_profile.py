# SPDX-License-Identifier: GPL-3.0-or-later
"""The delay profile of a frame, and the test for devices that arrive alike."""

import numpy as np
import pytest

from gr_jadce.detection.asynchrony.cluster_fit import Cluster
from gr_jadce.detection.asynchrony.last_look import DelayProfile, log10_p_weighted
from gr_jadce.detection.p_values import log10_p_known

DELAYS = np.arange(-0.5, 4.6, 0.5)


@pytest.mark.parametrize("energy", [12.0, 20.0, 60.0, 1e4])
@pytest.mark.parametrize("n_antennas", [1, 4])
def test_with_equal_weights_the_tail_is_that_of_a_gamma_distribution(energy, n_antennas):
    tail = log10_p_weighted(energy, np.ones(2), n_antennas, 1e12, 0.0)
    assert tail == pytest.approx(float(log10_p_known(energy, 2 * n_antennas)), rel=2e-3, abs=2e-3)


def test_the_tail_is_as_often_exceeded_as_it_says():
    weights, rng = np.array([1.0, 0.6, 0.2, 0.05]), np.random.default_rng(1)
    statistic = rng.gamma(4, size=(400_000, 4)) @ weights / (rng.gamma(60, size=400_000) / 60)
    for energy in (12.0, 15.0, 18.0):
        exceeded = np.mean(statistic > energy)
        assert log10_p_weighted(energy, weights, 4, 60, 0.0) == pytest.approx(np.log10(exceeded), abs=0.03)


def test_energies_below_the_mean_say_nothing():
    assert log10_p_weighted(7.0, np.ones(2), 4, 1e12, 0.0) == 0


@pytest.mark.parametrize("weights", [np.ones(2), np.array([1.0, 0.6, 0.2, 0.05])])
@pytest.mark.parametrize("dof", [5.0, 60.0, 1e12])
def test_from_its_mean_on_the_tail_falls(weights, dof):
    energy = 4 * weights.sum() * np.concatenate([1 + np.logspace(-9, -1, 80), np.linspace(1.2, 30, 50)])
    tail = [log10_p_weighted(value, weights, 4, dof, 0.1) for value in energy]
    assert np.isfinite(tail).all() and (np.diff(tail) <= 1e-9).all()


def test_every_device_counts_the_same_in_a_profile():
    clusters = [Cluster(1, 0.5, power=100.0), Cluster(2, 2.0, power=1.0)]
    prior = DelayProfile(DELAYS, clusters).prior()
    shares = dict(zip(prior.delays.tolist(), prior.shares.tolist(), strict=True))
    assert shares[0.5] == pytest.approx(shares[2.0]) and shares[0.5] > 0.3


def test_a_path_between_delays_counts_at_both():
    prior = DelayProfile(DELAYS, [Cluster(1, 0.75, power=1.0)]).prior()
    shares = dict(zip(prior.delays.tolist(), prior.shares.tolist(), strict=True))
    assert shares[0.5] == pytest.approx(shares[1.0]) and shares[0.5] > 0.25


def test_a_device_is_no_prior_of_itself():
    profile = DelayProfile(DELAYS, [Cluster(1, 0.5, power=1.0), Cluster(2, 2.0, power=1.0)])
    alone = DelayProfile(DELAYS, [Cluster(2, 2.0, power=1.0)])
    np.testing.assert_array_equal(profile.prior(1).shares, alone.prior().shares)
    assert alone.prior(2) is None


def test_the_more_devices_tell_a_profile_the_more_it_is_trusted():
    trusts = [
        DelayProfile(DELAYS, [Cluster(n, 1.0, power=1.0) for n in range(k)]).prior().trust for k in (1, 3)
    ]
    assert trusts == pytest.approx([1 / 2, 3 / 4])


def test_devices_with_nothing_in_common_make_no_profile():
    delays = np.arange(0, 16.1, 0.5)
    apart = [Cluster(n, 0.75 * n, power=1.0) for n in range(20)]
    assert DelayProfile(delays, apart).prior() is None
    assert DelayProfile(delays, apart[:4]).prior() is not None
