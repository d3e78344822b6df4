# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-train, run as its users run it."""

import numpy as np
import pytest
from training_app import train

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.unrolled import load_weights, unrolled
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS


def test_weights_are_written_and_run_and_a_run_resumes(tmp_path):
    pytest.importorskip("torch", reason="training needs torch: make torch")
    make_pilots("gaussian", 30, 15, 1).save(tmp_path / "book.npz")
    options = ["--layers", 2, "--steps", 3, "--pilots", "book.npz", "--antennas", 2, "--checkpoint", "run.pt"]
    first = train(tmp_path, *options, "-o", "w.npz")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("w.npz: validation NMSE -")
    weights = load_weights(tmp_path / "w.npz")
    assert weights.n_layers == 2
    assert weights.meta["provenance"]["steps"] == 3
    assert weights.meta["scenario"]["pilots"] == {"kind": "gaussian", "n_devices": 30, "pilot_length": 15}
    assert weights.meta["scenario"]["n_antennas"] == [2]
    again = train(tmp_path, *options, "-o", "again.npz")  # from the checkpoint: nothing left to do
    assert again.returncode == 0, again.stderr
    resumed = load_weights(tmp_path / "again.npz")
    assert all(np.array_equal(weights.arrays[name], resumed.arrays[name]) for name in weights.arrays)
    scenario = Scenario(make_pilots("qpsk", 20, 10, 2), snr_db=20)
    received = simulate(scenario, 3).received
    assert unrolled(scenario.pilots, tmp_path / "w.npz")(received).channel.shape == (3, 20, 1)


def test_fine_tuning_starts_from_the_weights_given(tmp_path):
    pytest.importorskip("torch", reason="training needs torch: make torch")
    make_pilots("gaussian", 30, 15, 1).save(tmp_path / "book.npz")
    shipped = load_weights(DEFAULT_WEIGHTS)
    options = ["--steps", 1, "--pilots", "book.npz", "--antennas", 1, "--learning-rate", 1e-6]
    process = train(tmp_path, "--from", DEFAULT_WEIGHTS, *options, "-o", "own.npz")
    assert process.returncode == 0, process.stderr
    own = load_weights(tmp_path / "own.npz")
    origin = own.meta["provenance"]["from"]
    assert origin == {"file": "default.npz", **shipped.meta["provenance"]}
    for name, array in shipped.arrays.items():
        np.testing.assert_allclose(own.arrays[name], array, atol=1e-5)


@pytest.mark.parametrize("option", ["--output", "--checkpoint"])
def test_a_missing_directory_is_named_before_the_training(tmp_path, option):
    process = train(tmp_path, "-o", "own.npz", option, "absent/file")
    assert process.returncode == 2
    assert "absent/file: no such directory" in process.stderr


def test_without_torch_one_line_says_what_to_install(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    process = train(tmp_path, "-o", "w.npz", modules=[tmp_path])
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1
    assert "python3-torch" in process.stderr
    assert not (tmp_path / "w.npz").exists()
