# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written: segments, integers, rates, and what is refused."""

import json

import numpy as np
import pytest
from recording_files import RATE, some_samples, write_recording

from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.metadata import write_meta as write_recording_meta
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.times import time_after
from gr_jadce.recordings.writer import RecordingWriter


def test_int16_has_a_full_scale_of_one_and_clips_and_counts(name):
    samples = np.array([[0.5 - 1j], [2 - 3j], [1.0], [-1.0]], np.complex64)
    with RecordingWriter(name, 1, RATE, datatype="ci16_le") as writer:
        writer.write(samples)
        assert writer.clipped == 2
    stored = np.fromfile(recording_paths(name)[1], "<i2").reshape(-1, 2).tolist()
    assert stored == [[16384, -32768], [32767, -32768], [32767, 0], [-32768, 0]]
    assert read_recording(name).read()[0, 0] == 0.5 - 1j


def test_int16_counts_what_is_no_number_as_clipped(name):
    samples = np.array([[np.nan + 0.5j], [np.inf - 0.5j], [0.25]], np.complex64)
    with RecordingWriter(name, 1, RATE, datatype="ci16_le") as writer:
        writer.write(samples)
        assert writer.clipped == 2
    stored = np.fromfile(recording_paths(name)[1], "<i2").reshape(-1, 2).tolist()
    assert stored == [[0, 16384], [32767, -16384], [8192, 0]]


def test_a_jump_in_time_starts_a_segment_with_its_exact_time(name):
    blocks = np.split(some_samples(300, 2), [100, 200])
    late = (1_700_000_000, 0.1 + 0.2)
    with RecordingWriter(name, 2, RATE, frequency=2.4e9) as writer:
        writer.write(blocks[0], (1_699_999_999, 0.9999999))
        writer.write(blocks[1], time_after((1_699_999_999, 0.9999999), 100, RATE))
        writer.write(blocks[2], late)
    recording = read_recording(name)
    assert [(s.start, s.stop) for s in recording.segments] == [(0, 200), (200, 300)]
    assert [s.rx_time for s in recording.segments] == [(1_699_999_999, 0.9999999), late]
    captures = json.loads(recording_paths(name)[0].read_text())["captures"]
    assert captures[1]["core:datetime"] == "2023-11-14T22:13:20.300000000Z"


@pytest.mark.parametrize(("off", "segments"), [(0.49, 1), (-0.49, 1), (0.51, 2), (-0.51, 2), (-10, 2)])
def test_half_a_sample_decides_what_a_jump_is(name, off, segments):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(50, 1), (7, 0.0))
        writer.write(some_samples(50, 1), (7, (50 + off) / RATE))
    assert len(read_recording(name).segments) == segments


def test_annotations_are_kept_in_order(name):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(100, 1))
        writer.annotate(50, 10, "device 7", frame_id=1)
        writer.annotate(0, 10, "device 3", frame_id=0)
    first, second = read_recording(name).annotations
    assert first == {
        "core:sample_start": 0, "core:sample_count": 10, "core:label": "device 3", "jadce:frame_id": 0,
    }  # fmt: skip
    assert second["core:sample_start"] == 50


def test_skipped_samples_are_a_gap_of_their_length(name):
    samples = some_samples(30, 1)
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(samples[:10], (3, 0.0))
        writer.skip(5)
        writer.skip(7)
        writer.write(samples[10:20])
        writer.skip(100, (8, 0.5))
        writer.write(samples[20:])
    recording = read_recording(name)
    assert [s.start for s in recording.segments] == [0, 10, 20]
    assert [s.rx_time for s in recording.segments] == [(3, 0.0), (3, 22e-6), (8, 0.5001)]
    np.testing.assert_array_equal(recording.read(), samples)


def test_a_new_frequency_starts_a_segment(name):
    with RecordingWriter(name, 1, RATE, frequency=1e9) as writer:
        for frequency in (2e9, 2e9, None, 3e9):
            writer.write(some_samples(10, 1), frequency=frequency)
    segments = read_recording(name).segments
    assert [(s.start, s.frequency) for s in segments] == [(0, 2e9), (30, 3e9)]
    assert [s.rx_time for s in segments] == [(0, 0.0), (0, 3e-5)]


def test_the_rate_can_change_before_the_first_sample_only(name):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(10, 1), (1, 0.0), sample_rate=2 * RATE)
        writer.write(some_samples(10, 1), sample_rate=2 * RATE)
        with pytest.raises(ValueError, match=r"sample_rate: expected 2000000\.0, as before"):
            writer.write(some_samples(10, 1), sample_rate=RATE)
    assert (read_recording(name).sample_rate, read_recording(name).n_samples) == (2 * RATE, 20)


def test_a_closed_recording_can_be_gone_on_with(name):
    writer = RecordingWriter(name, 1, RATE)
    writer.write(some_samples(10, 1), (1, 0.0))
    writer.close()
    writer.reopen()
    writer.write(some_samples(10, 1), (2, 0.0))
    assert read_recording(name).n_samples == 20
    writer.close()
    assert [s.rx_time for s in read_recording(name).segments] == [(1, 0.0), (2, 0.0)]


def test_a_recording_that_was_cut_for_room_goes_on_with_the_right_time(name, monkeypatch):
    replace, full = write_recording_meta, []

    def write_meta(path, meta):
        if meta["global"]["jadce:finished"] and not full:
            full.append(True)
            raise OSError(28, "No space left on device")
        replace(path, meta)

    writer = RecordingWriter(name, 1, RATE)
    writer.write(some_samples(10, 1), (1, 0.0))
    monkeypatch.setattr("gr_jadce.recordings.writer.write_meta", write_meta)
    writer.close()
    writer.reopen()
    writer.write(some_samples(10, 1))
    writer.close()
    assert [s.rx_time for s in read_recording(name).segments] == [(1, 10 / RATE)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_antennas": 0}, "n_antennas"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": float("inf")}, "sample_rate"),
        ({"datatype": "cf64_le"}, "datatype.*cf32_le.*cf64_le"),
    ],
)
def test_the_writer_refuses_wrong_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        RecordingWriter(name, **({"n_antennas": 1, "sample_rate": RATE} | options))


def test_the_writer_refuses_wrong_samples(name):
    with RecordingWriter(name, 2, RATE, datatype="ci16_le") as writer:
        with pytest.raises(ValueError, match=r"expected shape \(n, 2\), got \(3,\)"):
            writer.write(np.zeros(3, np.complex64))
        with pytest.raises(ValueError, match="rx_time"):
            writer.write(np.zeros((3, 2), np.complex64), (1, 1.0))
    assert read_recording(name).n_samples == 0


def test_writing_does_not_modify_the_samples(name):
    samples = some_samples(100, 2, scale=3)
    before = samples.copy()
    write_recording(name, samples, datatype="ci16_le")
    np.testing.assert_array_equal(samples, before)


def test_a_refused_time_leaves_the_rate_as_it_was(name):
    with RecordingWriter(name, 1, RATE) as writer:
        with pytest.raises(ValueError, match="rx_time"):
            writer.write(np.zeros((3, 1)), (0, 2.5), sample_rate=2 * RATE)
        assert writer.sample_rate == RATE
