# SPDX-License-Identifier: GPL-3.0-or-later
"""NumPy files of samples."""

import numpy as np
import pytest
from recording_files import some_samples, write_recording

from gr_jadce.recordings.forms.arrays import read_npy, write_npy
from gr_jadce.recordings.forms.opening import open_untimed
from gr_jadce.recordings.reader import read_recording

SAMPLES = some_samples(100, 4)


def test_what_is_written_is_read(tmp_path):
    write_recording(tmp_path / "x", SAMPLES)
    write_npy(tmp_path / "x.npy", read_recording(tmp_path / "x"))
    recording = read_npy(tmp_path / "x.npy", sample_rate=1e6)
    np.testing.assert_array_equal(recording.read(), SAMPLES)
    np.testing.assert_array_equal(recording.read(10, 20), SAMPLES[10:20])
    assert recording.segments[0][:3] == (0, 100, (0, 0.0))
    assert (recording.n_antennas, recording.sample_rate) == (4, 1e6)


def test_one_axis_is_one_antenna(tmp_path):
    np.save(tmp_path / "x.npy", SAMPLES[:, 0])
    recording = open_untimed(tmp_path / "x.npy", "npy", n_antennas=1, sample_rate=1e6)
    np.testing.assert_array_equal(recording.read(), SAMPLES[:, :1])


@pytest.mark.parametrize(
    "array", [SAMPLES.real, SAMPLES.astype(complex), SAMPLES[None], np.asfortranarray(SAMPLES), SAMPLES[0, 0]]
)
def test_other_arrays(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=r"expected complex64 of shape \(n, M\) or \(n,\) in C order, got "):
        read_npy(tmp_path / "x.npy", sample_rate=1e6)


def test_a_set_of_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", SAMPLES)
    with pytest.raises(ValueError, match="expected an array, as numpy.save writes it, got a set of them"):
        read_npy(tmp_path / "x.npz", sample_rate=1e6)


def test_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot use this NumPy file"):
        read_npy(tmp_path / "x.npy", sample_rate=1e6)


@pytest.mark.parametrize("kept", [0, 5, 40, 130, -1])
def test_a_file_that_was_cut_short(tmp_path, kept):
    np.save(tmp_path / "x.npy", SAMPLES)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:kept])
    with pytest.raises(ValueError, match="cannot use this NumPy file"):
        read_npy(tmp_path / "x.npy", sample_rate=1e6)
