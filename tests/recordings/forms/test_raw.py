# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw files of interleaved samples."""

import numpy as np
import pytest
from recording_files import some_samples

from gr_jadce.recordings.forms.raw import read_raw

SAMPLES = some_samples(100, 4)


def test_floats(tmp_path):
    SAMPLES.tofile(tmp_path / "x.raw")
    recording = read_raw(tmp_path / "x.raw", "cf32", n_antennas=4, sample_rate=1e6)
    np.testing.assert_array_equal(recording.read(), SAMPLES)
    assert recording.segments[0][:3] == (0, 100, (0, 0.0))


def test_integers(tmp_path):
    parts = np.arange(-400, 400, dtype="<i2")
    parts.tofile(tmp_path / "x.raw")
    recording = read_raw(tmp_path / "x.raw", "ci16", n_antennas=2, sample_rate=1e6)
    np.testing.assert_allclose(recording.read().view(np.float32).reshape(-1), parts / 32768, atol=1e-7)


def test_nothing(tmp_path):
    (tmp_path / "x.raw").write_bytes(b"")
    assert read_raw(tmp_path / "x.raw", "cf32", n_antennas=2, sample_rate=1e6).segments == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_type": "cu8"}, "raw: expected one of cf32, ci16, got 'cu8'"),
        ({"n_antennas": 0}, "n_antennas: expected an integer of at least 1"),
        ({"sample_rate": 0}, "sample_rate: expected a number above 0"),
        ({"n_antennas": 3}, r"expected a multiple of 24 bytes \(one sample of 3 antennas\), got 3200"),
    ],
)
def test_mistakes(tmp_path, options, message):
    SAMPLES.tofile(tmp_path / "x.raw")
    with pytest.raises(ValueError, match=message):
        read_raw(tmp_path / "x.raw", **{"sample_type": "cf32", "n_antennas": 4, "sample_rate": 1e6} | options)
