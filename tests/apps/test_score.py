# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-score: figures that were computed by hand, and files that do not fit."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.report import Report


def report(frame_id, channel, n_devices=10, status="ok", n_antennas=1):
    """A report; `channel` maps devices to the value at every antenna."""
    device = sorted(channel)
    return Report(
        frame_id=frame_id, rx_time=(0, 0.0), n_devices=n_devices, n_antennas=n_antennas,
        device=device, channel=np.array([[channel[n]] * n_antennas for n in device]).reshape(-1, n_antennas),
        score=np.ones(len(device)),
        threshold=0.0, noise_var=0.1, snr_db=10.0, status=status, estimator="x", n_iter=0, solve_time=0.0,
    )  # fmt: skip


@pytest.fixture
def files(tmp_path):
    def write(truth, reports):
        for name, lines in (("truth.jsonl", truth), ("out.jsonl", reports)):
            (tmp_path / name).write_text("".join(to_json(line) + "\n" for line in lines))

    return write


# Frame 0: 2 is right, 5 missed, 7 a false alarm; frame 1: exact; frame 2: no report; frame 9: no truth.
TRUTH = [report(0, {2: 1.0, 5: 2.0}), report(1, {1: 3j}), report(2, {0: 1.0})]
REPORTS = [report(0, {2: 1.1, 7: 0.5}), report(1, {1: 3j}), report(9, {})]


def test_figures_and_counts(app, files):
    files(TRUTH, REPORTS)
    process = app("jadce-score", "truth.jsonl", "out.jsonl", "--json")
    score = json.loads(process.stdout)
    assert process.returncode == 0
    assert (score["matched"], score["unanswered"], score["unmatched_reports"]) == (2, 1, 1)
    assert score["miss_probability"] == pytest.approx(1 / 3)
    assert score["false_alarm_probability"] == pytest.approx(1 / 17)
    assert score["activity_error_rate"] == pytest.approx(2 / 20)
    assert score["nmse_db"] == pytest.approx(10 * np.log10((0.01 + 4 + 0.25) / (1 + 4 + 9)), abs=1e-5)
    low, high = score["miss_probability_interval"]
    assert low < 1 / 3 < high


def test_text_has_the_same_figures(app, files):
    files(TRUTH, REPORTS)
    text = app("jadce-score", "truth.jsonl", "out.jsonl").stdout
    assert "miss probability           0.3333" in text
    assert "frames without a report    1" in text
    assert "NMSE                       -5.167 dB" in text


def test_perfect_reports_are_valid_json(app, files):
    files(TRUTH, TRUTH)
    text = app("jadce-score", "truth.jsonl", "out.jsonl", "--json").stdout
    score = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert score["miss_probability"] == 0
    assert score["nmse_db"] is None  # no error at all: minus infinity


def test_bad_input_is_counted_apart(app, files):
    files(TRUTH, [report(0, {}, status="bad_input"), REPORTS[1]])
    score = json.loads(app("jadce-score", "truth.jsonl", "out.jsonl", "--json").stdout)
    assert (score["matched"], score["frames"], score["frames_bad"], score["miss_probability"]) == (2, 1, 1, 0)


def test_a_transmitters_truth_leaves_channels_out_and_says_so(app, files):
    files(TRUTH, [report(0, {2: 1.1, 7: 0.5}, n_antennas=4), report(1, {1: 3j}, n_antennas=4)])
    text = app("jadce-score", "truth.jsonl", "out.jsonl").stdout
    assert "channels left out          in 2 frames" in text
    assert "NMSE" not in text
    assert "miss probability           0.3333" in text
    assert json.loads(app("jadce-score", "truth.jsonl", "out.jsonl", "--json").stdout)["nmse_db"] is None


def test_nothing_in_common_is_an_error(app, fails, files):
    files(TRUTH, REPORTS[2:])
    fails(app("jadce-score", "truth.jsonl", "out.jsonl"), "frame_id")


def test_other_sizes_are_an_error(app, fails, files):
    files(TRUTH, [report(0, {2: 1.0}, n_devices=11)])
    fails(app("jadce-score", "truth.jsonl", "out.jsonl"), "n_devices", "10", "11")


@pytest.mark.parametrize("broken", [b"{", b"[]", b"\xff\xfe", b'{"frame_id": 1}', b"", b"[" * 9999])
@pytest.mark.parametrize("name", ["out.jsonl", "truth.jsonl"])
def test_lines_that_are_no_reports_are_skipped_counted_and_named(app, files, tmp_path, broken, name):
    files(TRUTH[:1], REPORTS[:1])
    with open(tmp_path / name, "ab") as file:
        file.write(b"\n".join([broken, broken, to_json(report(5, {})).encode(), b""]))
    process = app("jadce-score", "truth.jsonl", "out.jsonl", "--json")
    score = json.loads(process.stdout)
    assert (process.returncode, score["matched"]) == (0, 1)
    assert score["report_lines_skipped"] + score["truth_lines_skipped"] == 2
    assert score["unmatched_reports"] + score["unanswered"] == 1
    assert process.stderr.startswith(f"jadce-score: {name}, line 2: left out, ")
    assert process.stderr.endswith(" (and 1 more line)\n")


def test_a_line_that_a_full_disk_tore_is_skipped(app, files, tmp_path):
    files(TRUTH, [])
    lines = [to_json(line) + "\n" for line in REPORTS[:2]]
    (tmp_path / "out.jsonl").write_text(lines[0][:70] + lines[0] + lines[1])
    score = json.loads(app("jadce-score", "truth.jsonl", "out.jsonl", "--json").stdout)
    assert (score["matched"], score["report_lines_skipped"]) == (1, 1)


def test_a_file_without_any_report_is_an_error(app, fails, files, tmp_path):
    files(TRUTH, REPORTS)
    (tmp_path / "out.jsonl").write_bytes(bytes(range(256)) * 100)
    process = app("jadce-score", "truth.jsonl", "out.jsonl")
    fails(process, "frame_id")
    assert "out.jsonl, line 1: left out" in process.stderr


def test_names_in_broken_lines_do_not_reach_the_terminal(app, files, tmp_path):
    files(TRUTH, REPORTS)
    with open(tmp_path / "out.jsonl", "a") as file:
        file.write('"\\u001b[2J\\ud800"\n')
    process = app("jadce-score", "truth.jsonl", "out.jsonl")
    assert process.returncode == 0, process.stderr
    assert "\x1b" not in process.stderr and "\\x1b[2J\\ud800" in process.stderr


def test_a_last_line_that_was_cut_off_is_left_out_and_said_to(app, files, tmp_path):
    files(TRUTH, REPORTS[:1])
    with open(tmp_path / "out.jsonl", "ab") as file:
        file.write(to_json(REPORTS[1]).encode()[:50])
    process = app("jadce-score", "truth.jsonl", "out.jsonl", "--json")
    assert (process.returncode, json.loads(process.stdout)["matched"]) == (0, 1)
    assert "out.jsonl, line 2: left out, for it was cut off" in process.stderr


def test_a_truth_in_place_of_reports_is_an_error(app, fails, files):
    files([replace(line, estimator="truth") for line in TRUTH], REPORTS)
    fails(app("jadce-score", "out.jsonl", "truth.jsonl"), "truth.jsonl: expected reports, got a truth")


def test_a_missing_file_is_named(app, fails, files):
    files(TRUTH, REPORTS)
    fails(app("jadce-score", "truth.jsonl", "absent.jsonl"), "absent.jsonl", "No such file")


def test_it_needs_no_gnu_radio(app, environment, files, tmp_path):
    (tmp_path / "gnuradio.py").write_text("raise ImportError('not here')")
    (tmp_path / "pmt.py").write_text("raise ImportError('not here')")
    environment["PYTHONPATH"] = f"{tmp_path}:{environment['PYTHONPATH']}"
    files(TRUTH, REPORTS)
    assert app("jadce-score", "truth.jsonl", "out.jsonl").returncode == 0
