# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated USRPs through SoapySDR: every slot answered, with the decisions that UHD's samples give."""

from pathlib import Path

import pytest
from usrp_sim.test_radios import (
    N_SLOTS,
    SLOT_PERIOD,
    assert_same_decisions,
    error_rate,
    receive_recording,
    receive_usrps,
    simulate,
)


@pytest.fixture
def soapy():
    """The arguments of SoapySDR for radios of UHD."""
    pytest.importorskip("SoapySDR", reason="needs python3-soapysdr")
    if not list(Path("/usr/lib").glob("*/SoapySDR/modules*/libuhdSupport.so")):
        pytest.skip("needs soapysdr-module-uhd")
    return "driver=uhd,{}".format


def test_four_usrps(soapy, start_radios, tmp_path):
    uplink = simulate(tmp_path, n_devices=200, pilot_length=64, n_antennas=4, snr_db=15)
    radios = start_radios(uplink.iq_files)
    reports, counts = receive_usrps(uplink, soapy(radios), tmp_path, option="--soapy")
    assert list(reports) == list(range(N_SLOTS))
    assert (counts["dropped"], counts["bad"], counts["gaps"]) == (0, 0, 0)
    assert_same_decisions(reports, receive_recording(uplink, tmp_path))
    (tmp_path / "uhd").mkdir()
    by_uhd, _ = receive_usrps(uplink, radios, tmp_path / "uhd")
    assert list(by_uhd) == list(reports)
    assert_same_decisions(reports, by_uhd)


def test_packets_lost(soapy, start_radios, tmp_path):
    uplink = simulate(tmp_path, n_devices=100, pilot_length=40, n_antennas=2, snr_db=20)
    lost = f"{21 * SLOT_PERIOD + 30}:{SLOT_PERIOD + 4000}"
    radios = soapy(start_radios(uplink.iq_files, {1: lost}))
    reports, counts = receive_usrps(uplink, radios, tmp_path, N_SLOTS - 2, option="--soapy")
    assert sorted(set(range(N_SLOTS)) - set(reports)) == [21, 22]
    assert (counts["gaps"], counts["slots_lost"], counts["dropped"], counts["bad"]) == (1, 2, 0, 0)
    assert error_rate(reports, uplink.truth) < 0.01
