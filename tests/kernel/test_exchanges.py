# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges of devices, compiled and plain: what they gain is what the likelihood rises by."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce.solvers.exchanges import likely_exchanges

SIZES = [(1, 1, 1), (3, 2, 1), (40, 9, 2), (65, 17, 3), (100, 24, 5), (33, 32, 16), (9, 40, 17)]


def frames(n_devices, length, antennas, n_frames=5):
    rng = np.random.default_rng(n_devices)

    def normal(*shape):
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    A, Y = normal(length, n_devices), normal(n_frames, length, antennas)
    power = np.where(rng.random((n_frames, n_devices)) < 0.2, rng.random((n_frames, n_devices)) + 0.1, 0)
    return A, Y, power, rng.random(n_frames) + 0.5, rng.random((n_frames, n_devices)) < 0.8


def log_likelihood(A, Y, power, noise_var):
    covariance = (A * power) @ A.conj().T + noise_var * np.eye(len(A))
    fit = np.vdot(Y, np.linalg.solve(covariance, Y)).real
    return -Y.shape[1] * np.linalg.slogdet(covariance)[1] - fit


def test_the_gain_is_what_the_likelihood_rises_by():
    A, Y, power, noise_var, allowed = frames(40, 9, 2)
    found = likely_exchanges(A, Y, power, noise_var, allowed, 20, -np.inf)
    for b in range(len(Y)):
        before = log_likelihood(A, Y[b], power[b], noise_var[b])
        there = np.isfinite(found.gain[b])
        assert there.any() and np.all(np.diff(found.gain[b, there]) <= 0)
        for gain, leaves, enters, best in zip(*(field[b, there] for field in found), strict=True):
            assert power[b, leaves] > 0 and power[b, enters] == 0 and allowed[b, enters]
            after = [power[b].copy() for _ in range(3)]
            for changed, factor in zip(after, (1, 0.9, 1.1), strict=True):
                changed[leaves], changed[enters] = 0, factor * best
            values = [log_likelihood(A, Y[b], changed, noise_var[b]) for changed in after]
            assert gain == pytest.approx(values[0] - before, abs=1e-8)
            assert values[0] > max(values[1:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("least", [-20.0, -3.0, 1.0])
def test_the_kernel_finds_the_same(size, least):
    A, Y, power, noise_var, allowed = frames(*size)
    state = Y, power, noise_var, allowed, 6, least
    expected, fit = likely_exchanges(A, *state), compiled_kernel().PowerDescent(A).exchanges(*state, 2)
    for field, values in zip(fit, expected, strict=True):
        np.testing.assert_allclose(field, values, rtol=1e-7)


def test_frames_without_powers_have_no_exchanges():
    A, Y, power, noise_var, allowed = frames(9, 4, 2)
    assert np.isneginf(likely_exchanges(A, Y, 0 * power, noise_var, allowed, 3, -3.0).gain).all()


def test_wrong_arguments_are_refused():
    A, *state = frames(9, 4, 2)
    descent = compiled_kernel().PowerDescent(A)
    with pytest.raises(ValueError, match="count: expected at least 1"):
        descent.exchanges(*state, 0, -3.0, 1)
    with pytest.raises(ValueError, match="threads: expected at least 1"):
        descent.exchanges(*state, 2, -3.0, 0)
    with pytest.raises(ValueError, match=r"power: expected \(B, N\)"):
        descent.exchanges(state[0], state[1][:, :3], *state[2:], 2, -3.0, 1)
