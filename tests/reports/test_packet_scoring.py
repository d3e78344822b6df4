# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of packets: what came through of what was sent."""

from dataclasses import replace

import pytest
from reports import make_report

from gr_jadce.reports.scoring import Frames, Score


def talking(device, payload, **changes):
    return make_report(len(device), device=device, payload=payload, **changes)


def test_packets_are_scored_where_both_tell_them():
    score = Score()
    truth = talking([1, 3, 5, 7], (b"a", b"b", b"c", b"d"), estimator="truth")
    score.add(truth, talking([1, 2, 3, 5], (b"a", b"z", b"", b"x")))
    score.add(truth, make_report(2, device=[1, 3]))
    figures = score.summary()
    assert (figures["packets_sent"], figures["packets_delivered"], figures["packets_wrong"]) == (4, 1, 2)
    assert figures["packet_error_rate"] == pytest.approx(2 / 3)
    assert figures["pupe"] == pytest.approx(3 / 4)


def test_packets_that_nobody_sent_are_wrong():
    score = Score()
    score.add(talking([], (), estimator="truth"), talking([4], (b"z",)))
    assert score.summary()["packets_wrong"] == 1


def test_reports_without_packets_have_no_figures_of_them():
    score = Score()
    score.add(make_report(estimator="truth"), make_report())
    assert "pupe" not in score.summary()


def test_the_packets_of_many_frames_score_as_one_by_one():
    truths = [talking([1, 4], (bytes([k]), b"b"), frame_id=k) for k in range(4)]
    reports = [talking([1, 4][:k], (bytes([k]), b"c")[:k], frame_id=k) for k in (0, 1, 2, 1)]
    reports = [replace(report, frame_id=k) for k, report in enumerate(reports)]
    alone, together = Score(), Score()
    for truth, report in zip(truths, reports, strict=True):
        alone.add(truth, report)
    together.add_frames(Frames.of(truths), Frames.of(reports))
    figures = together.summary()
    assert set(alone.summary()) == set(figures)
    for name, value in alone.summary().items():  # newer pytest compares no tuples in dictionaries
        assert value == pytest.approx(figures[name], nan_ok=True), name
