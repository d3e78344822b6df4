# SPDX-License-Identifier: GPL-3.0-or-later
"""What settles a frame before all layers, after all, and as a quiet one."""

import numpy as np
import pytest

from gr_jadce.detection import doubt
from gr_jadce.detection.rows import Rows
from gr_jadce.detection.settling.rule import OPEN, SETTLED, SURE, SettlingRule, are_quiet, may_hide, stages_of
from gr_jadce.pilots import make_pilots

BOOK = make_pilots("gaussian", n_devices=100, pilot_length=48, seed=3)
GOOD = {
    "margin": 1.0, "missed": 0.0, "noise_dof": 40.0, "evidence": 5.0, "noise_cov": 1.0, "statistics": 0.0,
    "unlike": 0.5, "spread": 1.0, "elsewhere": False, "decided": 5, "expected": 6.9,
}  # fmt: skip


def decided_rows(changed):
    """The rows of a frame that is settled, but for this."""
    frame = GOOD | changed
    return Rows(
        np.array([0, frame["decided"]]), np.empty(0, np.uint32), np.empty((0, 4)), np.empty(0), 3.0,
        np.ones(1), np.zeros(1),
        noise_cov=frame["noise_cov"] * np.eye(4)[None], noise_dof=np.array([frame["noise_dof"]]),
        evidence=np.array([frame["evidence"]]), noise_statistics=np.full((1, 2), frame["statistics"]),
        doubts=[doubt.Doubt(frame["margin"], frame["missed"], np.empty(0), frame["unlike"], frame["spread"],
                      lambda: frame["elsewhere"])],
    )  # fmt: skip


def stage_of(changed, rule, proposed):
    frame = GOOD | changed
    expected = np.array([frame["expected"]])
    (stage,) = stages_of(decided_rows(changed), rule, np.ones(1), np.array([proposed]), expected)
    return stage


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"margin": 0.01}, SETTLED),
        ({"missed": 0.4}, SETTLED),
        ({"unlike": 5.0, "spread": 3.0, "elsewhere": True, "expected": 60.0}, SETTLED),
        ({"missed": 0.6}, OPEN),
        ({"missed": 0.6, "decided": 16}, SETTLED),
        ({"missed": 0.6, "decided": 14}, OPEN),
        ({"noise_dof": 20.0}, OPEN),
        ({"decided": 40}, OPEN),
        ({"evidence": -1.0}, OPEN),
        ({"margin": 0.01, "statistics": 100.0}, SURE),
    ],
)
def test_what_settles_a_frame_after_all_layers(changed, expected):
    rule = SettlingRule.of(BOOK, 4, 1e-3, "auto").late
    assert stage_of(changed, rule, 5) == expected


@pytest.mark.parametrize(
    ("changed", "proposed", "expected"),
    [
        ({}, 5, SETTLED),
        ({"margin": 0.02}, 5, SETTLED),
        ({"margin": 0.005}, 5, OPEN),
        ({"missed": 0.4}, 5, OPEN),
        ({"unlike": 1.5}, 5, OPEN),
        ({"unlike": 0.8, "spread": 1.5}, 5, OPEN),
        ({"missed": 0.15, "spread": 1.2}, 5, SETTLED),
        ({"missed": 0.15, "spread": 1.4}, 5, OPEN),
        ({"elsewhere": True}, 5, OPEN),
        ({"noise_dof": 31.0}, 5, OPEN),
        ({"noise_dof": 20.0}, 5, OPEN),
        ({"evidence": -1.0}, 5, OPEN),
        ({"statistics": 100.0}, 5, SURE),
        ({"noise_cov": 3.0}, 5, OPEN),
        ({}, 40, OPEN),
        ({"decided": 40}, 5, OPEN),
        ({"expected": 7.1}, 5, OPEN),
    ],
)
def test_what_settles_a_frame(changed, proposed, expected):
    rule = SettlingRule.of(BOOK, 4, 1e-3, "auto")
    assert stage_of(changed, rule, proposed) == expected


@pytest.mark.parametrize(
    ("changed", "scatter", "expected"),
    [
        ({"decided": 0}, 1.25, True),
        ({"decided": 0}, 1.35, False),
        ({"decided": 1}, 1.15, False),
        ({"decided": 1, "evidence": -1.0, "missed": 0.9, "unlike": 2.0}, 1.05, True),
        ({"decided": 2}, 0.5, False),
        ({"decided": 0, "margin": 0.005}, 1.0, False),
        ({"decided": 0, "statistics": 100.0}, 1.0, False),
        ({"decided": 0, "noise_cov": 3.0}, 1.0, False),
        ({"decided": 1, "elsewhere": True}, 1.0, False),
    ],
)
def test_what_is_a_quiet_frame(changed, scatter, expected):
    rule = SettlingRule.of(BOOK, 4, 1e-3, "auto")._replace(scatter=(1.3, 1.1))
    [found] = are_quiet(decided_rows(changed), rule, np.ones(1), np.array([scatter]))
    assert found == expected


@pytest.mark.parametrize(("n_antennas", "expected"), [(2, -np.inf), (3, 1.0), (8, 1.2)])
def test_few_samples_tell_less_of_how_energies_scatter(n_antennas, expected):
    assert SettlingRule.of(BOOK, n_antennas, 1e-3, "auto").scatter[1] == expected


@pytest.mark.parametrize(
    ("evidence", "scatter", "expected"), [(0.0, 1.3, False), (4.0, 1.5, True), (6.0, 5.0, False)]
)
def test_where_hardly_anybody_is_found_energies_scatter_as_those_of_noise(evidence, scatter, expected):
    rule = SettlingRule.of(BOOK, 4, 1e-3, "auto")
    assert may_hide(decided_rows({"evidence": evidence}), rule, np.array([scatter])) == [expected]


def test_short_pilots_have_to_leave_less_doubt_after_all_layers():
    short = make_pilots("gaussian", n_devices=100, pilot_length=24, seed=3)
    few, enough = (SettlingRule.of(book, 4, 1e-3, "auto").late for book in (short, BOOK))
    changed = {"missed": 0.4, "noise_dof": 23.0}
    assert stage_of(changed, few, 5) == OPEN
    assert stage_of(changed, few._replace(missed=enough.missed), 5) == SETTLED
