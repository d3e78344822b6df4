# SPDX-License-Identifier: GPL-3.0-or-later
"""`make delay-taps`, with one frame."""

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
import delay_taps  # noqa: E402


def test_the_table_has_our_figures_beside_those_published(tmp_path):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    options = ["--frames", "1", "--active", "15", "--output", tmp_path]
    run = subprocess.run(
        [sys.executable, FIGURES / "delay_taps.py", *options],
        env=os.environ | {"PYTHONPATH": package}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (entry,) = json.loads((tmp_path / "delay-taps.json").read_text())["rows"]
    assert entry["estimate_nmse_db"] < -16 and entry["decision_nmse_db"] < -16
    assert entry["activity_error"] <= 0.01
    assert "| *OAMP* | -17.1 |" in (tmp_path / "delay-taps.md").read_text()


def test_a_tap_is_the_pilot_seen_a_symbol_later():
    matrix = delay_taps.make_book().matrix
    assert np.array_equal(matrix[:-1, 4], matrix[1:, 5])
    assert np.mean(np.abs(matrix) ** 2) == pytest.approx(1 / delay_taps.LENGTH, rel=0.02)


def test_a_user_has_two_taps_and_the_block_the_snr_it_should():
    rng = np.random.default_rng(1)
    book = delay_taps.make_book()
    channel = delay_taps.draw_channel(rng, 12)
    taps = channel.any(axis=1).reshape(delay_taps.N_USERS, delay_taps.N_TAPS).sum(axis=1)
    assert sorted(taps)[-13:] == [0] + 12 * [2]
    signal = book.matrix @ channel
    noise = delay_taps.receive(rng, book, channel) - signal
    snr_db = 10 * np.log10(np.sum(np.abs(signal) ** 2) / np.sum(np.abs(noise) ** 2))
    assert snr_db == pytest.approx(delay_taps.SNR_DB, abs=0.01)
