# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise measured in the guards of slots."""

import numpy as np
import pytest

from gr_jadce.slots.guard import GuardMeter


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
@pytest.mark.parametrize("position", [-130, 0, 37])
def test_the_guard_is_measured_however_the_samples_come(chunk, position):
    samples = np.arange(position, position + 1000)
    inside = (samples % 100 >= 60) & (samples % 100 < 90)
    streams = [np.where(inside, gain, 50).astype(np.complex64) for gain in (1, 2j)]
    meter = GuardMeter(100, 60, 30)
    for begin in range(0, 1000, chunk):
        meter.push(position + begin, [stream[begin : begin + chunk] for stream in streams])
    noise = meter.pop()
    assert noise.noise_var == pytest.approx((1 + 4) / 2)
    np.testing.assert_allclose(noise.covariance, [[1, 2j], [-2j, 4]])
    assert noise.n_samples == np.count_nonzero(inside)
    assert meter.pop() is None


def test_a_guard_that_holds_no_number_tells_nothing():
    meter = GuardMeter(10, 0, 10)
    meter.push(0, [np.full(10, np.nan, np.complex64)])
    assert meter.pop() is None


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 0), (6, 5), (10, 1)])
def test_a_wrong_guard_is_named(start, length):
    with pytest.raises(ValueError, match="^guard_start.*: expected|^guard_length: expected"):
        GuardMeter(10, start, length)
