# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels made elsewhere, of several paths, in the simulated uplink."""

from dataclasses import replace

import numpy as np
import pytest

from gr_jadce.pilots import make_pilots
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.arrivals import Arrivals
from gr_jadce.uplink.bursts import matched_filter, simulate_bursts
from gr_jadce.uplink.impulse_responses import SlotPaths
from gr_jadce.uplink.tapped_delay_lines import TappedDelayLines
from gr_jadce.waveform import Waveform, late, turn

BOOK = make_pilots("gaussian", 20, 32, seed=1)
RATE = 2e6
DEVICE, DELAY = np.array([2, 11]), np.array([[0.5e-6, 1.5e-6], [0.25e-6, 0.0]])
GAIN = np.array([[[1, 0.5j], [1j, 0.2]], [[0.3, 0], [2, 0]]])  # (K, M, P); the second device has one path
DOPPLER = np.array([[10.0, -3000.0], [0, 0]])


def two_paths(slot):
    return SlotPaths(DEVICE, GAIN * (1 + slot), DELAY, DOPPLER)


def scenario(**changes):
    options = {"channels": two_paths, "power_control": False, "symbol_rate": RATE, "cyclic_prefix": 8}
    return Scenario(BOOK, 2, **(options | {"snr_db": 100} | changes))


def expected(slot):
    """The frame without noise."""
    total = np.zeros((32, 2), complex)
    for k, n in enumerate(DEVICE):
        for p in range(2):
            column = late(DELAY[k, p : p + 1] * RATE, 32, 0.25, prefix=8) @ BOOK.matrix[:, n]
            total += np.outer(column[0] * turn(DOPPLER[k, p] / RATE, 32), (1 + slot) * GAIN[k, :, p])
    return total


def test_a_frame_is_the_sum_of_all_paths():
    uplink = simulate(scenario(), 2, first_frame=3)
    assert np.flatnonzero(uplink.activity[1]).tolist() == [2, 11]
    for i in range(2):
        assert uplink.received[i] == pytest.approx(expected(3 + i), abs=1e-3)
        channel = simulate_bursts(scenario(), Waveform(4, cyclic_prefix=8), 400, 1, first_slot=3 + i)[
            1
        ].channel[0]
        assert np.array_equal(uplink.channel[i], channel)


def test_the_channel_is_the_response_where_it_is_strongest():
    far, near = np.array([[0, 20.0]]), np.array([[1.0, 1.1]])
    gain = np.array([[[1, 0.5j], [1j, 0.2]]])
    one = Arrivals(np.array([3]), gain, far, np.array([[1e-3, 2e-3]])).strongest(0.25)
    assert one[0] == pytest.approx(gain[:, :, 0], abs=1e-3)
    assert (one[1], one[2]) == (0, 1e-3)
    both = Arrivals(np.array([3]), np.abs(gain), near, np.zeros((1, 2))).strongest(0.25)
    assert both[0] == pytest.approx(np.abs(gain).sum(axis=2), rel=0.02)
    assert 1.0 <= both[1] <= 1.1


def test_behind_the_matched_filter_is_the_same_sum():
    waveform = Waveform(4, span=16, cyclic_prefix=8)
    samples, truth = simulate_bursts(scenario(), waveform, 400, 2)
    for slot in range(2):
        own = matched_filter(samples[400 * slot :][:400], waveform)[waveform.offset :: 4][:32]
        wanted = expected(slot)
        assert own[:20] == pytest.approx(wanted[:20], abs=0.02)  # later ones miss what would follow
    assert truth.delay[0, DEVICE[1]] == pytest.approx(DELAY[1, 0] * RATE)
    assert truth.channel[0, DEVICE[1]] == pytest.approx(GAIN[1, :, 0])
    assert truth.offset[0, DEVICE] == pytest.approx(DOPPLER[:, 0] / RATE)
    paths = truth.paths[1]
    assert paths.device.tolist() == DEVICE.tolist()
    assert paths.gain == pytest.approx(2 * GAIN) and paths.delay == pytest.approx(DELAY * RATE)


def test_power_control_makes_each_device_as_strong_as_the_scenario_says():
    lines = TappedDelayLines("C", 1e-6, 20, 4, n_active=(2, 6))
    controlled = Scenario(BOOK, 4, channels=lines, power_spread_db=2.0)
    _, truth = simulate_bursts(replace(controlled, cyclic_prefix=4), Waveform(4, cyclic_prefix=4), 500, 40)
    power = [np.mean(np.sum(np.abs(paths.gain) ** 2, axis=2), axis=1) for paths in truth.paths]
    spread_db = 10 * np.log10(np.concatenate(power))
    assert spread_db.max() < 2 and spread_db.min() > -2.2  # their mean is 1
    assert spread_db.max() - spread_db.min() > 3
    assert controlled.mean_activity == 4 / 20


def test_devices_may_be_out_of_step_besides():
    one, other = scenario(), scenario(max_delay=3.0, max_offset=1e-3)
    waveform = Waveform(4, cyclic_prefix=8)
    _, truth = simulate_bursts(one, waveform, 400, 1)
    _, later = simulate_bursts(other, waveform, 400, 1)
    more = later.paths[0].delay - truth.paths[0].delay
    assert np.ptp(more, axis=1) == pytest.approx(0) and 0 < more.min() and more.max() < 3
    assert np.abs(later.offset[0, DEVICE] - truth.offset[0, DEVICE]).max() <= 1e-3


def test_echoes_after_the_slot_are_left_out():
    def echo(slot):
        return SlotPaths(DEVICE, GAIN, DELAY + np.array([0, 1.0]), DOPPLER)  # a second later

    waveform = Waveform(4, cyclic_prefix=8)
    samples, _ = simulate_bursts(scenario(channels=echo), waveform, 400, 1)
    alone, _ = simulate_bursts(
        scenario(channels=lambda slot: SlotPaths(DEVICE, GAIN * [1, 0], DELAY, DOPPLER)), waveform, 400, 1
    )
    assert np.array_equal(samples, alone)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (SlotPaths(np.array([5, 20]), GAIN, DELAY, DOPPLER), "expected ascending devices from 0 to 19"),
        (SlotPaths(np.array([5, 2]), GAIN, DELAY, DOPPLER), "expected ascending devices"),
        (SlotPaths(DEVICE, GAIN[:, :1], DELAY, DOPPLER), r"expected gains \(2, 2, paths\), got \(2, 1, 2\)"),
        (SlotPaths(DEVICE, GAIN, DELAY[:, :1], DOPPLER), r"expected a delay of each path, \(2, 2\)"),
    ],
)
def test_channels_of_other_devices_or_antennas_are_refused(paths, message):
    with pytest.raises(ValueError, match=f"^channels: {message}"):
        simulate(scenario(channels=lambda slot: paths), 1)


def test_a_file_of_other_antennas_is_refused_at_once(tmp_path):
    path = tmp_path / "four.npz"
    np.savez(path, a=np.ones((1, 1, 4, 1)), tau=np.zeros((1, 1, 1)), K=[1], device=[[0]])
    assert Scenario(BOOK, 4, channels=path).mean_activity == 1 / 20
    with pytest.raises(ValueError, match="^n_antennas: expected 4, as the channels have, got 2"):
        Scenario(BOOK, 2, channels=path)
