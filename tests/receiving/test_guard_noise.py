# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames decided with the covariance of the noise in the guards between them."""

import numpy as np
import pytest

from gr_jadce.detection.noise.covariance import Whitener
from gr_jadce.estimators import make_estimator
from gr_jadce.pilots import make_pilots
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.receiving.levels import LevelTracker
from gr_jadce.slots.guard import GuardNoise
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.fading import complex_normal

BOOK = make_pilots("qpsk", n_devices=100, pilot_length=32, seed=3)
ESTIMATOR = make_estimator("unrolled", BOOK)
N_FRAMES = 300


def interference(rng, n_antennas, n_samples, noise_var, direction):
    """An interferer 20 dB over the noise at every antenna, in samples (n, M), and its covariance."""
    signal = complex_normal(rng, (n_samples, 1)) * np.sqrt(100 * noise_var) @ direction
    return signal, 100 * noise_var * direction.conj().T @ direction + noise_var * np.eye(n_antennas)


def scene(n_antennas):
    """An uplink with an interferer, its noise covariance, and that of guards of 16 samples in 64 slots."""
    rng = np.random.default_rng(4)
    uplink = simulate(Scenario(BOOK, n_antennas, n_active=5, snr_db=15), N_FRAMES, seed=5)
    direction = np.exp(2j * np.pi * rng.random((1, n_antennas)))
    signal, covariance = interference(rng, n_antennas, N_FRAMES * 32, uplink.noise_var, direction)
    received = (uplink.received + signal.reshape(uplink.received.shape)).astype(np.complex64)
    levels = LevelTracker(64)
    for _ in range(64):
        guard = interference(rng, n_antennas, 16, uplink.noise_var, direction)[0]
        guard = guard + complex_normal(rng, guard.shape) * np.sqrt(uplink.noise_var)
        noise = GuardNoise(guard.conj().T @ guard / 16, 16)
        levels.add_guard(noise.noise_var, noise)
    return uplink, received, covariance, levels.noise_cov


def rates(uplink, reports):
    """Misses and false alarms."""
    found = np.zeros(uplink.activity.shape, bool)
    for number, report in enumerate(reports):
        found[number, report.device] = True
    return np.mean(~found[uplink.activity]), np.mean(found[~uplink.activity])


@pytest.mark.parametrize("n_antennas", [2, 4])
def test_the_guards_covariance_is_as_good_as_the_true_one(n_antennas):
    uplink, received, covariance, measured = scene(n_antennas)
    np.testing.assert_allclose(measured, covariance, atol=0.15 * covariance[0, 0].real)
    stamps = [(number, (0, 0.0)) for number in range(N_FRAMES)]
    receiver = FrameReceiver(BOOK, ESTIMATOR, "unrolled", false_alarm=1e-2)
    reports, error = receiver.solve(received, stamps, noise_cov=measured)
    whitener = Whitener.of(covariance[None])
    told = FrameReceiver(
        BOOK, ESTIMATOR, "unrolled", false_alarm=1e-2, noise="white",
        noise_var=float(np.trace(covariance).real / n_antennas),
    )  # fmt: skip
    told_reports, _ = told.solve(whitener.whiten(received), stamps)
    assert error is None
    (miss, false_alarm), (told_miss, _) = rates(uplink, reports), rates(uplink, told_reports)
    assert miss < 0.9 * rates(uplink, receiver.solve(received, stamps)[0])[0] or n_antennas > 2
    assert 0.01 / 1.5 < false_alarm < 0.01 * 1.5
    assert miss < told_miss + 0.01
    for report in reports[:20]:
        assert report.interference_db == pytest.approx(10 * np.log10(100 * n_antennas + 1), abs=6)


def test_a_guard_of_few_samples_or_of_white_noise_whitens_nothing():
    rng, levels = np.random.default_rng(1), LevelTracker(64)
    assert levels.noise_cov is None
    coloured = GuardNoise(np.diag([1.0, 9.0]).astype(complex), 100)
    for _ in range(3):
        levels.add_guard(5.0, coloured)
    assert levels.noise_cov is None
    levels.add_guard(5.0, coloured)
    np.testing.assert_allclose(levels.noise_cov, coloured.covariance)
    levels.add_guard(5.0, GuardNoise(np.full((2, 2), np.nan), 100))  # left out
    levels.add_guard(1.0, GuardNoise(np.eye(3, dtype=complex), 100))  # other antennas: begun anew
    assert levels.noise_cov is None
    levels.reset()
    white = complex_normal(rng, (5000, 2)).astype(complex)
    levels.add_guard(1.0, GuardNoise(white.conj().T @ white / 5000, 5000))
    assert levels.noise_cov is None


@pytest.mark.parametrize("options", [{"noise": "white"}, {"noise_var": 0.1}])
def test_what_is_said_of_the_noise_counts_more_than_the_guards(options):
    _, received, _, measured = scene(2)
    stamps = [(number, (0, 0.0)) for number in range(5)]
    receiver = FrameReceiver(BOOK, ESTIMATOR, "unrolled", **options)
    one, other = (receiver.solve(received[:5], stamps, noise_cov=cov)[0] for cov in (measured, None))
    for with_guard, without in zip(one, other, strict=True):
        np.testing.assert_array_equal(with_guard.device, without.device)
        assert with_guard.noise_vars is None


def test_frames_with_a_dead_antenna_are_not_whitened_by_the_guards():
    _, received, _, measured = scene(2)
    received[1, :, 1] = 0
    stamps = [(number, (0, 0.0)) for number in range(3)]
    reports, error = FrameReceiver(BOOK, ESTIMATOR, "unrolled").solve(
        received[:3], stamps, noise_cov=measured
    )
    assert error is None
    assert [report.noise_vars is None for report in reports] == [False, True, False]
