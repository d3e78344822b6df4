# SPDX-License-Identifier: GPL-3.0-or-later
"""Descents over powers, compiled: they visit the same devices as NumPy's, in the same order."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.solvers import covariance_ml
from gr_jadce.solvers.power_fit import PowerModel

kernel = compiled_kernel(allow_module_level=True)

SIZES = [(1, 1, 1), (3, 2, 1), (40, 9, 2), (65, 17, 3), (100, 24, 5), (33, 32, 16), (9, 40, 17)]


def frames(n_devices, pilot_length, n_antennas, n_frames=6, snr_db=15):
    book = make_pilots("gaussian", n_devices, pilot_length, seed=n_devices)
    n_active = max(1, min(n_devices, pilot_length) // 2)
    return book, simulate(Scenario(book, n_antennas, n_active=n_active, snr_db=snr_db), n_frames, seed=1)


def assert_same(fit, expected):
    np.testing.assert_array_equal(fit.n_iter, expected.n_iter)
    np.testing.assert_array_equal(fit.n_updates, expected.n_updates)
    np.testing.assert_allclose(fit.power, expected.power, rtol=1e-6, atol=1e-8 * expected.power.max())
    np.testing.assert_allclose(fit.channel, expected.channel, atol=1e-8 * np.abs(expected.channel).max())
    np.testing.assert_allclose(fit.noise_var, expected.noise_var, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_equals_numpy(size, sparse, known):
    book, uplink = frames(*size)
    fit, expected = (
        PowerModel(book, backend=backend).fit(
            uplink.received, uplink.noise_var if known else None, sparse=sparse
        )
        for backend in ("kernel", "numpy")
    )
    assert_same(fit, expected)


@pytest.mark.parametrize("sparse", [True, False])
def test_equals_numpy_from_a_start_and_for_members_only(sparse):
    book, uplink = frames(65, 17, 4, n_frames=8)
    start = np.mean(np.abs(uplink.channel) ** 2, axis=2) + 0.01
    members = uplink.activity | (np.arange(65) % 3 == 0)
    fit, expected = (
        PowerModel(book, backend=backend).fit(
            uplink.received, uplink.noise_var, start=start, members=members, sparse=sparse
        )
        for backend in ("kernel", "numpy")
    )
    assert_same(fit, expected)
    assert not fit.power[~members].any()


@pytest.mark.parametrize("known", [True, False])
def test_threads_and_batches_change_nothing(known):
    book, uplink = frames(100, 24, 4, n_frames=7)
    noise_var = uplink.noise_var if known else None
    batch = PowerModel(book, threads=3).fit(uplink.received, noise_var)
    for index, received in enumerate(uplink.received):
        alone = PowerModel(book).fit(received, noise_var)
        for field, expected in zip(batch, alone, strict=True):
            np.testing.assert_array_equal(field[index], expected[0])


def test_no_frames_and_silent_frames():
    book, uplink = frames(40, 9, 2)
    model = PowerModel(book, backend="kernel")
    assert model.fit(uplink.received[:0]).channel.shape == (0, 40, 2)
    silent = model.fit(0 * uplink.received)
    assert not silent.power.any() and not silent.channel.any()
    np.testing.assert_array_equal(silent.noise_var, 1)


def test_the_estimator_takes_threads_and_a_backend():
    book, uplink = frames(40, 9, 2)
    compiled, plain = (
        covariance_ml(book, backend=backend, threads=2)(uplink.received, 0.1)
        for backend in ("kernel", "numpy")
    )
    np.testing.assert_allclose(compiled.channel, plain.channel, atol=1e-5)
    with pytest.raises(ValueError, match="threads: expected an integer of at least 1"):
        covariance_ml(book, threads=0)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="expected"):
        kernel.PowerDescent(np.ones(3, complex))
    descent = kernel.PowerDescent(np.ones((2, 3), complex))
    good = [np.ones((1, 2, 1), complex), np.ones((1, 3)), np.ones(1), np.ones((1, 3), bool), np.ones(1)]
    rule = ([0.0], -1, 1, 0.01, 3)
    descent.descend(*good, *rule, 1)
    for index, bad in ((0, good[0][:, :1]), (1, good[1][:, :2]), (2, np.ones(2)), (3, good[3][:, :2])):
        with pytest.raises(ValueError, match="expected"):
            descent.descend(*good[:index], bad, *good[index + 1 :], *rule, 1)
    with pytest.raises(ValueError, match="ramp"):
        descent.descend(*good, [], -1, 1, 0.01, 3, 1)
    with pytest.raises(ValueError, match="threads"):
        descent.descend(*good, *rule, 0)
