# SPDX-License-Identifier: GPL-3.0-or-later
"""A device whose clock and carrier are off finds the beacon and keeps the base station's slots."""

import numpy as np
import pytest
from beacon_air import BEACON, Air

from gr_jadce.slots.beacon import Beacon, BeaconReceiver, GridTracker
from gr_jadce.uplink.simulation import complex_normal


@pytest.mark.parametrize(("snr_db", "within"), [(0, 0.4), (10, 0.1), (30, 0.02)])
def test_a_beacon_is_found_where_it_is(snr_db, within):
    for seed, offset in enumerate([-0.04, -0.013, 0, 0.04]):
        air = Air(5000, snr_db, 0, offset, 700 + 0.3 * seed, seed)
        sighting = BEACON.find(air.samples(0, 3000))
        assert sighting.position == pytest.approx(air.start(0), abs=within)
        assert sighting.offset == pytest.approx(air.offset, abs=5e-5)
        assert sighting.snr_db > 14 if snr_db == 30 else sighting.snr_db == pytest.approx(snr_db, abs=2)


def test_noise_is_no_beacon():
    noise = complex_normal(np.random.default_rng(2), (20_000,))
    assert BEACON.find(noise) is None
    assert BEACON.find(np.zeros(2000)) is None
    assert BEACON.find(noise[: len(BEACON) - 1]) is None


@pytest.mark.parametrize("ppm", [-40, 40])
def test_it_locks_within_ten_beacons_at_0_db(ppm):
    period = 6000
    for seed in range(3):
        air, receiver = Air(period, 0, ppm, 0.037, seed=seed), BeaconReceiver(BEACON, period)
        receiver.push(air.samples(0, 5 * period))
        receiver.push(air.samples(5 * period, 10 * period))
        assert receiver.locked
        index = round((receiver.tracker.position - air.first) / (period * air.ratio))
        assert receiver.tracker.predict() == pytest.approx(air.start(index + 1), abs=1)
        assert receiver.offset == pytest.approx(air.offset, abs=2e-5)


def test_slots_are_kept_to_a_sample_for_a_hundred_thousand_of_them():
    """Base station 20 ppm fast, device 20 ppm slow, 10 dB, a beacon in every hundredth slot."""
    slot, slots_a_beacon, n_beacons = 500, 100, 1000
    period = slot * slots_a_beacon
    air, receiver = Air(period, 10, 40, 0.037, first=400.7), BeaconReceiver(BEACON, period)
    receiver.push(air.samples(0, period + 4000))
    receiver.skip(0)
    position, worst, kept = period + 4000, 0.0, 0
    for index in range(2, n_beacons + 1):
        low, high = int(air.start(index)) - 100, int(air.start(index)) + len(BEACON) + 110
        receiver.skip(low - position)
        receiver.push(air.samples(low, high))
        position = high
        if receiver.locked:
            slots = np.arange(slots_a_beacon) / slots_a_beacon
            predicted = receiver.tracker.position + slots * receiver.tracker.period
            true = air.start(index) + slots * period * air.ratio
            worst, kept = max(worst, np.abs(predicted - true).max()), kept + slots_a_beacon
    assert kept >= 99_000
    assert worst <= 1


def test_a_lock_survives_missed_beacons_and_is_lost_without_any():
    period = 4000
    air, receiver = Air(period, 10, 20, 0.01), BeaconReceiver(BEACON, period)
    receiver.push(air.samples(0, 12 * period))
    assert receiver.locked
    receiver.push(air.noise * complex_normal(air.rng, (8 * period,)))
    assert receiver.locked
    receiver.push(air.samples(20 * period, 24 * period))
    assert receiver.locked
    assert receiver.sighting.position == pytest.approx(air.start(23), abs=0.5)
    receiver.push(air.noise * complex_normal(air.rng, (25 * period,)))
    assert not receiver.locked
    receiver.push(air.samples(49 * period, 56 * period))
    assert receiver.locked


def test_samples_may_come_in_any_pieces():
    period = 3000
    grids = []
    for piece in (17, 1000, 40_000):
        air, receiver = Air(period, 10, 20, 0.01, seed=4), BeaconReceiver(BEACON, period)
        samples = air.samples(0, 12 * period)
        for first in range(0, len(samples), piece):
            receiver.push(samples[first : first + piece])
        grids.append((receiver.tracker.position, receiver.tracker.period))
    assert grids[0] == grids[1] == grids[2]


def test_the_filter_averages_and_forgets():
    rng, tracker = np.random.default_rng(3), GridTracker(1000)
    tracker.start(0.0)
    for index in range(1, 400):
        tracker.update(index * 1000.03 + rng.normal(0, 0.3))
    assert tracker.period == pytest.approx(1000.03, abs=0.03)
    assert tracker.position == pytest.approx(399 * 1000.03, abs=0.3)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Beacon(order=4), "order"),
        (lambda: BeaconReceiver(BEACON, 100), "period"),
        (lambda: BeaconReceiver(BEACON, 5000.0), "period"),
    ],
)
def test_wrong_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        make()


def test_the_book_sends_the_beacon():
    assert BEACON.book.matrix[:, 0] == pytest.approx(BEACON.symbols, abs=1e-7)
