# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast PC-ADMM gets its certificate, with the one β rule it ships, against others at their best."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots, pc_admm, simulate
from gr_jadce.solvers import admm, fista

BETA_FACTORS = (2.0, 2.3, 2.6, 2.9, 3.2, 3.5, 3.8, 4.2, 4.6)


def iterations(method, book, received, **options):
    """Median iterations to a relative duality gap of 1e-6 at 0.1 λ_max."""
    estimate = method(book, lam_ratio=0.1, tol=1e-6, check_every=1, **options)(received)
    assert np.all(estimate.gap <= 1e-6)
    return np.median(estimate.n_iter)


@pytest.mark.parametrize("snr_db", [10, 20])
@pytest.mark.parametrize(("n_devices", "pilot_length", "n_antennas"), [(100, 40, 1), (200, 64, 4)])
def test_pc_admm_needs_fewer_iterations(n_devices, pilot_length, n_antennas, snr_db):
    book = make_pilots("gaussian", n_devices, pilot_length, seed=1)
    received = simulate(Scenario(book, n_antennas, snr_db=snr_db), 20, seed=3).received
    ours = iterations(pc_admm, book, received)
    assert 2 * ours <= iterations(fista, book, received)
    best_admm = min(
        iterations(admm, book, received, beta_factor=factor, max_iter=500) for factor in BETA_FACTORS
    )
    assert 1.5 * ours <= best_admm
