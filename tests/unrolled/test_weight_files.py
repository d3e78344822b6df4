# SPDX-License-Identifier: GPL-3.0-or-later
"""Weight files: what is refused, and by which name."""

import json

import numpy as np
import pytest

from gr_jadce.unrolled import load_weights, save_weights
from gr_jadce.unrolled.layers import SHAPES
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS, FORMAT_VERSION


def zeros(n_layers=2):
    return {name: np.zeros((n_layers, *shape), np.float32) for name, shape in SHAPES.items()}


def meta(**changes):
    usual = {"format_version": FORMAT_VERSION, "n_layers": 2, "scenario": {}, "provenance": {}}
    return usual | changes


@pytest.fixture(scope="module")
def shipped():
    return load_weights(DEFAULT_WEIGHTS)


def test_weights_survive_a_file(tmp_path, shipped):
    save_weights(tmp_path / "w.npz", shipped)
    again = load_weights(tmp_path / "w.npz")
    assert again.meta == shipped.meta
    assert all(np.array_equal(again.arrays[name], shipped.arrays[name]) for name in SHAPES)


@pytest.mark.parametrize(
    ("arrays", "changes", "message"),
    [
        ({}, {"format_version": 99}, "format_version: expected 1, got 99"),
        ({}, {"n_layers": 3}, "of shape"),
        ({}, {"n_layers": True}, "'n_layers' of type int"),
        ({}, {"scenario": "S"}, "'scenario' of type dict"),
        ({"beta": np.zeros((2, 1), np.float32)}, {}, "beta: expected finite float32 of shape"),
        ({"beta": np.zeros(2)}, {}, "got .2,. of float64"),
        ({"beta": np.full(2, np.nan, np.float32)}, {}, "beta: expected finite"),
        ({"gamma": np.zeros(2, np.float32)}, {}, "missing or unknown: gamma"),
    ],
)
def test_a_wrong_weight_file_is_refused_by_name(tmp_path, arrays, changes, message):
    path = tmp_path / "w.npz"
    np.savez(path, meta=json.dumps(meta(**changes)), **(zeros() | arrays))
    with pytest.raises(ValueError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


def test_a_file_without_an_array_or_meta_is_refused(tmp_path):
    arrays = zeros()
    np.savez(tmp_path / "meta.npz", **arrays)
    del arrays["beta"]
    np.savez(tmp_path / "beta.npz", meta=json.dumps(meta()), **arrays)
    for name in ("meta", "beta"):
        with pytest.raises(ValueError, match=name):
            load_weights(tmp_path / f"{name}.npz")


def test_a_pickle_and_noise_are_refused(tmp_path):
    np.savez(tmp_path / "pickle.npz", meta=np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npz").write_text("no weights")
    (tmp_path / "half.npz").write_bytes(DEFAULT_WEIGHTS.read_bytes()[:3000])
    for name in ("pickle", "text", "half"):
        with pytest.raises(ValueError, match=f"{name}.npz: "):
            load_weights(tmp_path / f"{name}.npz")


def test_shipped_weights_say_where_they_come_from(shipped):
    assert shipped.meta["provenance"].keys() >= {"command", "seed", "steps", "commit", "torch"}
    assert shipped.meta["provenance"]["command"].startswith("jadce-train ")
