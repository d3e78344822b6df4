# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision does not depend on: which of several devices near the threshold its proposal holds."""

import numpy as np
import pytest

from gr_jadce import Estimate, Scenario, decide, make_pilots, simulate
from gr_jadce.detection import doubt
from gr_jadce.detection.refinement import Members, are_weak

BOOK = make_pilots("gaussian", 100, 40, seed=1)


def differing(uplink, backend):
    """Frames decided otherwise where the best four inactive devices are proposed with the active ones."""
    left = uplink.received - np.einsum("ln,bnm->blm", BOOK.matrix, uplink.channel)
    noise = np.linalg.norm(np.einsum("ln,blm->bnm", BOOK.matrix.conj(), left), axis=2)
    noise[uplink.activity] = 0
    decisions = []
    for extra in (0, 4):
        score = uplink.activity.astype(float)
        np.put_along_axis(score, np.argsort(-noise, axis=1)[:, :extra], 1.0, axis=1)
        estimate = Estimate(
            np.zeros_like(uplink.channel), score, np.zeros(len(score), int), np.zeros(len(score))
        )
        decisions.append(decide(estimate, uplink.received, BOOK, 1e-2, noise="white", backend=backend))
    return int((decisions[0].activity != decisions[1].activity).any(axis=1).sum())


def uplink_of_few():
    return simulate(Scenario(BOOK, 4, n_active=12, snr_db=15), 300, seed=3)


@pytest.mark.parametrize("backend", ["numpy", "kernel"])
def test_devices_near_the_threshold_do_not_vouch_for_each_other(backend):
    assert differing(uplink_of_few(), backend) <= 1


@pytest.mark.parametrize("backend", ["numpy", "kernel"])  # which is told the rule
def test_without_a_second_test_they_would(backend, monkeypatch):
    monkeypatch.setattr(doubt, "RULE", doubt.RULE._replace(leave=-np.inf))
    assert differing(uplink_of_few(), backend) >= 4


def test_who_has_to_come_back():
    """Those near the level that the others' powers make no likely devices."""
    energy, share = np.array([300.0, 250.0, 14.0, 14.0, 40.0]), np.ones(5)
    lead = np.array([50.0, 40.0, 0.1, 0.7, 0.1])
    members = Members(energy, share, np.array([70.0, 60.0, 2.5, 2.5, 9.0]))
    assert list(are_weak(members, lead, 4, 200, doubt.RULE)) == [False, False, True, False, False]
    assert not are_weak(members, lead, 1, 200, doubt.RULE).any()
