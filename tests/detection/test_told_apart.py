# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that another in their place would explain nearly as well are not reported."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, decide, make_estimator, make_pilots, pc_admm, simulate
from gr_jadce.detection import support_fit

BOOK = make_pilots("gaussian", 100, 40, seed=1)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("length", "n_active", "n_antennas", "rare"), [(8, 1, 1, 1e-5), (24, 22, 8, 1e-3)])
def test_the_kernel_tells_devices_apart_as_the_plain_form(length, n_active, n_antennas, rare, known):
    compiled_kernel()
    book = make_pilots("qpsk", 8 * length, length, seed=1)
    uplink = simulate(Scenario(book, n_antennas, n_active=n_active, snr_db=15), 300 // n_active, seed=2)
    noise_var = uplink.noise_var if known else None
    estimate = make_estimator("unrolled", book)(uplink.received, noise_var)
    plain, compiled = (
        decide(estimate, uplink.received, book, rare, noise_var, noise="white", backend=backend)
        for backend in ("numpy", "kernel")
    )
    np.testing.assert_array_equal(plain.activity, compiled.activity)
    np.testing.assert_allclose(plain.channel, compiled.channel, atol=1e-5)
    assert (~plain.activity & (plain.score >= plain.threshold)).any()  # one that is not told apart


@pytest.mark.parametrize(("rare", "count"), [(1e-2, 1), (1e-6, 0)])
def test_one_of_two_devices_that_explain_a_frame_alike_is_reported_if_errors_are_allowed(rare, count):
    pilots = make_pilots("gaussian", 24, 8, seed=1).matrix.astype(complex)
    pilots[:, 7] = pilots[:, 3] + 0.02 * pilots[:, 9]
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((2, 1, 8, 2)) * np.sqrt(0.5)
    received = 10 * pilots[None, :, 3:4] * [1, 1j] + noise[0] + 1j * noise[1]
    estimate = pc_admm(pilots)(received, noise_var=1.0)
    decision = decide(estimate, received, pilots, rare, 1.0)
    assert np.count_nonzero(decision.activity) == count
    assert decision.score[0, [3, 7]].max() > decision.threshold


def test_the_replacement_statistic_is_that_of_a_fit_without_the_member():
    uplink = simulate(Scenario(BOOK, 2, n_active=6, snr_db=15), 1, seed=2)
    received, pilots = uplink.received[0].astype(complex), BOOK.matrix.astype(complex)
    gram, moment = pilots.conj().T @ pilots, received.conj().T @ received
    frame = support_fit.FrameData(gram, pilots.conj().T @ received, moment, 40)
    fit = support_fit.fit_support(frame, np.flatnonzero(uplink.activity[0]), uplink.noise_var)
    outside = ~uplink.activity[0]
    for k, measured in enumerate(support_fit.replacement_statistic(frame, fit)):
        others = support_fit.without(frame, fit, np.arange(6) == k)
        expected = support_fit.statistic(frame, others)[0][outside].max()
        assert measured == pytest.approx(expected, rel=1e-4)
