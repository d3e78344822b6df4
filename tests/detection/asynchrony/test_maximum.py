# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.detection.asynchrony.asynchrony import Asynchrony
from gr_jadce.detection.asynchrony.maximum import (
    limit,
    log10_p_known_anywhere,
    log10_p_unknown_anywhere,
)
from gr_jadce.detection.asynchrony.pilot_table import PilotTable
from gr_jadce.detection.p_values import log10_p_known, log10_p_unknown
from gr_jadce.pilots import make_pilots
from gr_jadce.uplink.simulation import complex_normal

M, L = 2, 32
N_FRAMES = 3000


@pytest.mark.parametrize("max_delay", [0, 4])
@pytest.mark.parametrize("max_offset", [0.0, 0.5 / L])
def test_noise_exceeds_the_limit_as_often_as_it_says(max_delay, max_offset):
    """The maximum over a fine grid: in 1 % of frames and devices, within four standard errors."""
    table = PilotTable(
        make_pilots("gaussian", 4, L, seed=1), Asynchrony(max_delay, max_offset, prefix=max_delay)
    )
    noise = complex_normal(np.random.default_rng(2), (N_FRAMES, L, M))
    delays = np.arange(-0.5, max_delay + 0.51, 0.125)
    strongest = np.zeros((4, N_FRAMES))
    for offset in np.linspace(-max_offset, max_offset, 9 if max_offset else 1):
        for device in range(4):
            pilots = table.at(device, delays, offset)
            energy = np.sum(np.abs(pilots) ** 2, axis=0)
            t = np.sum(np.abs(pilots.conj().T @ noise) ** 2, axis=2) / energy
            strongest[device] = np.maximum(strongest[device], t.max(axis=1))
    exceeds = np.mean(strongest > limit(0.01, M, table.extent))
    assert exceeds == pytest.approx(0.01, abs=4 * np.sqrt(0.01 / strongest.size))


def test_in_a_single_place_it_is_the_usual_probability():
    energy = np.array([0.1, 5.0, 50.0, 5000.0])
    nowhere = (0.0, 0.0)
    assert log10_p_known_anywhere(energy, 3, nowhere) == pytest.approx(log10_p_known(energy, 3), abs=1e-9)
    known = log10_p_unknown(energy, 9.0, 3, 9.0)
    assert log10_p_unknown_anywhere(energy, 9.0, 3, 9.0, nowhere) == pytest.approx(known, abs=1e-9)


def test_a_noise_variance_measured_on_many_samples_is_as_good_as_known():
    energy, extent = np.array([10.0, 20.0, 40.0]), (3.0, 1.0)
    known = log10_p_known_anywhere(energy, 4, extent)
    assert log10_p_unknown_anywhere(energy, 1e7, 4, 1e7, extent) == pytest.approx(known, abs=1e-3)


def test_a_wider_range_asks_for_more():
    limits = [limit(1e-3, 4, (width, 0.0)) for width in (0.0, 2.0, 20.0)]
    assert limits == sorted(limits)
    assert limits[-1] > limits[0] + 2
    for extent in ((0.0, 0.0), (2.0, 0.5)):
        assert log10_p_known_anywhere(limit(1e-3, 4, extent), 4, extent) == pytest.approx(-3, abs=1e-4)
