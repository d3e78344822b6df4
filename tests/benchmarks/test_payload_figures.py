# SPDX-License-Identifier: GPL-3.0-or-later
"""`make payload`, with a few slots."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gr_jadce

FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "figures"
sys.path.insert(0, str(FIGURES))
import payload  # noqa: E402


def test_the_table_has_the_receiver_between_genie_and_pilots_only(tmp_path):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    options = ["--slots", "12", "--active", "4", "--snr-db", "0", "12", "--output", tmp_path]
    run = subprocess.run(
        [sys.executable, FIGURES / "payload.py", *options],
        env=os.environ | {"PYTHONPATH": package}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    low, high = json.loads((tmp_path / "payload.json").read_text())["rows"]
    assert low["genie_per"] <= low["receiver_per"] <= low["pilots_only_per"]
    assert high["receiver_per"] <= high["genie_per"] + 0.03
    assert high["nmse_after_db"] < high["nmse_before_db"] - 1
    assert low["receiver_wrong"] == high["receiver_wrong"] == 0
    assert (
        "Wrong packets that passed the check sum of the receiver: 0 of 96 sent."
        in (tmp_path / "payload.md").read_text()
    )


def test_the_snr_at_an_error_rate_is_between_the_points_around_it():
    rows = [
        {"snr_db": 2, "per": 0.1, "sent": 1000},
        {"snr_db": 4, "per": 0.001, "sent": 1000},
        {"snr_db": 6, "per": 0.0, "sent": 1000},
    ]
    assert abs(payload.snr_at(rows, "per") - 3) < 1e-9
    assert payload.snr_at(rows[1:], "per") is None
