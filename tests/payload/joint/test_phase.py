# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases smoothed over a slot."""

import numpy as np

from gr_jadce.payload.joint.phase import Prior, between, tracked

TIMES = np.arange(20.0, 700, 16)


def test_a_turning_phase_is_followed_out_of_noise():
    rng = np.random.default_rng(0)
    turn = rng.uniform(-1, 1, (200, 1)) * 2 * np.pi * 2e-4
    true = turn[..., None] * TIMES
    noise = 0.2 * rng.standard_normal(true.shape)
    prior = Prior(0.0, np.full((200, 1), 1e-2), (2 * np.pi * 2e-4) ** 2 / 3)
    phases, found = tracked(
        TIMES, prior, lambda i, phase: (true[..., i] + noise[..., i] - phase, np.full((200, 1), 0.04))
    )
    error = phases[..., 1:] - true
    assert np.sqrt(np.mean(error**2)) < 0.07
    assert np.sqrt(np.mean((found - turn) ** 2)) < 0.25 * np.sqrt(np.mean(turn**2))


def test_phases_between_are_on_straight_lines():
    phases = between(np.array([2.0, 4.0, 8.0]), np.array([[[0.0, 1.0, 3.0]]]), 10)
    np.testing.assert_allclose(phases[0, 0], [-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
