# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network must not depend on, whatever its parameters; NumPy only."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.unrolled import Weights, unrolled
from gr_jadce.unrolled.layers import SCALARS, SHAPES
from gr_jadce.unrolled.weight_files import FORMAT_VERSION

N, L, M, B = 60, 24, 3, 5


def some_weights(n_layers=6, deviation=0.1, seed=0):
    """Parameters near the untrained ones, none of them at a value that would hide a mistake."""
    rng = np.random.default_rng(seed)
    shapes = {name: (n_layers, *shape) for name, shape in SHAPES.items()}
    arrays = {
        name: np.float32(SCALARS.get(name, 0.0) + deviation * rng.standard_normal(shape))
        for name, shape in shapes.items()
    }
    meta = {"format_version": FORMAT_VERSION, "n_layers": n_layers, "scenario": {}, "provenance": {}}
    return Weights(arrays, meta)


@pytest.fixture(params=[True, False], ids=["noise known", "noise unknown"])
def case(request):
    scenario = Scenario(make_pilots("gaussian", N, L, 1), n_antennas=M, activity_rate=0.1, snr_db=12)
    uplink = simulate(scenario, B, seed=2)
    return scenario.pilots.matrix, uplink.received, uplink.noise_var if request.param else None


def estimate(matrix, received, noise_var):
    return unrolled(matrix, some_weights(), n_layers=6)(received, noise_var)


def close(first, second):
    scale = np.abs(second.channel).max()
    np.testing.assert_allclose(first.channel, second.channel, atol=2e-4 * scale)
    np.testing.assert_allclose(first.score, second.score, rtol=2e-3, atol=2e-3)


def test_a_rotation_of_the_phase_only_rotates_the_estimate(case):
    matrix, received, noise_var = case
    plain, turned = estimate(*case), estimate(matrix, received * np.exp(1.3j), noise_var)
    close(turned, plain._replace(channel=plain.channel * np.exp(1.3j)))


def test_the_phase_of_each_pilot_only_turns_its_channel(case):
    matrix, received, noise_var = case
    phase = np.exp(2j * np.pi * np.random.default_rng(3).random(N))
    plain, turned = estimate(*case), estimate(matrix * phase, received, noise_var)
    close(turned, plain._replace(channel=plain.channel * phase.conj()[:, None]))


def test_the_order_of_devices_is_only_the_order_of_the_rows(case):
    matrix, received, noise_var = case
    order = np.random.default_rng(4).permutation(N)
    plain, permuted = estimate(*case), estimate(matrix[:, order], received, noise_var)
    close(permuted, plain._replace(channel=plain.channel[:, order], score=plain.score[:, order]))


def test_a_unitary_mixing_of_the_antennas_only_mixes_the_channel(case):
    matrix, received, noise_var = case
    rng = np.random.default_rng(5)
    unitary = np.linalg.qr(rng.standard_normal((M, M)) + 1j * rng.standard_normal((M, M)))[0]
    plain, mixed = estimate(*case), estimate(matrix, received @ unitary, noise_var)
    close(mixed, plain._replace(channel=plain.channel @ unitary))


@pytest.mark.parametrize("gain", [1e-4, 3e3])
def test_the_receivers_gain_only_scales_the_channel(case, gain):
    matrix, received, noise_var = case
    plain = estimate(*case)
    scaled = estimate(matrix, received * gain, noise_var and noise_var * gain**2)
    close(scaled._replace(channel=scaled.channel / gain), plain)


def test_the_scale_of_the_pilots_only_scales_the_channel(case):
    matrix, received, noise_var = case
    plain, scaled = estimate(*case), estimate(7.0 * matrix, received, noise_var)
    close(scaled._replace(channel=scaled.channel * 7.0), plain)


def test_a_frames_result_does_not_depend_on_its_batch(case):
    matrix, received, noise_var = case
    network = unrolled(matrix, some_weights())
    whole = network(received, noise_var)
    for i in range(B):
        alone = network(received[i], noise_var)
        np.testing.assert_allclose(alone.channel[0], whole.channel[i], atol=1e-5)
        assert alone.n_iter[0] == whole.n_iter[i]


def test_a_frame_of_zeros_gives_zeros(case):
    matrix, _, noise_var = case
    result = estimate(matrix, np.zeros((2, L, M), np.complex64), noise_var)
    assert not result.channel.any()
    assert np.all(np.isfinite(result.score))


@pytest.mark.parametrize("snr_db", [-30, 60, 120])
def test_extreme_noise_gives_finite_results(snr_db):
    scenario = Scenario(make_pilots("gaussian", N, L, 1), n_antennas=M, snr_db=snr_db)
    uplink = simulate(scenario, B, seed=2)
    for noise_var in (None, uplink.noise_var, 1e-30, 1e30):
        result = unrolled(scenario.pilots, some_weights())(uplink.received, noise_var)
        assert np.all(np.isfinite(result.channel))
        assert np.all(np.isfinite(result.score))


@pytest.mark.parametrize(
    ("n_devices", "pilot_length", "n_antennas"), [(1, 1, 1), (8, 8, 2), (6, 12, 1), (9, 4, 7)]
)
def test_any_size_gives_finite_results(n_devices, pilot_length, n_antennas):
    pilots = make_pilots("gaussian", n_devices, pilot_length, 1)
    uplink = simulate(Scenario(pilots, n_antennas, activity_rate=0.3, snr_db=15), B, seed=2)
    for noise_var in (None, uplink.noise_var):
        result = unrolled(pilots, some_weights())(uplink.received, noise_var)
        assert result.channel.shape == (B, n_devices, n_antennas)
        assert np.all(np.isfinite(result.channel))


def test_equal_pilots_of_two_devices_do_no_harm(case):
    matrix, received, noise_var = case
    doubled = np.concatenate([matrix, matrix[:, :1]], axis=1)
    result = estimate(doubled, received, noise_var)
    assert np.all(np.isfinite(result.channel))
    np.testing.assert_allclose(result.channel[:, 0], result.channel[:, N], atol=1e-4)
