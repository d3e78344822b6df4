# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of heavy load beside published results, with few frames."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gr_jadce

FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "figures"
sys.path.insert(0, str(FIGURES))
import heavy  # noqa: E402


def test_the_table_has_the_settings_and_what_was_published(tmp_path):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    ended = subprocess.run(
        [sys.executable, FIGURES / "heavy.py", "--quick", "--output", tmp_path],
        env=os.environ | {"PYTHONPATH": package},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    result, text = json.loads((tmp_path / "heavy.json").read_text()), (tmp_path / "heavy.md").read_text()
    assert [entry["noise_var"] for entry in result["full_load"]] == ["told", "unknown"]
    assert [entry["snr_db"] for entry in result["qpsk"]] == 2 * [12, 16, 20]
    assert result["qpsk"][2]["f1_0.001"] > 0.9 and result["full_load"][0]["nmse_db"] < -5
    assert "(-16.3)" in text and "1,028" in text
    assert [entry["noise_var"] for entry in result["sampled"]] == ["told", "unknown"]
    assert "N/L = 8, K/L = 0.4, M = 4 | told" in text


def test_a_cell_that_sampling_makes_worse_is_named(capsys):
    cell = {"cell": "K/L = 0.9", "noise_var": "told", "snr_db": 20, "default": -3.0}
    assert heavy.report_worse([cell | {"sampled": -2.9}]) == 0
    assert not capsys.readouterr().err
    assert heavy.report_worse([cell | {"sampled": -2.9}, cell | {"sampled": -2.5}]) == 1
    assert (
        capsys.readouterr().err == "K/L = 0.9, σ² told, 20 dB: sampling is 0.50 dB worse than the default\n"
    )


def test_the_equal_error_rate_is_where_misses_and_false_alarms_are_equal():
    score, activity = np.array([[5.0, 4, 3, 2, 1, 0]]), np.array([[1, 1, 0, 1, 0, 0]], bool)
    assert heavy.equal_error_rate(score, activity) == pytest.approx(1 / 3)
