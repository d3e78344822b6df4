# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers in torch: the results of NumPy, here on the processor."""

import numpy as np
import pytest

from gr_jadce.pilots import make_pilots
from gr_jadce.unrolled import unrolled
from gr_jadce.uplink import Scenario, simulate


def test_a_device_goes_with_torch_only():
    with pytest.raises(ValueError, match=r"device: expected none with backend='auto'"):
        unrolled(make_pilots("gaussian", 20, 10, seed=1), device="cuda")


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(("kind", "n_antennas"), [("gaussian", 4), ("dft", 4), ("gaussian", 1)])
def test_torch_equals_numpy(kind, n_antennas, is_known):
    pytest.importorskip("torch", reason="needs torch: make torch")
    book = make_pilots(kind, 96, 32, seed=2)
    received, _, _, noise_var = simulate(Scenario(book, n_antennas, 0.08, snr_db=12.0), 16, seed=3)
    told = noise_var if is_known else None
    ours, expected = (
        unrolled(book, backend=backend, tol=1e-12)(received, told) for backend in ("torch", "numpy")
    )
    scale = np.abs(expected.channel).max()
    np.testing.assert_allclose(ours.channel, expected.channel, atol=1e-5 * scale)
    assert np.array_equal(ours.n_iter, expected.n_iter)
    assert ours.posterior_mean


def test_frames_end_as_in_numpy():
    pytest.importorskip("torch", reason="needs torch: make torch")
    book = make_pilots("gaussian", 96, 32, seed=2)
    received = simulate(Scenario(book, 4, 0.08, snr_db=20.0), 16, seed=3).received
    ours, expected = (unrolled(book, backend=backend)(received) for backend in ("torch", "numpy"))
    assert np.mean(ours.n_iter == expected.n_iter) > 0.9
    assert len(set(ours.n_iter)) > 1


def test_an_unknown_device_is_refused():
    pytest.importorskip("torch", reason="needs torch: make torch")
    with pytest.raises(ValueError, match="device: expected one that torch can use"):
        unrolled(make_pilots("gaussian", 20, 10, seed=1), backend="torch", device="abacus")
