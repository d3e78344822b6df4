# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-export, and collections and raw files as sources of jadce-receive."""

import json

import numpy as np
import pytest

from gr_jadce.recordings.reader import read_recording


@pytest.fixture
def made(app, tmp_path):
    """A pilot book, a recording of two antennas with a collection beside it, and its reports."""
    app("jadce-pilots", "make", "--devices", 20, "--length", 16, "--seed", 1, "-o", "book.npz", check=True)
    app("jadce-simulate", "--pilots", "book.npz", "--antennas", 2, "--snr-db", 20, "--slots", 10,
        "--slot-period", 20, "-o", "up", "--collection", check=True)  # fmt: skip
    return receive(app, tmp_path, "--recording", "up.sigmf-meta")


def receive(app, folder, *source):
    app(
        "jadce-receive",
        "--pilots",
        "book.npz",
        "--slot-period",
        20,
        "--json",
        "out.jsonl",
        *source,
        check=True,
    )
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def without_times(reports):
    return [
        {name: report[name] for name in ("frame_id", "device", "channel", "noise_var")} for report in reports
    ]


def test_a_collection_gives_the_same_reports(app, made, tmp_path):
    again = receive(app, tmp_path, "--recording", "up.sigmf-collection")
    assert len(made) == 10
    assert without_times(again) == without_times(made)
    assert [report["rx_time"] for report in again] == [report["rx_time"] for report in made]


def test_a_raw_file_gives_the_same_reports(app, made, tmp_path):
    raw = ("--recording", "up.sigmf-data", "--raw", "cf32", "--antennas", 2, "--rate", 1e6)
    assert without_times(receive(app, tmp_path, *raw)) == without_times(made)


def test_a_numpy_file_gives_the_same_reports(app, made, tmp_path):
    app("jadce-export", "up.sigmf-meta", "-o", "up.npy")
    options = ("--recording", "up.npy", "--raw", "npy", "--antennas", 2, "--rate", 1e6)
    assert without_times(receive(app, tmp_path, *options)) == without_times(made)


def test_a_raw_file_needs_a_rate(app):
    process = app("jadce-receive", "--pilots", "x", "--recording", "x", "--raw", "cf32", "--slot-period", 20)
    assert process.returncode == 2
    assert "--raw needs --recording and --rate" in process.stderr


@pytest.mark.parametrize("name", ["out.csv", "out.mat"])
def test_tables(app, made, tmp_path, name):
    process = app("jadce-export", "out.jsonl", "-o", name)
    assert (process.returncode, process.stdout) == (0, f"{name}: 10 reports\n")
    assert (tmp_path / name).stat().st_size > 0


def test_a_table_of_taps(app, made, tmp_path):
    process = app("jadce-export", "out.jsonl", "-o", "taps.csv", "--taps")
    assert (process.returncode, process.stdout) == (0, "taps.csv: 10 reports\n")
    assert (tmp_path / "taps.csv").read_text() == "frame_id,device,delay,h1_re,h1_im,h2_re,h2_im\n"
    process = app("jadce-export", "out.jsonl", "-o", "taps.mat", "--taps")
    assert process.returncode == 1
    assert "--taps: expected with an output that ends in .csv" in process.stderr


def test_samples(app, made, tmp_path):
    process = app("jadce-export", "up.sigmf-collection", "-o", "up.npy")
    assert (process.returncode, process.stdout) == (0, "up.npy: 200 samples of 2 antennas\n")
    np.testing.assert_array_equal(np.load(tmp_path / "up.npy"), read_recording(tmp_path / "up").read())


def test_mistakes(app, made):
    process = app("jadce-export", "out.jsonl", "-o", "out.xls")
    assert process.returncode == 1
    assert (
        "--output: expected a name that ends in .csv, .mat, .npy, .sigmf-collection, got out.xls"
        in process.stderr
    )
    process = app("jadce-export", "up.sigmf-collection", "-o", "up.sigmf-collection")
    assert "expected another file" in process.stderr
