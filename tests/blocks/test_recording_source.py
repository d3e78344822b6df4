# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording replayed in a flowgraph: every sample, and the tags that UHD gives."""

import json
import os
import tarfile

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from gr_jadce.blocks.recording_source import recording_source
from gr_jadce.recordings.writer import RecordingWriter

RATE = 2e6


def replay(source, n_antennas):
    flowgraph, sinks = gr.top_block(), [blocks.vector_sink_c() for _ in range(n_antennas)]
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((source, antenna), sink)
    flowgraph.run()
    return np.stack([sink.data() for sink in sinks], axis=1), [tags_of(sink) for sink in sinks]


def tags_of(sink):
    return sorted(
        (tag.offset, pmt.symbol_to_string(tag.key), pmt.to_python(tag.value)) for tag in sink.tags()
    )


@pytest.fixture
def recorded(tmp_path):
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((100_000, 3, 2), dtype=np.float32).view(np.complex64)[..., 0]
    with RecordingWriter(tmp_path / "r", 3, RATE, frequency=915e6) as writer:
        writer.write(samples[:70_001], (1_700_000_000, 0.1))
        writer.write(samples[70_001:70_002], (1_700_000_001, 0.2))
        writer.write(samples[70_002:], (1_700_000_002, 0.3))
    return tmp_path / "r.sigmf-meta", samples


def test_every_sample_of_every_antenna_is_replayed(recorded):
    path, samples = recorded
    replayed, _ = replay(recording_source(path, 3), 3)
    np.testing.assert_array_equal(replayed, samples)


def test_each_segment_is_tagged_on_all_outputs_as_uhd_does(recorded):
    _, tags = replay(recording_source(recorded[0]), 3)
    assert tags[0] == tags[1] == tags[2]
    starts = [(0, 1_700_000_000, 0.1), (70_001, 1_700_000_001, 0.2), (70_002, 1_700_000_002, 0.3)]
    expected = [
        entry
        for start, seconds, fraction in starts
        for entry in [
            (start, "rx_freq", 915e6),
            (start, "rx_rate", RATE),
            (start, "rx_time", (seconds, fraction)),
        ]
    ]
    assert tags[0] == expected


def test_the_types_of_the_time_tag(recorded):
    source, sink = recording_source(recorded[0]), blocks.vector_sink_c()
    flowgraph = gr.top_block()
    flowgraph.connect((source, 0), sink)
    for antenna in (1, 2):
        flowgraph.connect((source, antenna), blocks.null_sink(gr.sizeof_gr_complex))
    flowgraph.run()
    time = next(tag.value for tag in sink.tags() if pmt.symbol_to_string(tag.key) == "rx_time")
    assert pmt.is_tuple(time)
    assert pmt.is_uint64(pmt.tuple_ref(time, 0))
    assert pmt.is_real(pmt.tuple_ref(time, 1))


def test_a_second_run_replays_it_again(recorded):
    path, samples = recorded
    source, sinks = recording_source(path), [blocks.vector_sink_c() for _ in range(3)]
    flowgraph = gr.top_block()
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((source, antenna), sink)
    for _ in range(2):
        flowgraph.run()
    np.testing.assert_array_equal(sinks[2].data(), np.tile(samples[:, 2], 2))
    times = [offset for offset, key, _ in tags_of(sinks[0]) if key == "rx_time"]
    assert times == sorted(2 * [0, 70_001, 70_002])  # stream offsets start at 0 again, too


def test_an_interrupted_replay_goes_on_with_the_right_time(recorded):
    path, samples = recorded
    source, heads = recording_source(path), [blocks.head(gr.sizeof_gr_complex, 10_000) for _ in range(3)]
    flowgraph, sinks = gr.top_block(), [blocks.vector_sink_c() for _ in range(3)]
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((source, antenna), heads[antenna], sink)
    flowgraph.run()
    for head in heads:
        head.reset()
    flowgraph.run()
    again = np.array(sinks[0].data())[10_000:]
    seconds, fraction = [value for _, key, value in tags_of(sinks[0]) if key == "rx_time"][1]
    skipped = round((seconds - 1_700_000_000 + fraction - 0.1) * RATE)
    assert skipped >= 10_000
    np.testing.assert_array_equal(again, samples[skipped : skipped + 10_000, 0])


def test_an_empty_recording_ends_at_once(tmp_path):
    RecordingWriter(tmp_path / "empty", 1, RATE).close()
    replayed, tags = replay(recording_source(tmp_path / "empty"), 1)
    assert (replayed.size, tags) == (0, [[]])


def test_another_number_of_antennas_is_refused(recorded):
    with pytest.raises(ValueError, match="n_antennas: expected 3 as recorded, got 4"):
        recording_source(recorded[0], 4)


def test_a_recording_cut_short_while_it_is_replayed_ends_with_a_reason(recorded, capfd):
    path, _ = recorded
    source, sinks = recording_source(path), [blocks.vector_sink_c() for _ in range(3)]
    os.truncate(path.with_suffix(".sigmf-data"), 24 * 50_000)
    flowgraph = gr.top_block()
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((source, antenna), sink)
    flowgraph.run()
    assert len(sinks[0].data()) <= 50_000
    assert "was cut short while it was read" in source.error()
    assert "the replay has ended after" in "".join(capfd.readouterr())


def test_an_archive_is_replayed(recorded, tmp_path):
    path, samples = recorded
    with tarfile.open(tmp_path / "r.sigmf", "w") as file:
        file.add(path, "r/r.sigmf-meta")
        file.add(path.with_suffix(".sigmf-data"), "r/r.sigmf-data")
    replayed, _ = replay(recording_source(tmp_path / "r.sigmf"), 3)
    np.testing.assert_array_equal(replayed, samples)


def test_what_is_uncertain_about_times_is_logged(recorded, capfd):
    path, _ = recorded
    meta = json.loads(path.read_text())
    meta["captures"] = [
        {"core:sample_start": k, "core:datetime": "2024-02-29T12:00:00Z"} for k in (0, 70_000)
    ]
    path.write_text(json.dumps(meta))
    _, tags = replay(recording_source(path), 3)
    times = [value for _, key, value in tags[0] if key == "rx_time"]
    assert times == [(1_709_208_000, 0.0), (1_709_208_000, 0.035)]
    assert "tells no gap before 1 capture segments" in "".join(capfd.readouterr())


def test_a_recording_of_more_antennas_than_a_flowgraph_can_have_is_refused(tmp_path):
    with RecordingWriter(tmp_path / "r", 65_536, RATE) as writer:
        writer.write(np.ones((2, 65_536), np.complex64))
    with pytest.raises(ValueError, match="antennas to replay: expected an integer from 1 to 1024, got 65536"):
        recording_source(tmp_path / "r")
