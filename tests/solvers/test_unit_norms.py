# SPDX-License-Identifier: GPL-3.0-or-later
"""Books whose pilots differ in norm: no estimator assumes otherwise."""

from functools import partial

import numpy as np
import pytest

from gr_jadce import ESTIMATORS, make_pilots
from gr_jadce.metrics import nmse_db
from gr_jadce.pilots import as_pilot_book
from gr_jadce.solvers import amp, oracle_ls, oracle_mmse, pc_admm, vamp
from gr_jadce.solvers.unit_norms import UnitNorms
from gr_jadce.unrolled import unrolled
from gr_jadce.uplink.simulation import complex_normal

N_DEVICES, NOISE_VAR = 80, 1e-3
UNIT = make_pilots("gaussian", N_DEVICES, 40, seed=1)
NORMS = {
    "half of 0.3": np.where(np.arange(N_DEVICES) % 2, 1.0, 0.3),
    "±6 dB": 10 ** (np.random.default_rng(2).uniform(-6, 6, N_DEVICES) / 20),
    "all of 5": np.full(N_DEVICES, 5.0),
}
FORMS = {
    **ESTIMATORS,
    "pc_admm in NumPy": partial(pc_admm, backend="numpy"),
    "unrolled in NumPy": partial(unrolled, backend="numpy"),
    "unrolled, sampled": partial(unrolled, sweeps=2),
    "amp, power given": partial(amp, power=1.0, activity_rate=0.1),
    "vamp, power given": partial(vamp, power=1.0, activity_rate=0.1),
}


def receive(norms, n_frames=16, n_active=8):
    """The book with these norms, frames, channels and activity."""
    rng = np.random.default_rng(3)
    book = as_pilot_book(UNIT.matrix * norms)
    activity = np.argsort(rng.random((n_frames, N_DEVICES)), axis=1) < n_active
    channel = complex_normal(rng, (n_frames, N_DEVICES, 4)) * activity[:, :, None]
    noise = np.sqrt(NOISE_VAR) * complex_normal(rng, (n_frames, 40, 4))
    return book, (book.matrix @ channel + noise).astype(np.complex64), channel, activity


@pytest.mark.parametrize("noise_var", [None, NOISE_VAR])
@pytest.mark.parametrize("norms", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_pilots_of_unequal_norms_cost_no_estimator_its_accuracy(make, norms, noise_var):
    book, received, channel, activity = receive(norms)
    estimate = make(book)(received, noise_var)
    bound = oracle_ls(book)(received, activity=activity).channel
    for group in (norms < np.median(norms), norms >= np.median(norms)):
        if group.any():
            best = nmse_db(bound[:, group], channel[:, group])
            # 8 dB: what the LASSO shrinks, and most of it from the weakest
            assert nmse_db(estimate.channel[:, group], channel[:, group]) < best + 8


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_an_estimate_is_that_of_the_unit_book_divided_by_the_norms(make):
    norms = NORMS["±6 dB"]
    book, received, _, _ = receive(norms)
    estimate, unit = make(book)(received), make(as_pilot_book(book.matrix / norms))(received)
    np.testing.assert_allclose(estimate.channel * norms[:, None], unit.channel, rtol=1e-3, atol=1e-4)
    assert estimate.channel.dtype == np.complex64


def test_books_of_equal_norms_are_taken_as_they_are():
    for book in (
        UNIT,
        make_pilots("dft", 64, 16),
        make_pilots("qpsk", 20, 7),
        as_pilot_book(np.ones((4, 3))),
    ):
        unit = UnitNorms.of(book)
        assert unit.book is book and unit.norms is None


def test_the_bound_knows_the_power_of_channels_not_of_received_pilots():
    book, received, channel, activity = receive(NORMS["half of 0.3"], n_frames=200)
    received = received + complex_normal(np.random.default_rng(4), received.shape) * 0.3
    ls, mmse = (
        nmse_db(make(book)(received, 0.09 + NOISE_VAR, activity=activity).channel, channel)
        for make in (oracle_ls, oracle_mmse)
    )
    assert mmse < ls - 1


def test_weak_pilots_are_shrunk_like_strong_ones():
    """The penalty's weights are the norms: λ, and the certificate, are those of the unit book."""
    norms = NORMS["half of 0.3"]
    book, received, _, _ = receive(norms)
    estimate = pc_admm(book, lam_ratio=0.2)(received.astype(np.complex128))
    unit = pc_admm(as_pilot_book(book.matrix / norms), lam_ratio=0.2)(received.astype(np.complex128))
    np.testing.assert_allclose(estimate.gap, unit.gap, rtol=1e-2)
    np.testing.assert_array_equal(estimate.n_iter, unit.n_iter)
