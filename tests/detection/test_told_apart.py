# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that another in their place would explain nearly as well are not reported."""

from itertools import combinations

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


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("kind", "rare"), [("hadamard", 1e-5), ("dft", 1e-4)])
def test_the_kernel_exchanges_pairs_as_the_plain_form(kind, rare, known):
    compiled_kernel()
    _uplink, (plain, compiled) = _of_few_samples(kind, rare, known, 60, ("numpy", "kernel"))
    np.testing.assert_array_equal(plain.activity, compiled.activity)
    np.testing.assert_allclose(plain.channel, compiled.channel, atol=1e-5)


def test_two_devices_that_look_like_two_others_are_no_false_alarms():
    rare = 1e-5
    uplink, (decision,) = _of_few_samples("hadamard", rare, True, 6000, ("auto",))
    false_alarms = np.count_nonzero(decision.activity & ~uplink.activity)
    assert false_alarms <= 15  # 4.1 are wanted; 32 come without an exchange of pairs
    assert np.count_nonzero(uplink.activity & ~decision.activity) < 0.06 * np.count_nonzero(uplink.activity)


def _of_few_samples(kind, rare, known, count, backends):
    """An uplink of three devices and one antenna, and the decisions about it by backend."""
    book = make_pilots(kind, 72, 24, seed=1)
    uplink = simulate(Scenario(book, 1, n_active=3, snr_db=15), count, seed=7)
    noise_var = uplink.noise_var if known else None
    estimate = make_estimator("unrolled", book)(uplink.received, noise_var)
    return uplink, [
        decide(estimate, uplink.received, book, rare, noise_var, backend=backend) for backend in backends
    ]


@pytest.mark.parametrize("fixed", [True, False])
def test_exchanged_pairs_are_the_likeliest_of_all(fixed):
    book = make_pilots("hadamard", 11, 8, seed=1)
    uplink = simulate(Scenario(book, 1, n_active=3, snr_db=15), 1, seed=2)
    frame, members = _frame(uplink, book), np.array([0, 1, 2])
    fit = support_fit.fit_support(frame, members, uplink.noise_var)
    fit = support_fit.settle(frame, fit, fixed=fixed)
    lead, best = support_fit.exchange_pairs(frame, fit, fixed=fixed)
    own = support_fit.surplus_evidence(frame, fit, 3)  # as likely as supports of as many devices are compared
    assert lead.min() == pytest.approx(own - support_fit.surplus_evidence(frame, best, 3))
    likeliest = max(
        support_fit.surplus_evidence(frame, support_fit.settle(frame, other, fixed=fixed), 3)
        for stays in members
        for pair in combinations(range(3, 11), 2)
        for other in [support_fit.fit_support(frame, np.array([stays, *pair]), uplink.noise_var)]
    )
    assert support_fit.surplus_evidence(frame, best, 3) == pytest.approx(likeliest, abs=0.1)


def test_the_replacement_statistic_is_that_of_a_fit_without_the_member():
    uplink = simulate(Scenario(BOOK, 2, n_active=6, snr_db=15), 1, seed=2)
    frame = _frame(uplink, BOOK)
    fit = support_fit.fit_support(frame, np.flatnonzero(uplink.activity[0]), uplink.noise_var)
    outside = ~uplink.activity[0]
    for k, measured in enumerate(support_fit.replacement_statistic(frame, fit)):
        others = support_fit.without(frame, fit, np.arange(6) == k)
        expected = support_fit.statistic(frame, others)[0][outside].max()
        assert measured == pytest.approx(expected, rel=1e-4)


def _frame(uplink, book):
    received, pilots = uplink.received[0].astype(complex), book.matrix.astype(complex)
    gram, moment = pilots.conj().T @ pilots, received.conj().T @ received
    return support_fit.FrameData(gram, pilots.conj().T @ received, moment, book.pilot_length)
