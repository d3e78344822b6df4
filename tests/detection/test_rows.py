# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions about the active devices alone are those about all devices."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, decide, make_pilots, pc_admm, simulate
from gr_jadce.detection.decide import decide_rows
from gr_jadce.detection.rows import replaced, selected
from gr_jadce.estimate import part_of

BOOK = make_pilots("gaussian", 100, 40, seed=1)


@pytest.mark.parametrize("backend", ["numpy", "kernel"])
@pytest.mark.parametrize("posterior_mean", [False, True])
def test_rows_are_those_of_the_active_devices(backend, posterior_mean):
    if backend == "kernel":
        compiled_kernel()
    uplink = simulate(Scenario(BOOK, 4, snr_db=15.0), 12, seed=5)
    estimate = pc_admm(BOOK)(uplink.received)._replace(posterior_mean=posterior_mean)
    decision = decide(estimate, uplink.received, BOOK, backend=backend)
    rows = decide_rows(estimate, uplink.received, BOOK, 1e-3, backend=backend)
    frame, device = np.nonzero(decision.activity)
    assert len(device)
    assert np.array_equal(rows.frame, frame)
    assert np.array_equal(rows.device, device)
    assert np.array_equal(rows.start, np.searchsorted(frame, np.arange(13)))
    assert np.array_equal(rows.channel, decision.channel[frame, device])
    assert np.array_equal(rows.score, decision.score[frame, device])
    assert (rows.threshold, rows.delay, rows.carrier_offset) == (decision.threshold, None, None)
    assert np.array_equal(rows.noise_var, decision.noise_var)
    assert np.array_equal(rows.snr_db, decision.snr_db)


@pytest.mark.parametrize("backend", ["numpy", "kernel"])
def test_no_frame_has_no_rows(backend):
    if backend == "kernel":
        compiled_kernel()
    estimate = pc_admm(BOOK)(np.zeros((0, BOOK.pilot_length, 2), np.complex64))
    rows = decide_rows(
        estimate, np.zeros((0, BOOK.pilot_length, 2), np.complex64), BOOK, 1e-3, backend=backend
    )
    assert (rows.start.tolist(), rows.channel.shape) == ([0], (0, 2))


def test_a_posterior_mean_is_kept_where_it_explains_the_frame():
    uplink = simulate(Scenario(BOOK, 2, snr_db=15.0), 4, seed=5)
    proposal = pc_admm(BOOK)(uplink.received, uplink.noise_var)
    refit = decide(proposal, uplink.received, BOOK, 1e-3, uplink.noise_var)
    unseen = np.linalg.svd(BOOK.matrix)[2][-1].conj()  # of a direction that no pilot symbol shows
    factor = np.array([1, 1, 0.3, 0.3])[:, None, None]  # the last two frames are not explained
    mean = proposal._replace(channel=factor * refit.channel + unseen[:, None], posterior_mean=True)
    kept = decide(mean, uplink.received, BOOK, 1e-3, uplink.noise_var)
    own = np.where(kept.activity[..., None], mean.channel, 0)
    np.testing.assert_allclose(kept.channel[:2], own[:2], atol=1e-6)
    np.testing.assert_allclose(kept.channel[2:], refit.channel[2:], atol=1e-6)
    assert np.abs(kept.channel - refit.channel)[:2].max() > 0.1


@pytest.mark.parametrize("index", [[], [0], [2, 3, 7], [11], list(range(12))])
def test_frames_are_selected_and_replaced(index):
    uplink = simulate(Scenario(BOOK, 4, activity_rate=0.05, snr_db=15.0), 24, seed=6)
    estimate = pc_admm(BOOK)(uplink.received)
    one, other = (
        decide_rows(part_of(estimate, part), uplink.received[part], BOOK, 1e-3)
        for part in (np.arange(12), np.arange(12, 24))
    )
    index = np.array(index, int)
    both = replaced(one, index, selected(other, index))
    for b in range(12):
        source = other if b in index else one
        for name in ("device", "channel", "score"):
            found, wanted = (getattr(rows, name)[slice(*rows.start[b : b + 2])] for rows in (both, source))
            assert np.array_equal(found, wanted)
        assert both.snr_db[b] == source.snr_db[b]
    assert both.device.dtype == np.uint32 and both.start[-1] == len(both.device)
