# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording in a flowgraph: every sample with its device time, whatever the disk does."""

import os
import signal
import subprocess
import sys

import numpy as np
import pmt
import pytest
from collector import collector
from gnuradio import blocks, gr

from gr_jadce import make_pilots
from gr_jadce.blocks import pilot_framer, receiver, recording_sink, recording_source, uplink_source
from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.reader import read_recording

RATE = 2e6
BOOK = make_pilots("gaussian", 40, 16, seed=1)
PERIOD = 50


def tag(offset, key, value):
    made = gr.tag_t()
    made.offset, made.key, made.value = offset, pmt.intern(key), value
    return made


def time_tag(offset, seconds, fraction):
    return tag(offset, "rx_time", pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction)))


def record(path, samples, tags=(), **options):
    """A flowgraph that records samples (n, M), run; its sink."""
    flowgraph, sink = gr.top_block(), recording_sink(path, samples.shape[1], **({"rate": RATE} | options))
    for antenna, stream in enumerate(samples.T):
        source = blocks.vector_source_c(stream, False, 1, list(tags) if antenna == 0 else [])
        flowgraph.connect(source, (sink, antenna))
    flowgraph.run()
    return sink


def some_samples(n, n_antennas, scale=0.2):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((n, n_antennas, 2), np.float32) * np.float32(scale)).view(np.complex64)[
        ..., 0
    ]


@pytest.mark.parametrize("n_antennas", [1, 3])
def test_tags_make_segments(n_antennas, tmp_path):
    samples = some_samples(50_000, n_antennas)
    tags = [
        time_tag(0, 1_700_000_000, 0.1), tag(0, "rx_rate", pmt.from_double(4e6)),
        tag(0, "rx_freq", pmt.from_double(1e9)),
        time_tag(8_000, 1_700_000_000, 0.102),  # as expected: no gap
        time_tag(20_001, 1_700_000_007, 0.3), tag(30_002, "rx_freq", pmt.from_double(2e9)),
    ]  # fmt: skip
    sink = record(tmp_path / "r", samples, tags)
    assert (sink.taken(), sink.written(), sink.dropped(), sink.error()) == (50_000, 50_000, 0, "")
    recording = read_recording(tmp_path / "r")
    np.testing.assert_array_equal(recording.read(), samples)
    assert recording.sample_rate == 4e6
    assert recording.segments[:2] == (
        (0, 20_001, (1_700_000_000, 0.1), 1e9),
        (20_001, 30_002, (1_700_000_007, 0.3), 1e9),
    )
    last = recording.segments[2]
    assert (last.start, last.rx_time[0], last.frequency) == (30_002, 1_700_000_007, 2e9)
    assert last.rx_time[1] == pytest.approx(0.3 + 10_001 / 4e6, abs=1e-12)


def test_integers_have_half_the_size_and_half_a_step_of_error(tmp_path):
    samples = some_samples(10_000, 2)
    samples[77, 1] = 3.0
    sink = record(tmp_path / "r", samples, datatype="ci16_le", frequency=5e8)
    assert (sink.clipped(), sink.written()) == (1, 10_000)
    recording = read_recording(tmp_path / "r")
    error = np.delete(recording.read() - samples, 77, axis=0)
    assert max(np.abs(error.real).max(), np.abs(error.imag).max()) <= 0.5 / 32768
    assert (recording.path.stat().st_size, recording.segments[0].frequency) == (10_000 * 2 * 4, 5e8)


def test_malformed_tags_are_left_out(tmp_path):
    wrong = [
        tag(5, "rx_time", pmt.from_double(1.0)), time_tag(6, 2**60, 0.0), time_tag(7, 1, 1.5),
        tag(8, "rx_rate", pmt.from_double(-1.0)), tag(9, "rx_freq", pmt.from_double(np.nan)),
        tag(9, "rx_freq", pmt.PMT_T), tag(10, "else", pmt.PMT_T),
    ]  # fmt: skip
    sink = record(tmp_path / "r", some_samples(100, 1), [time_tag(0, 3, 0.0), *wrong])
    assert (sink.written(), sink.error()) == (100, "")
    assert read_recording(tmp_path / "r").segments == ((0, 100, (3, 0.0), None),)


def reports(source, n_antennas, sink=None):
    """What a receiver reports of the streams of a source, recorded beside it by the sink if there is one."""
    flowgraph = gr.top_block()
    framer = pilot_framer(BOOK.pilot_length, n_antennas, PERIOD)
    detector, received = receiver(BOOK, n_antennas), collector()
    for antenna in range(n_antennas):
        flowgraph.connect((source, antenna), (framer, antenna))
        if sink is not None:
            flowgraph.connect((source, antenna), (sink, antenna))
    flowgraph.connect(framer, detector)
    received.listen_to(flowgraph, detector)
    flowgraph.run()
    return received.reports


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_le"])
def test_a_receiver_decides_on_the_replay_as_it_did_live(datatype, tmp_path):
    source = uplink_source(
        BOOK, 2, n_active=3, snr_db=25.0, slot_period=PERIOD, n_slots=300, rate=RATE,
        start_time=(1_700_000_000, 0.125), gaps=[(2_010, 130), (9_000, 50), (12_345, 1_000)], seed=4,
    )  # fmt: skip
    sink = recording_sink(tmp_path / "r", 2, datatype=datatype)
    live = reports(source, 2, sink)
    replayed = reports(recording_source(tmp_path / "r"), 2)
    assert 250 < len(live) < 290
    assert len(read_recording(tmp_path / "r").segments) == 4
    assert sink.written() == source.nitems_written(0)
    assert len(live) == len(replayed)
    for one, other in zip(live, replayed, strict=True):
        assert (one.frame_id, one.rx_time, one.status) == (other.frame_id, other.rx_time, other.status)
        if datatype == "cf32_le":
            np.testing.assert_array_equal(one.device, other.device)
            atol = 1e-5 * np.abs(one.channel).max(initial=0.0)  # batches differ, and so does rounding
            np.testing.assert_allclose(one.channel, other.channel, rtol=0, atol=atol)


def run_beside(sink, n_samples=400_000):
    """A flowgraph with a sink and another one beside it, which is to get every sample."""
    flowgraph, counter = gr.top_block(), blocks.null_sink(gr.sizeof_gr_complex)
    head = blocks.head(gr.sizeof_gr_complex, n_samples)
    flowgraph.connect(blocks.null_source(gr.sizeof_gr_complex), head)
    flowgraph.connect(head, sink)
    flowgraph.connect(head, counter)
    flowgraph.run()
    assert counter.nitems_read(0) == n_samples
    assert sink.taken() == n_samples == sink.written() + sink.dropped()


def test_a_full_device_does_not_stop_the_flowgraph(tmp_path):
    (tmp_path / "r.sigmf-data").symlink_to("/dev/full")
    sink = recording_sink(tmp_path / "r")
    run_beside(sink)
    assert sink.written() == 0
    assert "No space left" in sink.error()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("n_antennas", [1, 3])
def test_a_full_disk_leaves_a_good_recording(n_antennas, tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(mounted.stderr.decode())
    try:
        sink = record(tmp_path / "r", some_samples(400_000, n_antennas), [time_tag(0, 7, 0.5)])
        recording = read_recording(tmp_path / "r")
        assert sink.taken() == sink.written() + sink.dropped() == 400_000
        assert recording.n_samples == sink.written() > 20_000
        assert recording.segments[0].rx_time == (7, 0.5)
        np.testing.assert_array_equal(
            recording.read(), some_samples(400_000, n_antennas)[: recording.n_samples]
        )
        assert '"jadce:finished": true' in recording_paths(tmp_path / "r")[0].read_text()
        del recording
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        recording_sink(tmp_path / "nowhere" / "r")


def record_tagged(path, tags, n_samples=5_000):
    """A recording of inputs that each carry tags of their own; its sink."""
    flowgraph, sink = gr.top_block(), recording_sink(path, len(tags), rate=1e6)
    for antenna, own in enumerate(tags):
        source = blocks.vector_source_c(np.ones(n_samples), False, 1, own)
        flowgraph.connect(source, (sink, antenna))
    flowgraph.run()
    return sink


def test_an_input_out_of_step_is_counted_and_told(tmp_path, capfd):
    tags = [[time_tag(17 * (antenna > 1), 5, 0.0)] for antenna in range(4)]
    sink = record_tagged(tmp_path / "r", tags)
    assert (sink.misaligned(), sink.written()) == (5_000 - 17, 5_000)
    told = "".join(capfd.readouterr())
    assert told.count("input 2 is 17 samples late against input 0, by their rx_time") == 1
    assert "4983 samples of antennas out of step were recorded as they came" in told
    assert read_recording(tmp_path / "r").notes == (
        "4983 samples are of antennas that were out of step with each other",
    )


def test_inputs_in_step_are_no_complaint(tmp_path, capfd):
    tags = [[time_tag(0, 5, 0.0), time_tag(1_000, 5, 0.5)]] * 2 + [[time_tag(0, 5, 0.0)]]
    sink = record_tagged(tmp_path / "r", [*tags[:2], []])  # the third has no tags, which tells nothing
    assert (sink.misaligned(), "".join(capfd.readouterr())) == (0, "")
    assert read_recording(tmp_path / "r").notes == ()


def test_a_gap_on_one_input_alone_is_counted(tmp_path):
    tags = [[time_tag(0, 5, 0.0)], [time_tag(0, 5, 0.0), time_tag(3_000, 5, 0.0031)]]
    assert record_tagged(tmp_path / "r", tags).misaligned() == 2_000


@pytest.mark.parametrize(("key", "value"), [("rx_rate", 2e6), ("rx_freq", 2e9)])
def test_another_rate_or_frequency_of_an_input_is_told(key, value, tmp_path, capfd):
    tags = [[tag(0, "rx_rate", pmt.from_double(1e6)), tag(0, "rx_freq", pmt.from_double(1e9))]]
    sink = record_tagged(tmp_path / "r", [*tags, [tag(3, key, pmt.from_double(value))]])
    assert sink.misaligned() == 0
    assert f"input 1 has an {key} of {value:g}, which is not that of input 0" in "".join(capfd.readouterr())


def test_thousands_of_gaps_are_kept(tmp_path):
    tags = [time_tag(100 * k, 5 + k, 0.0) for k in range(3_000)]
    sink = record(tmp_path / "r", np.ones((300_000, 1), np.complex64), tags)
    assert (sink.written(), sink.dropped(), sink.drop_cause()) == (300_000, 0, "")
    assert len(read_recording(tmp_path / "r").segments) == 3_000


def test_arguments_may_be_numpy_scalars(tmp_path):
    sink = recording_sink(
        tmp_path / "r", np.int64(2), np.float32(1e6), frequency=np.float32(1e9), buffer_mb=np.int32(4)
    )
    assert (sink.error(), read_recording(tmp_path / "r").n_antennas) == ("", 2)
    assert recording_source(tmp_path / "r", np.int64(2)).n_antennas() == 2


def test_more_antennas_than_a_flowgraph_can_have_are_refused(tmp_path):
    with pytest.raises(ValueError, match="n_antennas: expected an integer from 1 to 1024, got 65536"):
        recording_sink(tmp_path / "r", 65_536)


@pytest.mark.parametrize("wrong", [{"n_antennas": 0}, {"rate": -1.0}, {"datatype": "u8"}, {"buffer_mb": 0}])
def test_wrong_arguments_are_refused(wrong, tmp_path):
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("rate", "sample_rate")):
        recording_sink(tmp_path / "r", **wrong)


def test_a_second_run_goes_on(tmp_path):
    flowgraph, sink = gr.top_block(), recording_sink(tmp_path / "r", rate=RATE)
    source = blocks.vector_source_c(np.ones(1000), False, 1, [time_tag(0, 5, 0.0)])
    flowgraph.connect(source, sink)
    for _ in range(2):
        flowgraph.run()
        source.rewind()
    assert [(s.start, s.rx_time) for s in read_recording(tmp_path / "r").segments] == [
        (0, (5, 0.0)),
        (1000, (5, 0.0)),
    ]


KILLED = """
import os, signal, sys, time
from gnuradio import blocks, gr
from gr_jadce.blocks import recording_sink

flowgraph, sink = gr.top_block(), recording_sink(sys.argv[1], rate=1e6)
size = gr.sizeof_gr_complex
flowgraph.connect(blocks.null_source(size), blocks.throttle(size, 1e6), sink)
flowgraph.start()
while sink.written() < 100_000:
    time.sleep(0.01)
print(sink.written(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_a_recording_that_can_be_read(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "r"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_recording(tmp_path / "r").n_samples >= int(killed.stdout)
