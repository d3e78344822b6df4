# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings: exact round trips, and recordings that were cut short."""

import numpy as np
import pytest
from recording_files import RATE, edit_meta, some_samples, write_recording

from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.times import time_after
from gr_jadce.recordings.writer import RecordingWriter


@pytest.mark.parametrize("n_antennas", [1, 3])
def test_float_samples_come_back_exactly_in_any_blocks(name, n_antennas):
    samples = some_samples(1000, n_antennas)
    with RecordingWriter(name, n_antennas, RATE, frequency=915e6) as writer:
        for block in np.split(samples, [1, 10, 10, 700]):
            writer.write(block)
    recording = read_recording(name)
    np.testing.assert_array_equal(recording.read(), samples)
    np.testing.assert_array_equal(recording.read(9, 12), samples[9:12])
    assert (recording.n_samples, recording.n_antennas, recording.sample_rate) == (1000, n_antennas, RATE)
    assert recording.segments == ((0, 1000, (0, 0.0), 915e6),)
    assert recording.read().dtype == np.complex64


def test_data_are_interleaved_little_endian(name):
    samples = some_samples(5, 2)
    _, data_path = write_recording(name, samples)
    np.testing.assert_array_equal(np.fromfile(data_path, "<c8").reshape(5, 2), samples)


def test_int16_samples_come_back_within_half_a_step(name):
    samples = some_samples(1000, 2)
    _, data_path = write_recording(name, samples, datatype="ci16_le")
    assert data_path.stat().st_size == 1000 * 2 * 4
    error = read_recording(name).read() - samples
    assert max(np.abs(error.real).max(), np.abs(error.imag).max()) <= 0.5 / 32768


def test_time_after_is_exact_over_years():
    assert time_after((5, 0.5), 10**15 + 1, 1e6) == (5 + 10**9, 0.500001)
    assert time_after((0, 0.0), 3, 3.0) == (1, 0.0)
    assert time_after((1, 0.25), 7 * 10**12 // 2, 3.5e6) == (1_000_001, 0.25)


def test_an_empty_recording_can_be_read(name):
    with RecordingWriter(name, 2, RATE) as writer:
        writer.write(np.empty((0, 2), np.complex64), (9, 0.0))
    recording = read_recording(name)
    assert (recording.n_samples, recording.segments, recording.read().shape) == (0, (), (0, 2))


def test_a_recording_that_was_cut_short_can_be_read(name):
    writer = RecordingWriter(name, 1, RATE)
    writer.write(some_samples(10_000, 1), (3, 0.0))
    writer.write(some_samples(10, 1), (4, 0.0))
    recording = read_recording(name)
    assert [(s.stop, s.rx_time) for s in recording.segments] == [(10_000, (3, 0.0)), (10_010, (4, 0.0))]
    with open(recording_paths(name)[1], "r+b") as file:
        file.truncate(8 * 10_000)  # what a crash before the last write leaves
    assert [s.rx_time for s in read_recording(name).segments] == [(3, 0.0)]
    with open(recording_paths(name)[1], "r+b") as file:
        file.truncate(8 * 5_000 + 3)
    assert read_recording(name).n_samples == 5_000
    writer.close()


def test_reading_does_not_load_the_file(name):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(10, 1))
    _, data_path = recording_paths(name)
    with open(data_path, "r+b") as file:
        file.truncate(8 << 33)  # sparse, 64 GiB
    edit_meta(recording_paths(name)[0], lambda meta: meta["global"].pop("jadce:sample_count"))
    recording = read_recording(name)
    assert recording.n_samples == 1 << 33
    assert recording.read(1 << 32, (1 << 32) + 5).tolist() == [[0]] * 5


@pytest.mark.parametrize("suffix", ["", ".sigmf-meta", ".sigmf-data"])
def test_any_of_its_names_opens_it(name, suffix):
    write_recording(name, some_samples(10, 1))
    assert read_recording(f"{name}{suffix}").n_samples == 10


def test_verify_finds_a_changed_byte(name):
    _, data_path = write_recording(name, some_samples(100, 1), checksum=True)
    read_recording(name).verify()
    data = bytearray(data_path.read_bytes())
    data[77] ^= 1
    data_path.write_bytes(data)
    with pytest.raises(ValueError, match="SHA-512"):
        read_recording(name).verify()


def test_verify_needs_a_checksum(name):
    write_recording(name, some_samples(10, 1))
    with pytest.raises(ValueError, match="core:sha512"):
        read_recording(name).verify()


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_le"])
def test_the_sigmf_package_accepts_and_reads_it(name, datatype):
    sigmf = pytest.importorskip("sigmf", reason="the sigmf package is in the test environment only")
    samples = some_samples(200, 2)
    with RecordingWriter(name, 2, RATE, frequency=1e9, datatype=datatype, checksum=True) as writer:
        writer.write(samples[:120], (1_700_000_000, 0.5))
        writer.write(samples[120:], (1_700_000_001, 0.0))
        writer.annotate(120, 10, "device 3", frame_id=4)
    other = sigmf.sigmffile.fromfile(str(recording_paths(name)[0]))  # checks the SHA-512 sum too
    other.validate()
    assert other.sample_count == 200
    theirs = other.read_samples()
    np.testing.assert_allclose(theirs, read_recording(name).read(), atol=1e-7)
