# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.uplink.tapped_delay_lines import PROFILES, SPEED_OF_LIGHT, TappedDelayLines

J0_OF_PI = -0.304  # correlation half a wavelength apart, of rays from everywhere


@pytest.mark.parametrize("profile", PROFILES)
def test_the_tables_have_a_delay_spread_of_one(profile):
    delay, power_db = np.array(PROFILES[profile]).T
    power = 10 ** (power_db / 10) / np.sum(10 ** (power_db / 10))
    spread = np.sqrt(power @ delay**2 - (power @ delay) ** 2)
    assert spread == pytest.approx(1, abs=1e-3)


def test_a_device_has_a_mean_power_of_one_and_each_tap_its_own():
    lines = TappedDelayLines("A", 300e-9, 50, 4, n_active=50)
    power = np.mean([np.abs(lines(slot).gain) ** 2 for slot in range(40)], axis=(0, 1, 2))
    expected = 10 ** (np.array(PROFILES["A"])[:, 1] / 10)
    assert power == pytest.approx(expected / expected.sum(), rel=0.1)


def test_delays_are_those_of_the_table_after_the_way_there_and_back():
    lines = TappedDelayLines("C", 100e-9, 20, n_active=20, radius=300.0)
    delay = lines(0).delay
    start = delay[:, 0]
    table = np.array(PROFILES["C"])[:, 0]
    assert delay - start[:, None] == pytest.approx(np.tile(100e-9 * table, (20, 1)), abs=1e-15)
    assert 0 <= start.min() and 1e-6 < start.max() <= 2 * 300 / SPEED_OF_LIGHT


@pytest.mark.parametrize(("spread", "expected"), [(None, 0), (2.0, 1), (180.0, J0_OF_PI**2)])
def test_rays_that_come_from_one_direction_make_antennas_fade_alike(spread, expected):
    lines = TappedDelayLines("B", 0, 100, 2, n_active=100, angular_spread_deg=spread)
    taps = 10 ** (np.array(PROFILES["B"])[:, 1] / 20)
    first, second = np.moveaxis(np.concatenate([lines(slot).gain for slot in range(4)]) / taps, 1, 0)
    correlation = coherence(first, second)
    assert correlation == pytest.approx(expected, abs=0.05)


def coherence(first, second):
    """Of magnitudes: 1 if both antennas fade alike, 0 if independently."""
    return np.corrcoef(np.abs(first).ravel() ** 2, np.abs(second).ravel() ** 2)[0, 1]


def test_a_slot_depends_on_nothing_but_its_number():
    lines = TappedDelayLines("A", 1e-7, 30, 2, n_active=(3, 9), max_doppler=10.0, seed=4)
    again = TappedDelayLines("A", 1e-7, 30, 2, n_active=(3, 9), max_doppler=10.0, seed=4)
    lines(0)
    for one, other in zip(lines(5), again(5), strict=True):
        assert np.array_equal(one, other)
    counts = {len(lines(slot).device) for slot in range(60)}
    assert counts == set(range(3, 10))
    assert np.abs(lines(5).doppler).max() <= 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": "D"}, "profile"),
        ({"delay_spread": -1.0}, "delay_spread"),
        ({"n_active": 31}, "n_active"),
        ({"n_active": (5, 3)}, "n_active"),
        ({"angular_spread_deg": 200.0}, "angular_spread_deg"),
        ({"radius": -1.0}, "radius"),
    ],
)
def test_an_argument_out_of_range_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        TappedDelayLines(**{"profile": "A", "delay_spread": 1e-7, "n_devices": 30} | change)
