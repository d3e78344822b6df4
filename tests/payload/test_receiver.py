# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver of packets, on simulated slots."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.detection.rows import rows_of_paths
from gr_jadce.payload import PayloadFormat, PayloadReceiver

BOOK = make_pilots("qpsk", 64, 32, seed=0)
FORMAT = PayloadFormat()
DELAYED = Delayed(BOOK, Asynchrony(max_delay=1, max_offset=2e-4))


def scenario(**options):
    fields = {"n_antennas": 4, "n_active": 4, "snr_db": 15.0, "max_delay": 0.5, "max_offset": 2e-4}
    return Scenario(BOOK, **{**fields, **options}, payload=FORMAT)


def packets_right(uplink, receptions):
    """How many packets are right, and how many passed that are not."""
    right = wrong = 0
    for device, sent, reception in zip(
        [paths.device.tolist() for paths in uplink.paths], uplink.packets, receptions, strict=True
    ):
        told = dict(zip(device, map(bytes, sent), strict=True))
        passed = [packet for packet in reception.packets if packet.crc_ok]
        good = sum(told.get(packet.device) == packet.data for packet in passed)
        right, wrong = right + good, wrong + len(passed) - good
    return right, wrong


def test_all_packets_are_decoded_at_a_high_snr():
    uplink = simulate(scenario(), 10, seed=1)
    rows = DELAYED.decide_rows(uplink.received[:, :32])
    receiver = PayloadReceiver(BOOK, FORMAT, max_offset=2e-4)
    assert packets_right(uplink, receiver.receive(uplink.received, rows)) == (40, 0)


def test_the_genie_decodes_with_the_true_channels():
    uplink = simulate(scenario(snr_db=10.0), 10, seed=2)
    genie = PayloadReceiver(BOOK, FORMAT, max_offset=0, refined=False)
    receptions = genie.receive(uplink.received, rows_of_paths(uplink.paths, uplink.noise_var))
    assert packets_right(uplink, receptions) == (40, 0)
    for packet in (packet for reception in receptions for packet in reception.packets):
        assert abs(packet.evm_db + packet.snr_db) < 4


def test_devices_in_step_are_decoded():
    uplink = simulate(scenario(max_delay=0, max_offset=0), 5, seed=3)
    rows = rows_of_paths(uplink.paths, uplink.noise_var)._replace(delay=None, carrier_offset=None)
    receptions = PayloadReceiver(BOOK, FORMAT).receive(uplink.received, rows)
    assert packets_right(uplink, receptions) == (20, 0)


@pytest.mark.parametrize("spreading", [1, 2, 3])
def test_other_formats_are_decoded(spreading):
    format = PayloadFormat(5, spreading, seed=3)
    uplink = simulate(Scenario(BOOK, 4, n_active=2, snr_db=18.0, max_delay=0.5, payload=format), 5, seed=3)
    rows = rows_of_paths(uplink.paths, uplink.noise_var)
    receptions = PayloadReceiver(BOOK, format).receive(uplink.received, rows)
    assert packets_right(uplink, receptions) == (10, 0)


def test_false_alarms_are_reported_as_not_decoded():
    uplink = simulate(scenario(n_active=2), 5, seed=4)
    rows = DELAYED.decide_rows(uplink.received[:, :32], 0.2)
    receptions = PayloadReceiver(BOOK, FORMAT, max_offset=2e-4).receive(uplink.received, rows)
    assert packets_right(uplink, receptions) == (10, 0)
    false = [
        packet
        for reception, paths in zip(receptions, uplink.paths, strict=True)
        for packet in reception.packets
        if packet.device not in paths.device
    ]
    assert false
    assert not any(packet.crc_ok for packet in false)


def test_missed_devices_are_found_once_others_are_subtracted():
    uplink = simulate(scenario(), 6, seed=5)
    rows = rows_of_paths(uplink.paths, uplink.noise_var)
    first = np.arange(24).reshape(6, 4)[:, :3].ravel()
    fields = {name: getattr(rows, name)[first] for name in ("device", "channel", "delay", "carrier_offset")}
    missed = rows._replace(start=np.arange(7) * 3, **fields)
    receiver = PayloadReceiver(BOOK, FORMAT, max_offset=2e-4, search=lambda y: DELAYED.decide_rows(y, 1e-2))
    receptions = receiver.receive(uplink.received, missed)
    assert packets_right(uplink, receptions) == (24, 0)
    for reception, paths in zip(receptions, uplink.paths, strict=True):
        assert paths.device[3] in reception.device[reception.later]


def test_decoded_data_refine_channels_delays_and_offsets():
    uplink = simulate(scenario(snr_db=12.0), 10, seed=6)
    rows = DELAYED.decide_rows(uplink.received[:, :32])
    receptions = PayloadReceiver(BOOK, FORMAT, max_offset=2e-4).receive(uplink.received, rows)
    before = after = 0.0
    for i, (reception, paths) in enumerate(zip(receptions, uplink.paths, strict=True)):
        own = [list(reception.device).index(n) for n in paths.device]
        before += np.sum(abs(rows.channel[rows.start[i] : rows.start[i + 1]][own] - paths.gain[:, :, 0]) ** 2)
        after += np.sum(abs(reception.channel[own] - paths.gain[:, :, 0]) ** 2)
        np.testing.assert_allclose(reception.delay[own], paths.delay[:, 0], atol=0.03)
        np.testing.assert_allclose(reception.carrier_offset[own], paths.offset[:, 0], atol=3e-5)
    assert after < 0.3 * before


def test_a_slot_without_devices_has_no_packets():
    uplink = simulate(scenario(n_active=0), 2)
    rows = DELAYED.decide_rows(uplink.received[:, :32], 1e-6)
    assert [len(one.packets) for one in PayloadReceiver(BOOK, FORMAT).receive(uplink.received, rows)] == [
        0,
        0,
    ]


def test_frames_of_another_length_are_refused():
    uplink = simulate(scenario(), 1)
    rows = rows_of_paths(uplink.paths, uplink.noise_var)
    with pytest.raises(ValueError, match="frames: expected \\(1, 696, M\\), got \\(1, 32, 4\\)"):
        PayloadReceiver(BOOK, FORMAT).receive(uplink.received[:, :32], rows)


def test_one_antenna_does():
    uplink = simulate(scenario(n_antennas=1, n_active=2, snr_db=25.0, rician_k_db=10.0), 4, seed=7)
    rows = DELAYED.decide_rows(uplink.received[:, :32])
    receptions = PayloadReceiver(BOOK, FORMAT, max_offset=2e-4).receive(uplink.received, rows)
    assert packets_right(uplink, receptions) == (8, 0)
