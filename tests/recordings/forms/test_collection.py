# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF Collections, of the sigmf package and of ours, are read as one recording of all antennas."""

import json

import numpy as np
import pytest
from recording_files import RATE, edit_meta, some_samples, write_recording

from gr_jadce.recordings.forms.collection import read_collection, write_collection
from gr_jadce.recordings.forms.opening import open_recording
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter

SAMPLES = some_samples(1000, 3)


def collection_of(folder, *streams):
    path = folder / "all.sigmf-collection"
    path.write_text(json.dumps({"collection": {"core:version": "1.0.0", "core:streams": list(streams)}}))
    return path


@pytest.fixture
def two(tmp_path):
    """A collection of a recording of two antennas and one of the third."""
    write_recording(tmp_path / "ab", SAMPLES[:, :2])
    write_recording(tmp_path / "c", SAMPLES[:, 2:])
    return collection_of(tmp_path, {"name": "ab"}, {"name": "c"})


def test_it_is_read_as_one_recording(two):
    recording = open_recording(two)
    assert (recording.n_antennas, recording.n_samples, recording.sample_rate) == (3, 1000, RATE)
    assert recording.segments[0].rx_time == (100, 0.25)
    np.testing.assert_array_equal(recording.read(), SAMPLES)
    np.testing.assert_array_equal(recording.read(123, 456), SAMPLES[123:456])
    assert recording.data.size == 1000 * 3 * 8


def test_one_of_the_sigmf_package_is_read(tmp_path):
    sigmf = pytest.importorskip("sigmf")
    names = []
    for antenna in range(3):
        SAMPLES[:, antenna].tofile(tmp_path / f"{antenna}.sigmf-data")
        fields = {"core:datatype": "cf32_le", "core:sample_rate": RATE, "core:version": "1.0.0"}
        file = sigmf.SigMFFile(data_file=tmp_path / f"{antenna}.sigmf-data", global_info=fields)
        file.add_capture(0, metadata={"core:datetime": "2026-01-01T00:00:00Z", "core:frequency": 915e6})
        file.tofile(tmp_path / f"{antenna}.sigmf-meta")
        names.append(f"{antenna}.sigmf-meta")
    sigmf.SigMFCollection(names, base_path=tmp_path).tofile(tmp_path / "theirs")
    recording = read_collection(tmp_path / "theirs.sigmf-collection")
    np.testing.assert_array_equal(recording.read(), SAMPLES)
    assert recording.segments[0].frequency == 915e6
    assert recording.notes == ()


def test_ours_is_valid_by_the_sigmf_package(tmp_path):
    sigmf = pytest.importorskip("sigmf")
    with RecordingWriter(tmp_path / "all", 3, RATE, frequency=915e6) as writer:
        writer.write(SAMPLES[:600], (100, 0.25))
        writer.write(SAMPLES[600:], (200, 0.5))
    path = tmp_path / "each.sigmf-collection"
    write_collection(path, read_recording(tmp_path / "all"))
    theirs = sigmf.sigmffile.fromfile(path)
    theirs.verify_stream_hashes()
    assert theirs.get_stream_names() == ["each-1", "each-2", "each-3"]
    for antenna, name in enumerate(theirs.get_stream_names()):
        stream = sigmf.sigmffile.fromfile(tmp_path / f"{name}.sigmf-meta")
        stream.validate()
        np.testing.assert_array_equal(stream.read_samples(), SAMPLES[:, antenna])
    again = open_recording(path)
    np.testing.assert_array_equal(again.read(), SAMPLES)
    assert [(s.start, s.rx_time, s.frequency) for s in again.segments] == [
        (0, (100, 0.25), 915e6), (600, (200, 0.5), 915e6)
    ]  # fmt: skip


def test_a_changed_recording_is_noted(tmp_path):
    path = tmp_path / "each.sigmf-collection"
    write_recording(tmp_path / "all", SAMPLES)
    metas = write_collection(path, read_recording(tmp_path / "all"))
    assert open_recording(path).notes == ()
    edit_meta(metas[1], lambda meta: meta["global"].update({"core:author": "another"}))
    assert open_recording(path).notes == (
        "the metadata of each-2 have changed since the collection was made",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: meta["global"].update({"core:sample_rate": 2e6}), "sample_rate: expected 1000000.0"),
        (
            lambda meta: meta["captures"][0].update(
                {"jadce:rx_time": {"seconds": 100, "fraction": 0.250001}}
            ),
            "expected the time",
        ),
    ],
)
def test_recordings_that_do_not_fit_together_are_refused(two, change, message):
    edit_meta(two.with_name("c.sigmf-meta"), change)
    with pytest.raises(ValueError, match=message):
        read_collection(two)


def test_recordings_of_other_lengths_are_refused(tmp_path):
    write_recording(tmp_path / "a", SAMPLES[:, :1])
    write_recording(tmp_path / "b", SAMPLES[:500, 1:2])
    with pytest.raises(ValueError, match="n_samples: expected 1000, as in a.sigmf-data, got 500"):
        read_collection(collection_of(tmp_path, {"name": "a"}, {"name": "b"}))


@pytest.mark.parametrize("streams", [[], [3], [{"name": 3}], [{"name": "../a"}], [{"name": ".."}], [["a"]]])
def test_streams_that_are_none(tmp_path, streams):
    with pytest.raises(ValueError, match="cannot use this collection"):
        read_collection(collection_of(tmp_path, *streams))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"collection": 3}', "[" * 100_000])
def test_text_that_is_none(tmp_path, text):
    path = tmp_path / "x.sigmf-collection"
    path.write_text(text)
    with pytest.raises(ValueError, match="cannot use this collection"):
        read_collection(path)
