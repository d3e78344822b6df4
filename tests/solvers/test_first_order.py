# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, pc_admm, simulate
from gr_jadce.solvers import admm, bcd, fista, ista

BOOK = make_pilots("gaussian", 60, 24, seed=2)
METHODS = {"ista": ista, "fista": fista, "admm": admm, "bcd": bcd}


@pytest.fixture(scope="module")
def received():
    return simulate(Scenario(BOOK, n_antennas=3), 6, seed=4).received


@pytest.mark.parametrize("name", METHODS)
def test_all_methods_find_the_same_solution(name, received):
    expected = pc_admm(BOOK, lam_ratio=0.1, tol=1e-10, max_iter=2000)(received)
    estimate = METHODS[name](BOOK, lam_ratio=0.1, tol=1e-9, max_iter=20000)(received)
    assert np.all(estimate.gap <= 1e-9)
    np.testing.assert_allclose(estimate.channel, expected.channel, atol=2e-3)
    np.testing.assert_allclose(estimate.score, np.linalg.norm(estimate.channel, axis=2), rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_frame_does_not_depend_on_its_batch(name, received):
    estimator = METHODS[name](BOOK, noise_var=0.02)
    whole, alone = estimator(received), estimator(received[4])
    assert alone.n_iter[0] == whole.n_iter[4]
    np.testing.assert_allclose(alone.channel[0], whole.channel[4], atol=1e-5)


def test_the_gap_of_ista_falls(received):
    gaps = [ista(BOOK, lam_ratio=0.1, tol=1e-15, max_iter=k)(received).gap for k in (10, 100, 1000)]
    assert np.all(np.diff(gaps, axis=0) < 0)


def test_the_penalty_factor_scales_the_penalty(received):
    single = fista(BOOK, noise_var=0.02, lam_factor=1.4, tol=1e-8)(received)
    double = fista(BOOK, noise_var=0.08, lam_factor=0.7, tol=1e-8)(received)
    np.testing.assert_allclose(single.channel, double.channel, atol=1e-6)


@pytest.mark.parametrize(("method", "options"), [(admm, {"beta_factor": 0}), (fista, {"lam_factor": -1})])
def test_bad_options_are_refused_by_name(method, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        method(BOOK, **options)
