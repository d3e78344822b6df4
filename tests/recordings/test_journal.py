# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a recording that is being written: a segment costs a line, and no crash costs a segment."""

import json

import numpy as np
import pytest
from recording_files import RATE, some_samples

from gr_jadce.recordings import writer as writer_module
from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.metadata import journal_path
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter


def write_gaps(writer, count, first=0):
    for k in range(first, first + count):
        writer.write(np.ones((2, 1)), (5 + k, 0.0))


def test_many_gaps_do_not_rewrite_the_metadata(name, monkeypatch):
    replaced = []
    write_meta = writer_module.write_meta
    monkeypatch.setattr(writer_module, "write_meta", lambda *args: (replaced.append(1), write_meta(*args)))
    with RecordingWriter(name, 1, RATE) as writer:
        write_gaps(writer, 2000)
        longest = max(map(len, journal_path(recording_paths(name)[0]).read_bytes().splitlines()))
    assert (len(replaced), longest < 300) == (3, True)  # at the start, the first sample and the end
    assert [s.rx_time for s in read_recording(name).segments] == [(5 + k, 0.0) for k in range(2000)]


def test_a_crash_costs_no_segment(name):
    writer = RecordingWriter(name, 1, RATE)
    write_gaps(writer, 50)
    recording = read_recording(name)  # what there is at a crash
    assert (len(recording.segments), recording.notes) == (50, ())
    writer.close()


def test_a_torn_last_line_is_left_out_and_noted(name):
    writer = RecordingWriter(name, 1, RATE)
    write_gaps(writer, 5)
    journal = journal_path(recording_paths(name)[0])
    with open(journal, "ab") as file:
        file.write(b'{"core:sample_start": 10, "core:da')
    recording = read_recording(name)
    assert (len(recording.segments), recording.n_samples) == (5, 10)
    assert recording.notes == ("1 torn lines of the journal are left out",)
    writer.close()


def test_a_journal_that_is_lost_is_noted(name):
    writer = RecordingWriter(name, 1, RATE)
    write_gaps(writer, 5)
    journal_path(recording_paths(name)[0]).unlink()
    assert "its .sigmf-journal is not there" in read_recording(name).notes[0]
    writer.close()


def test_a_finished_recording_has_no_journal(name):
    for _ in range(2):  # the second replaces the first
        with RecordingWriter(name, 1, RATE) as writer:
            write_gaps(writer, 3)
        writer.reopen()
        write_gaps(writer, 3, first=3)
        assert len(read_recording(name).segments) == 6
        writer.close()
        assert not journal_path(recording_paths(name)[0]).exists()
    assert len(json.loads(recording_paths(name)[0].read_text())["captures"]) == 6


def test_a_full_disk_gives_room_for_the_metadata_of_many_segments(name, monkeypatch):
    write_meta, refused = writer_module.write_meta, []

    def full(path, meta):
        if meta["global"]["jadce:finished"] and not refused:
            refused.append(len(meta["captures"]))
            raise OSError(28, "No space left on device")
        write_meta(path, meta)

    monkeypatch.setattr(writer_module, "_MIN_ROOM_BYTES", 16)
    monkeypatch.setattr(writer_module, "write_meta", full)
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(100_000, 1), (1, 0.0))
        write_gaps(writer, 100)
        size = len(writer_module.meta_text(writer._meta(finished=True)))
    assert 100_200 - read_recording(name).n_samples == pytest.approx(size / 8, abs=20)


def test_fields_of_annotations_may_be_numpy(name):
    with RecordingWriter(name, np.int64(1), np.float32(RATE), frequency=np.float32(1e9)) as writer:
        writer.write(some_samples(10, 1), (np.int64(5), np.float64(0.25)))
        writer.skip(np.int64(7))
        writer.write(some_samples(10, 1))
        writer.annotate(np.int64(1), np.int32(2), snr_db=np.float32(3), device=np.array([1, 2]))
    recording = read_recording(name)
    assert recording.annotations[0]["jadce:device"] == [1, 2]
    assert [s.rx_time for s in recording.segments] == [(5, 0.25), (5, 0.250017)]
