# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: PT017 (what is raised is one of two good ends)
"""Recordings: whatever is in the two files, the samples are read, or refused with the file's name."""

import json
import tarfile

import numpy as np
import pytest
from gnuradio import blocks, gr
from hostile import mutated, replaced
from hypothesis import given
from hypothesis import strategies as st

from gr_jadce.blocks import recording_source
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter

SAMPLES = np.ones((40, 2), np.complex64)
DATA = SAMPLES.tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with RecordingWriter(folder / "good", 2, 1e6, frequency=1e9, checksum=True) as writer:
        writer.write(SAMPLES[:25], (5, 0.25))
        writer.write(SAMPLES[25:], (6, 0.5))
        writer.annotate(3, 4, "a device", device=7)
    return folder


def read(folder, meta, data=DATA):
    (folder / "bad.sigmf-meta").write_bytes(meta)
    (folder / "bad.sigmf-data").write_bytes(data)
    try:
        recording = read_recording(folder / "bad")
    except ValueError as error:
        assert "bad.sigmf-meta: cannot use this recording: " in str(error)
        assert len(str(error)) < 1000
        return None
    covered = [sample for segment in recording.segments for sample in range(segment.start, segment.stop)]
    assert covered == list(range(recording.n_samples))
    assert recording.read().shape == (recording.n_samples, recording.n_antennas)
    return recording


def replay(recording, path):
    source = recording_source(path)
    sinks = [blocks.null_sink(gr.sizeof_gr_complex) for _ in range(recording.n_antennas)]
    flowgraph = gr.top_block()
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((source, antenna), sink)
    flowgraph.run()
    assert {source.nitems_written(k) for k in range(recording.n_antennas)} == {recording.n_samples}


@given(data=st.data())
def test_damaged_metadata(data, folder):
    read(folder, data.draw(mutated((folder / "good.sigmf-meta").read_bytes())))


@given(data=st.data())
def test_metadata_with_a_value_replaced(data, folder):
    meta = json.loads((folder / "good.sigmf-meta").read_text())
    read(folder, json.dumps(data.draw(replaced(meta))).encode())


DATES = st.builds(
    "2024-02-29T12:00:{:02d}{}{}".format,
    st.integers(0, 61),
    st.sampled_from(["", ".0", ".010", ".000025", "." + 30 * "9", "."]),
    st.sampled_from(["Z", "", "+00:00", "-23:59", "+99:00", "z"]),
)
CAPTURES = st.lists(
    st.fixed_dictionaries(
        {"core:sample_start": st.integers(0, 41)},
        optional={"core:datetime": DATES, "core:global_index": st.integers(-1, 2**62)},
    ),
    max_size=5,
)


@given(captures=CAPTURES.map(lambda entries: sorted(entries, key=lambda entry: entry["core:sample_start"])))
def test_captures_of_other_programs(captures, folder):
    meta = json.loads((folder / "good.sigmf-meta").read_text())
    read(folder, json.dumps(meta | {"captures": captures}).encode())


@given(data=st.data())
def test_damaged_archives(data, folder):
    with tarfile.open(folder / "good.sigmf", "w") as file:
        for suffix in ("sigmf-meta", "sigmf-data"):
            file.add(folder / f"good.{suffix}", f"good.{suffix}")
    (folder / "bad.sigmf").write_bytes(data.draw(mutated((folder / "good.sigmf").read_bytes())))
    try:
        recording = read_recording(folder / "bad.sigmf")
    except ValueError as error:
        assert "bad.sigmf: cannot use this recording: " in str(error)
    else:
        assert recording.read().shape == (recording.n_samples, recording.n_antennas)


@given(data=st.data())
def test_damaged_journals(data, folder):
    with RecordingWriter(
        folder / "cut", 2, 1e6
    ) as writer:  # closed where hypothesis ends a test half-way, too
        for k in range(4):
            writer.write(SAMPLES[:10], (k, 0.0))
        journal = folder / "cut.sigmf-journal"
        journal.write_bytes(data.draw(mutated(journal.read_bytes())))
        try:
            assert read_recording(folder / "cut").n_samples == 40
        except ValueError as error:
            assert "cut.sigmf-meta: cannot use this recording: " in str(error)


@given(data=st.binary(max_size=200), n_antennas=st.sampled_from([1, 2, 3, 2**16, 2**16 + 1, 2**40, 10**30]))
def test_data_of_any_size(data, n_antennas, folder):
    meta = json.loads((folder / "good.sigmf-meta").read_text())
    fields = {key: value for key, value in meta["global"].items() if key != "jadce:sample_count"}
    fields["core:num_channels"] = n_antennas
    read(folder, json.dumps({"global": fields}).encode(), data)


def test_what_can_be_read_can_be_replayed(folder):
    meta = json.loads((folder / "good.sigmf-meta").read_text())
    replayed = 0
    for rate in (1e-30, 1e-4, 0.001, 1 / 3, 1e12, 1e13, 10**400):
        meta["global"]["core:sample_rate"] = rate
        recording = read(folder, json.dumps(meta).encode())
        if recording is not None:
            replay(recording, folder / "bad")
            replayed += 1
    assert replayed == 3
