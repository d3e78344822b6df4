# SPDX-License-Identifier: GPL-3.0-or-later
"""The two PDUs of a frame joined into its report, and counted where one of them is lost."""

from dataclasses import replace

import numpy as np
import pytest
from reports import assert_same, from_pmts, make_report

from gr_jadce.reports.pairing import Joiner
from gr_jadce.reports.pdus import to_pmts

pmt = pytest.importorskip("pmt")


def test_parts_that_do_not_agree_are_refused():
    report = make_report()
    activity, channel = to_pmts(report)
    with pytest.raises(ValueError, match=r"^frame_id: "):
        from_pmts(activity, to_pmts(replace(report, frame_id=1))[1])
    with pytest.raises(ValueError, match=r"^device: "):
        from_pmts(activity, to_pmts(replace(report, device=np.arange(5)))[1])
    short = pmt.cons(pmt.car(channel), pmt.init_c32vector(2, [1.0, 2.0]))
    with pytest.raises(ValueError, match=r"^channel: expected 5 devices × 3 antennas, got 2 values"):
        from_pmts(activity, short)
    more_scores = pmt.dict_add(pmt.car(activity), pmt.intern("score"), pmt.init_f32vector(6, [1.0] * 6))
    with pytest.raises(ValueError, match=r"^score: "):
        from_pmts(pmt.cons(more_scores, pmt.cdr(activity)), channel)


def test_joiner_joins_truth_and_estimate_however_they_mix():
    truth = [make_report(frame_id=k, seed=k, estimator="truth") for k in range(6)]
    found = [make_report(frame_id=k, seed=10 + k) for k in range(6)]
    joiner, joined = Joiner(), []
    order = [(truth[0], 0), (truth[0], 1), (truth[1], 0), (found[0], 0), (truth[1], 1), (found[0], 1)]
    for report, part in order:
        joined.append(joiner.add(to_pmts(report)[part]))
    assert [joined.index(r) for r in joined if r is not None] == [1, 4, 5]
    for report, expected in zip(
        [joined[1], joined[4], joined[5]], [truth[0], truth[1], found[0]], strict=True
    ):
        assert_same(report, expected)
    assert joiner.unjoined == 0


def test_joiner_gives_up_and_counts_parts_whose_counterpart_is_lost():
    parts = [to_pmts(make_report(frame_id=k)) for k in range(10)]
    joiner = Joiner(limit=4)
    assert joiner.add(parts[0][1]) is None
    assert joiner.unjoined == 1
    for activity, _ in parts:
        joiner.add(activity)
    assert joiner.unjoined == 1 + 6
    assert joiner.add(parts[5][1]) is None
    assert joiner.add(parts[6][1]).frame_id == 6
