# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tuning on a recording: its frames are those of the truth, and jadce-train learns from them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_app import PACKAGE_PATH, train

torch = pytest.importorskip("torch", reason="training needs torch: make torch")

from gr_jadce import make_pilots  # noqa: E402
from gr_jadce.programs.settings import TransmissionSettings  # noqa: E402
from gr_jadce.programs.transmit import Transmission  # noqa: E402
from gr_jadce.solvers.group_lasso import apply  # noqa: E402
from gr_jadce.unrolled import load_weights  # noqa: E402
from gr_jadce.unrolled.recorded import Recorded  # noqa: E402
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS  # noqa: E402
from gr_jadce.waveform import Waveform  # noqa: E402

SIMULATE = Path(__file__).resolve().parents[2] / "apps" / "jadce-simulate"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A folder with book.npz, x.sigmf-meta and x.truth.jsonl: 60 slots at 20 dB."""
    folder = tmp_path_factory.mktemp("recording")
    make_pilots("gaussian", 30, 15, 1).save(folder / "book.npz")
    cell = ["--pilots", "book.npz", "--antennas", 2, "--activity-rate", 0.1, "--snr-db", 20]
    options = [*cell, "--slots", 60, "--slot-period", 20, "--seed", 3, "-o", "x"]
    command, environment = [sys.executable, SIMULATE], os.environ | {"PYTHONPATH": PACKAGE_PATH}
    command += map(str, options)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return folder


def test_batches_hold_the_recorded_frames(recording):
    pilots = make_pilots("gaussian", 30, 15, 1)
    source = Recorded(pilots, recording / "x.sigmf-meta", recording / "x.truth.jsonl")
    assert (source.n_frames, source.n_antennas) == (60, 2)
    batch = source.draw(source.case(None), 1)
    noise = batch.frames.Y - apply(batch.book.B, batch.channel)
    energies = [float((part.abs() ** 2 * batch.scale[:, None]).sum()) for part in (batch.frames.Y, noise)]
    assert 10 * np.log10(energies[0] / energies[1]) == pytest.approx(20, abs=1)
    known = batch.frames.known > 0
    assert 0 < int(known.sum()) < len(known)
    found = (noise.abs() ** 2).mean((0, 2))[known] / batch.frames.noise_var[known]
    assert float(found.mean()) == pytest.approx(1, abs=0.15)
    assert float(((batch.channel.abs() ** 2).sum((0, 2)) * batch.scale).mean()) == pytest.approx(1, abs=0.3)


def test_batches_go_from_the_noisiest_frame_to_the_clearest(recording, tmp_path):
    truth = [json.loads(line) for line in (recording / "x.truth.jsonl").read_text().splitlines()]
    samples = np.fromfile(recording / "x.sigmf-data", np.complex64).reshape(60, 20, 2)
    for k, entry in enumerate(truth):  # half of the frames 20 dB weaker, half of these without σ²
        if k % 2:
            samples[k] *= 0.1
            entry["noise_var"] = entry["noise_var"] / 100 if k % 4 == 1 else None
            entry["channel"] = (0.1 * np.array(entry["channel"])).tolist()
    samples.tofile(tmp_path / "x.sigmf-data")
    shutil.copy(recording / "x.sigmf-meta", tmp_path)
    (tmp_path / "truth").write_text("".join(json.dumps(entry) + "\n" for entry in truth))
    source = Recorded(make_pilots("gaussian", 30, 15, 1), tmp_path / "x.sigmf-meta", tmp_path / "truth")
    batch = source.draw(source.case(None), 1)
    noise = batch.frames.Y - apply(batch.book.B, batch.channel)
    snr = (batch.channel.abs() ** 2).sum((0, 2)) / (noise.abs() ** 2).mean((0, 2))
    assert (snr[1:] >= 0.999 * snr[:-1]).all()


def test_frames_that_are_not_finite_are_left_out(recording, tmp_path):
    samples = np.fromfile(recording / "x.sigmf-data", np.complex64).reshape(60, 20, 2)
    samples[7, 3, 1] = np.nan
    samples.tofile(tmp_path / "x.sigmf-data")
    shutil.copy(recording / "x.sigmf-meta", tmp_path)
    files = tmp_path / "x.sigmf-meta", recording / "x.truth.jsonl"
    assert Recorded(make_pilots("gaussian", 30, 15, 1), *files).n_frames == 59


def test_a_broken_truth_is_named_with_its_line(recording, tmp_path):
    first = (recording / "x.truth.jsonl").read_text().splitlines()[0]
    (tmp_path / "truth").write_text(first + "\n{}\n")
    with pytest.raises(ValueError, match="truth, line 2: schema"):
        Recorded(make_pilots("gaussian", 30, 15, 1), recording / "x.sigmf-meta", tmp_path / "truth")


def test_truth_of_other_sizes_is_refused(recording):
    with pytest.raises(ValueError, match="truth: expected 31 devices"):
        Recorded(make_pilots("gaussian", 31, 15, 1), recording / "x.sigmf-meta", recording / "x.truth.jsonl")


def test_jadce_train_learns_from_a_recording(recording):
    files = ["--pilots", "book.npz", "--recording", "x.sigmf-meta", "--truth", "x.truth.jsonl"]
    options = ["--from", DEFAULT_WEIGHTS, "--steps", 3, "--learning-rate", 1e-3]
    process = train(recording, *options, *files, "-o", "own.npz")
    assert process.returncode == 0, process.stderr
    own = load_weights(recording / "own.npz")
    assert own.meta["scenario"]["recorded_frames"] == 60
    assert not np.array_equal(own.arrays["beta"], load_weights(DEFAULT_WEIGHTS).arrays["beta"])


def test_a_recording_without_its_truth_is_refused(recording):
    process = train(recording, "--recording", "x.sigmf-meta", "-o", "own.npz")
    assert process.returncode == 2
    assert "--truth" in process.stderr


def test_jadce_train_learns_from_ones_own_transmitter(tmp_path):
    book = make_pilots("gaussian", 30, 15, 1)
    book.save(tmp_path / "book.npz")
    files = {"recording": tmp_path / "sent", "truth": tmp_path / "sent.jsonl"}
    settings = TransmissionSettings(
        range(30), 300, n_slots=40, backoff_db=20.0, waveform=Waveform(4), **files
    )
    Transmission(book, settings).run()
    names = ["--pilots", "book.npz", "--recording", "sent.sigmf-meta", "--truth", "sent.jsonl"]
    options = ["--from", "default", "--steps", 2, "--learning-rate", 1e-3, "--samples-per-symbol", 4]
    process = train(tmp_path, *options, *names, "-o", "own.npz")
    assert process.returncode == 0, process.stderr
    own = load_weights(tmp_path / "own.npz")
    assert own.meta["scenario"]["recorded_frames"] == 40
    assert own.meta["provenance"]["from"]["file"] == "default.npz"
