# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of reports and truth: the score is that of all frames in memory, the memory that of a few."""

import tracemalloc

import numpy as np
import pytest
from reports import make_report, make_taps

from gr_jadce.evaluation import report_score
from gr_jadce.evaluation.frame_lines import read_frame
from gr_jadce.evaluation.report_score import ReportScore
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.scoring import Score

N = 40


def frames(count, seed=1):
    """Truth, and reports with misses and false alarms, of as many frames."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        active = rng.random(N) < 0.1
        for estimator, flips in (("truth", 0.0), ("pc_admm", 0.05)):
            device = np.flatnonzero(active ^ (rng.random(N) < flips))
            channel = rng.standard_normal((len(device), 2)) + 1j
            yield make_report(
                frame_id=k, n_devices=N, n_antennas=2, device=device, channel=channel,
                score=np.ones(len(device)), estimator=estimator, **responses_of(device, k),
            )  # fmt: skip


def responses_of(device, k):
    """Delays in half of the frames, and taps in some of these."""
    delay = {"delay": device / 7} if k % 2 else {}
    return delay | ({"taps": make_taps([k % 4] * len(device), n_antennas=2, seed=k)} if k % 5 == 1 else {})


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of fewer frames than windows have in tests."""
    monkeypatch.setattr(report_score, "_BLOCK_FRAMES", 256)
    monkeypatch.setattr(report_score, "_BLOCK_BYTES", 2**18)


@pytest.fixture
def scored(tmp_path):
    """Write truths and reports, and score the files."""

    def score(truths, reports):
        for name, lines in (("truth", truths), ("out", reports)):
            text = "".join(line if isinstance(line, str) else to_json(line) + "\n" for line in lines)
            (tmp_path / name).write_text(text)
        return ReportScore(tmp_path / "truth", tmp_path / "out").run()

    return score


def expected(truths, reports):
    """The figures of the frames that are in both."""
    score, by_frame = Score(), {truth.frame_id: truth for truth in truths}
    for report in reports:
        if report.frame_id in by_frame:
            score.add(by_frame.pop(report.frame_id), report)
    return score.summary()


def figures(summary):
    return {name: pytest.approx(value, rel=1e-9, nan_ok=True) for name, value in summary.items()}


def test_figures_are_those_of_all_frames_together(scored):
    everything = list(frames(700))
    truths, reports = everything[::2], [r for r in everything[1::2] if r.frame_id % 7]
    summary = scored(truths, reports)
    wanted = expected(truths, reports)
    assert {name: summary[name] for name in wanted} == figures(wanted)
    assert (summary["matched"], summary["unanswered"], summary["unmatched_reports"]) == (600, 100, 0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("limits", [(512, 2**19), (3, 2**19), (512, 500), (1, 1)])
def test_lines_have_their_numbers_whatever_ends_them_and_wherever_a_block_does(
    tmp_path, monkeypatch, end, limits
):
    monkeypatch.setattr(report_score, "_BLOCK_FRAMES", limits[0])
    monkeypatch.setattr(report_score, "_BLOCK_BYTES", limits[1])
    everything = [to_json(report) for report in frames(20)]
    truths, reports = everything[::2], everything[1::2]
    reports[12:12] = ["", "{", "é"]
    (tmp_path / "truth").write_bytes(end.join(truths).encode() + end.encode())
    (tmp_path / "out").write_bytes(end.join(reports).encode()[:-1])
    score = ReportScore(tmp_path / "truth", tmp_path / "out")
    summary = score.run()
    assert (summary["matched"], summary["unanswered"], score.reports.skipped) == (19, 1, 4)
    assert ", line 13: left out, " in score.reports.reason
    assert (score.truths.skipped, score.truths.reason) == (0, "")


def test_frames_out_of_order_within_the_window_are_matched(scored):
    everything = list(frames(2000))
    truths, reports = everything[::2], everything[1::2]
    order = np.argsort(np.arange(2000) + np.random.default_rng(1).uniform(0, 1500, 2000))
    summary = scored(truths, [reports[k] for k in order])
    assert (summary["matched"], summary["unanswered"], summary["unmatched_reports"]) == (2000, 0, 0)


def test_a_few_absurd_frame_numbers_do_no_harm(scored, small_blocks, monkeypatch):
    monkeypatch.setattr(report_score, "_WINDOW_FRAMES", 600)
    everything = list(frames(2000))
    truths, reports = everything[::2], everything[1::2]
    first, second = (
        make_report(frame_id=k, n_devices=N, n_antennas=2, n_active=0) for k in (2**64 - 1, 2**63)
    )
    truths = [first, *truths[:900], second, *truths[900:]]
    summary = scored(truths, [second, *reports[:500], first, *reports[500:]])
    assert summary["matched"] == 2002


def test_long_gaps_on_either_side_are_passed(scored, small_blocks, monkeypatch):
    monkeypatch.setattr(report_score, "_WINDOW_FRAMES", 600)
    everything = list(frames(4000))
    truths, reports = everything[::2], everything[1::2]
    summary = scored(truths[:1000] + truths[2000:], reports[:500] + reports[2500:])
    assert (summary["matched"], summary["unanswered"]) == (2000, 1000)
    summary = scored(truths[3000:], reports)
    assert (summary["matched"], summary["unmatched_reports"]) == (1000, 3000)


def test_a_frame_reported_twice_counts_once(scored):
    truth, report = frames(1)
    summary = scored([truth], [report, report])
    assert (summary["matched"], summary["unmatched_reports"]) == (1, 1)


def test_memory_does_not_grow_with_the_files(scored, tmp_path, small_blocks, monkeypatch):
    monkeypatch.setattr(report_score, "_WINDOW_FRAMES", 300)
    peaks = []
    for count in (1000, 4000):
        everything = list(frames(count))
        scored(everything[::2], [report for report in everything[1::2] if report.frame_id % 2])
        del everything
        scoring = ReportScore(tmp_path / "truth", tmp_path / "out")
        tracemalloc.start()
        scoring.run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_channels_that_are_not_finite_are_skipped_and_counted(scored):
    truth, report = frames(1)
    head, _, tail = to_json(report).partition("[[[")
    summary = scored([truth], [f"{head}[[[null{tail[tail.index(',') :]}\n"])
    assert (summary["matched"], summary["report_lines_skipped"]) == (0, 1)


@pytest.mark.parametrize("change", ["device", "channel", "n_antennas", "n_devices", "schema", "frame_id"])
@pytest.mark.parametrize(
    "value", ["-1", "true", "null", '"x"', "[]", "[1.5]", "[[[1, 2, 3]]]", "1e999", str(2**70)]
)
def test_a_line_that_is_no_report_is_refused_as_everywhere(change, value):
    line = to_json(make_report())
    start = line.index(f'"{change}": ') + len(change) + 4
    end = min(k for k in (line.find(', "', start), len(line) - 1) if k > 0)
    with pytest.raises(ValueError, match=f"{change}|channel"):
        read_frame(line[:start] + value + line[end:])
