# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of the antennas: of a report's noise and SNR each antenna gets its own share."""

import numpy as np
import pytest
from slot_reports import slot_report

from gr_jadce.monitoring.antennas import AntennaLevels


def levels(*reports):
    return AntennaLevels.of(reports)


def test_the_signal_is_shared_out_as_the_channels_are():
    channel = np.array([[1, 2, 1], [1, 2, 1]])
    found = levels(slot_report(0, [3, 4], channel=channel, noise_var=0.5, snr_db=10.0))
    assert found.noise_var == pytest.approx([0.5, 0.5, 0.5])
    assert found.signal_power == pytest.approx(5.0 * np.array([1, 4, 1]) / 2)  # their mean is noise times SNR
    assert found.snr_db[1] - found.snr_db[0] == pytest.approx(10 * np.log10(4))


def test_noise_of_each_antenna_is_taken_where_it_is_told():
    noise_vars = np.float32([0.1, 0.2, 0.6])
    found = levels(slot_report(0, [1], noise_var=0.3, noise_vars=noise_vars, snr_db=0.0))
    assert found.noise_var == pytest.approx(noise_vars)
    assert found.snr_db[0] - found.snr_db[2] == pytest.approx(10 * np.log10(6))


def test_levels_are_means_over_frames_of_as_many_antennas():
    frames = [slot_report(k, [1], noise_var=float(k), snr_db=0.0) for k in (1, 3)]
    other = slot_report(0, [1], n_antennas=2)
    assert levels(other, *frames).noise_var == pytest.approx([2, 2, 2])


def test_frames_with_nobody_have_no_signal_and_unknown_ones_do_not_count():
    nobody, unknown = slot_report(1, snr_db=-np.inf), slot_report(2, snr_db=np.nan, noise_var=np.nan)
    assert levels(nobody, unknown).signal_power == pytest.approx([0, 0, 0])
    assert np.isnan(levels(unknown).signal_power).all() and np.isnan(levels(unknown).noise_var).all()


def test_dead_antennas_have_no_level():
    found = levels(slot_report(1, [2], antennas_dead=np.uint32([1])))
    assert found.is_dead.tolist() == [False, True, False]
    assert np.isnan(found.snr_db[1]) and np.isfinite(found.snr_db[[0, 2]]).all()
