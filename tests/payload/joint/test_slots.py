# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives of known symbols."""

import numpy as np
import pytest

from gr_jadce.payload.joint.slots import carrier, delayed
from gr_jadce.waveform import late


@pytest.mark.parametrize("delay", [0.0, 0.3, -0.5, 2.7])
def test_delayed_symbols_are_those_of_the_pulse(delay):
    rng = np.random.default_rng(0)
    sent = (rng.standard_normal((1, 2, 60, 2)) @ np.array([1, 1j])).astype(np.complex64)
    sent[..., :10], sent[..., 50:] = 0, 0
    moved = delayed(sent, np.full((1, 2, 1), delay), 0.25)
    expected = sent @ late(delay, 60, 0.25)[0].T
    np.testing.assert_allclose(moved[:, :, 0], expected, atol=3e-3)


def test_the_carrier_has_its_phase():
    phase = np.linspace(-9, 9, 50)
    np.testing.assert_allclose(carrier(phase), np.exp(1j * phase), atol=1e-5)
