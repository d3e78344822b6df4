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
    assert result["qpsk"][2]["f1"] > 0.9 and result["full_load"][0]["nmse_db"] < -5
    assert "(-16.3)" in text and "1,028" in text


def test_the_equal_error_rate_is_where_misses_and_false_alarms_are_equal():
    score, activity = np.array([[5.0, 4, 3, 2, 1, 0]]), np.array([[1, 1, 0, 1, 0, 0]], bool)
    assert heavy.equal_error_rate(score, activity) == pytest.approx(1 / 3)
