# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate, simulate_slots
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.metrics import nmse_db
from gr_jadce.uplink.frames import draw_steps
from gr_jadce.waveform import late

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


def test_a_line_of_sight_is_a_plane_wave_and_keeps_the_power():
    uplink = simulate(Scenario(BOOK, n_antennas=8, n_active=30, rician_k_db=40), 20)
    rows = uplink.channel[uplink.activity]
    steps = rows[:, 1:] / rows[:, :-1]
    np.testing.assert_allclose(steps, np.repeat(steps.mean(axis=1, keepdims=True), 7, axis=1), atol=0.15)
    scattered = simulate(Scenario(BOOK, n_antennas=8, n_active=30, rician_k_db=0), 20)
    for channel in (uplink.channel, scattered.channel):
        assert np.mean(np.abs(channel[uplink.activity]) ** 2) == pytest.approx(1, rel=0.1)


def test_antennas_are_correlated_as_asked():
    uplink = simulate(Scenario(BOOK, n_antennas=4, n_active=60, antenna_correlation=0.7), 200)
    rows = uplink.channel.reshape(-1, 4)
    covariance = rows.T @ rows.conj() / len(rows)
    wanted = 0.7 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    np.testing.assert_allclose(covariance, wanted, atol=0.05)


def test_out_of_step_frames_hold_late_pilots_off_the_carrier():
    book = make_pilots("qpsk", 40, 24, seed=1)
    scenario = Scenario(book, 2, n_active=1, snr_db=25, max_delay=0.5, max_offset=0.01)
    delayed = Delayed(book, Asynchrony(max_offset=0.01))
    uplink = simulate(scenario, 20)
    found = delayed.decide(uplink.received, 1e-5)
    np.testing.assert_array_equal(found.activity, uplink.activity)
    assert nmse_db(found.channel, uplink.channel) < -20
    for name, bound in (("delay", 0.5), ("offset", 0.01)):
        values = getattr(found, name)[found.activity]
        assert bound / 2 < np.abs(values).max() < 1.1 * bound


def test_a_whole_delay_within_the_prefix_shifts_the_pilot():
    rng = np.random.default_rng(0)
    scenario = Scenario(BOOK, cyclic_prefix=3, max_delay=3)
    delay, offset, phase = draw_steps(rng, scenario, 50, 24)
    assert delay.min() >= 0
    assert 2.5 < delay.max() <= 3
    assert not offset.any()
    assert not phase.any()
    pilots = late([0, 1, 3], 24, 0.25, prefix=3) @ BOOK.matrix[:, 0]
    np.testing.assert_allclose(pilots, [np.roll(BOOK.matrix[:, 0], k) for k in (0, 1, 3)], atol=1e-3)


def test_phase_noise_walks_from_the_first_symbol():
    phase = draw_steps(np.random.default_rng(1), Scenario(BOOK, phase_noise=0.1), 2000, 24)[2]
    assert not phase[:, 0].any()
    np.testing.assert_allclose(np.std(phase, axis=0)[1:], 0.1 * np.sqrt(np.arange(1, 24)), rtol=0.1)
    quiet = simulate(Scenario(BOOK, n_active=1, snr_db=100), 1)
    noisy = simulate(Scenario(BOOK, n_active=1, snr_db=100, phase_noise=0.3), 1)
    assert np.abs(noisy.received) == pytest.approx(np.abs(quiet.received), abs=1e-3)
    assert nmse_db(noisy.received, quiet.received) > -20


def test_slots_hold_the_frames_and_noise_in_the_guard():
    scenario = Scenario(BOOK, n_antennas=2, snr_db=10)
    samples, uplink = simulate_slots(scenario, 40, 50, seed=3, first_slot=4)
    slots = samples.reshape(50, 40, 2)
    np.testing.assert_array_equal(slots[:, :24], simulate(scenario, 50, 3, first_frame=4).received)
    assert np.mean(np.abs(slots[:, 24:]) ** 2) == pytest.approx(uplink.noise_var, rel=0.1)
    again, _ = simulate_slots(scenario, 40, 1, seed=3, first_slot=10)
    np.testing.assert_array_equal(again, samples[6 * 40 : 7 * 40])
    with pytest.raises(ValueError, match="slot_period: expected at least the pilot length 24, got 20"):
        simulate_slots(scenario, 20, 1)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("n_antennas", 0), ("n_antennas", 1.5), ("activity_rate", 1.5), ("n_active", 61), ("snr_db", np.nan),
     ("power_spread_db", -1), ("rician_k_db", 400), ("antenna_correlation", 1), ("max_delay", 25),
     ("max_delay", -1), ("cyclic_prefix", 25), ("max_offset", 0.6), ("phase_noise", -1)],
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
    with pytest.raises(ValueError, match="^seed: expected an integer from 0 to"):
        simulate(Scenario(BOOK), 1, seed)
