# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate, simulate_slots

BOOK = make_pilots("gaussian", 60, 24, seed=1)


def test_received_is_pilots_times_channel_plus_noise_at_the_stated_snr():
    scenario = Scenario(BOOK, n_antennas=3, snr_db=7)
    uplink = simulate(scenario, 2000, seed=5)
    signal = BOOK.matrix @ uplink.channel
    noise = uplink.received - signal
    snr_db = 10 * np.log10(np.sum(np.abs(signal) ** 2) / np.sum(np.abs(noise) ** 2))
    assert snr_db == pytest.approx(7, abs=0.2)
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(uplink.noise_var, rel=0.02)
    assert np.mean(uplink.activity) == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(np.any(uplink.channel != 0, axis=2), uplink.activity)


def test_rayleigh_fading_is_circular_and_independent_over_antennas():
    uplink = simulate(Scenario(BOOK, n_antennas=2, n_active=20), 1000)
    rows = uplink.channel[uplink.activity]
    assert np.mean(np.abs(rows) ** 2) == pytest.approx(1, rel=0.03)
    assert abs(np.mean(rows**2)) < 0.02
    assert abs(np.mean(rows[:, 0] * rows[:, 1].conj())) < 0.02


def test_frames_do_not_depend_on_their_batch():
    scenario = Scenario(BOOK, n_antennas=2)
    whole, part = simulate(scenario, 6, seed=9), simulate(scenario, 2, seed=9, first_frame=3)
    np.testing.assert_array_equal(whole.received[3:5], part.received)
    np.testing.assert_array_equal(whole.channel[3:5], part.channel)
    assert np.any(simulate(scenario, 6, seed=10).received != whole.received)


def test_snr_alone_keeps_activity_channel_and_noise_shape():
    scenario = Scenario(BOOK, snr_db=0)
    low, high = simulate(scenario, 4), simulate(replace(scenario, snr_db=20), 4)
    np.testing.assert_array_equal(low.channel, high.channel)
    signal = BOOK.matrix @ low.channel
    np.testing.assert_allclose(low.received - signal, 10 * (high.received - signal), atol=1e-4)


def test_fixed_number_of_active_devices():
    assert np.all(simulate(Scenario(BOOK, n_active=7), 50).activity.sum(axis=1) == 7)
    assert not simulate(Scenario(BOOK, n_active=0), 5).activity.any()


def test_power_spread_is_within_bounds_with_unit_mean():
    uplink = simulate(Scenario(BOOK, n_antennas=64, n_active=30, power_spread_db=6), 200)
    power = np.mean(np.abs(uplink.channel[uplink.activity]) ** 2, axis=1)
    assert power.mean() == pytest.approx(1, rel=0.03)
    spread_db = 10 * np.log10(power)
    assert 10 < np.quantile(spread_db, 0.99) - np.quantile(spread_db, 0.01) < 13.5


def test_slots_hold_the_frames_and_noise_in_the_guard():
    scenario = Scenario(BOOK, n_antennas=2, snr_db=10)
    samples, uplink = simulate_slots(scenario, 40, 50, seed=3, first_slot=4)
    slots = samples.reshape(50, 40, 2)
    np.testing.assert_array_equal(slots[:, :24], simulate(scenario, 50, 3, 4).received)
    assert np.mean(np.abs(slots[:, 24:]) ** 2) == pytest.approx(uplink.noise_var, rel=0.1)
    again, _ = simulate_slots(scenario, 40, 1, seed=3, first_slot=10)
    np.testing.assert_array_equal(again, samples[6 * 40 : 7 * 40])
    with pytest.raises(ValueError, match="slot_period: expected at least the pilot length 24, got 20"):
        simulate_slots(scenario, 20, 1)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("n_antennas", 0), ("n_antennas", 1.5), ("activity_rate", 1.5), ("n_active", 61), ("snr_db", np.nan),
     ("power_spread_db", -1)],
)  # fmt: skip
def test_out_of_range_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}: expected"):
        Scenario(BOOK, **{argument: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("snr_db", 4000),
        ("snr_db", -4000),
        ("power_spread_db", 5000),
        ("n_antennas", 2**17),
        ("n_active", 2.5),
    ],
)
def test_scenarios_beyond_all_floats_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Scenario(BOOK, **{name: value})


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_of_no_generator_is_refused(seed):
    with pytest.raises(ValueError, match="^seed: expected 0 to"):
        simulate(Scenario(BOOK), 1, seed)
