# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated packets behind the pilots."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate, simulate_slots
from gr_jadce.payload import PayloadFormat
from gr_jadce.payload.modulation import slot_symbols
from gr_jadce.uplink.bursts import Bursts, matched_filter, simulate_bursts
from gr_jadce.waveform import Ofdm, Waveform, late, turn

BOOK = make_pilots("qpsk", 16, 12, seed=0)
FORMAT = PayloadFormat(n_bytes=2, spreading=2)
LENGTH = 12 + FORMAT.n_chips
QUIET = {"n_antennas": 2, "n_active": 3, "snr_db": 100, "payload": FORMAT}


def expected(scenario, uplink, i):
    """A frame as delays, carriers and channels make it of what was sent."""
    active = np.flatnonzero(uplink.activity[i])
    sent, paths = slot_symbols(BOOK, FORMAT, uplink.packets[i], active), uplink.paths[i]
    moved = np.einsum("ktj,jk->tk", late(paths.delay[:, 0], LENGTH, 0.25), sent)
    return (moved * turn(paths.offset[:, 0], LENGTH).T) @ uplink.channel[i, active]


@pytest.mark.parametrize("steps", [{}, {"max_delay": 0.5, "max_offset": 1e-3}])
def test_a_frame_is_pilots_and_packets_over_the_same_channels(steps):
    scenario = Scenario(BOOK, **QUIET, **steps)
    uplink = simulate(scenario, 4, seed=3)
    assert uplink.received.shape == (4, LENGTH, 2)
    for i in range(4):
        np.testing.assert_allclose(uplink.received[i], expected(scenario, uplink, i), atol=2e-4)


def test_a_frame_does_not_depend_on_its_batch():
    scenario = Scenario(BOOK, **QUIET)
    whole, part = simulate(scenario, 5, seed=1), simulate(scenario, 2, seed=1, first_frame=3)
    np.testing.assert_array_equal(whole.received[3:], part.received)
    np.testing.assert_array_equal(whole.packets[3:], part.packets)


def test_without_a_payload_nothing_is_told_of_packets():
    assert simulate(Scenario(BOOK), 1).packets == ()


@pytest.mark.parametrize("payload", [None, FORMAT])
def test_frames_are_a_tuple_of_four(payload):
    uplink = simulate(Scenario(BOOK, payload=payload), 1)
    received, channel, activity, noise_var = uplink
    assert received is uplink.received and channel is uplink.channel
    assert activity is uplink.activity and noise_var == uplink.noise_var


def test_slots_hold_frames_with_packets():
    samples, uplink = simulate_slots(Scenario(BOOK, **QUIET), LENGTH + 10, 2)
    np.testing.assert_array_equal(samples.reshape(2, LENGTH + 10, 2)[:, :LENGTH], uplink.received)


@pytest.mark.parametrize("prefix", [0, 4])
def test_shaped_packets_are_the_frames_behind_the_matched_filter(prefix):
    scenario = Scenario(BOOK, **QUIET, cyclic_prefix=prefix)
    waveform = Waveform(4, cyclic_prefix=prefix)
    period = 4 * LENGTH + 300
    samples, truth = simulate_bursts(scenario, waveform, period, 2, seed=2)
    frames = simulate(scenario, 2, seed=2)
    np.testing.assert_array_equal(truth.packets, frames.packets)
    filtered = matched_filter(samples, waveform)
    for i in range(2):
        cut = filtered[i * period + waveform.offset :][: 4 * LENGTH : 4]
        np.testing.assert_allclose(cut, frames.received[i], atol=0.02)


def test_a_transmitter_sends_pilots_and_packets():
    waveform, active = Waveform(4), np.array([2, 5])
    bursts = Bursts(BOOK, waveform, range(8), 20, payload=FORMAT)
    packets = FORMAT.random_packets(np.random.default_rng(0), 2)
    burst, share = bursts.of(active, packets)
    assert share == 1
    assert len(burst) == len(bursts) == waveform.n_samples(LENGTH)
    cut = matched_filter(np.pad(burst, (0, 100))[:, None], waveform)[waveform.offset :, 0][: 4 * LENGTH : 4]
    sent = slot_symbols(BOOK, FORMAT, packets, active) @ bursts.gains(active)
    np.testing.assert_allclose(cut, sent, atol=0.01)


def test_a_transmitter_without_an_active_device_sends_nothing():
    bursts = Bursts(BOOK, Waveform(4), range(8), 20, payload=FORMAT)
    burst, share = bursts.of(np.empty(0, int), np.empty((0, FORMAT.n_bytes), np.uint8))
    assert (len(burst), burst.any(), share) == (len(bursts), False, 1)


def test_devices_say_what_they_are_told_to():
    def numbers(slot, devices):
        return np.stack([np.full(len(devices), slot), devices], axis=1).astype(np.uint8)

    uplink = simulate(Scenario(BOOK, **QUIET), 3, first_frame=7, packets=numbers)
    for i, packets in enumerate(uplink.packets):
        np.testing.assert_array_equal(packets, numbers(7 + i, np.flatnonzero(uplink.activity[i])))
    with pytest.raises(ValueError, match="packets: expected"):
        simulate(Scenario(BOOK, **QUIET), 3, packets=lambda slot, devices: numbers(slot, devices)[:, :1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Scenario(BOOK, payload=3), "payload: expected a PayloadFormat or None, got 3"),
        (lambda: simulate_bursts(Scenario(BOOK, payload=FORMAT), Ofdm(4), 9999, 1), "payload: .* got OFDM"),
        (lambda: Bursts(BOOK, Ofdm(4), [1], 20, payload=FORMAT), "payload: .* got OFDM"),
        (lambda: Bursts(BOOK, Waveform(4), [1], 20).of(np.array([1]), np.zeros((1, 2), np.uint8)), "packets"),
        (lambda: simulate_slots(Scenario(BOOK, payload=FORMAT), 30, 1), "slot_period: expected at least"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_devices_say_stays_where_channels_are_replaced():
    uplink = simulate(Scenario(BOOK, **QUIET), 2)
    scaled = uplink._replace(channel=2 * uplink.channel)
    assert (scaled.packets, scaled.paths) == (uplink.packets, uplink.paths)
    np.testing.assert_array_equal(scaled.channel, 2 * uplink.channel)
