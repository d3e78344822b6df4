# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags on every input of the framer: inputs out of step are brought level, untrue rates held and told."""

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from stream_tags import tag
from stream_tags import time_tag as any_time_tag

from gr_jadce.blocks import pilot_framer

RATE = 1_000_000


def time_tag(offset, sample, seconds=5):
    """A tag that tells that a sample is so many samples after a whole second."""
    return any_time_tag(offset, seconds, sample / RATE)


def run(framer, streams, max_items=None):
    """The frames (B, L, M) of streams of (first sample, tags); samples tell their own place."""
    length = framer.output_signature().sizeof_stream_item(0) // 8
    top, sink = gr.top_block(), blocks.vector_sink_c(length)
    for port, (samples, tags) in enumerate(streams):
        values = (np.asarray(samples) + 1j * port).tolist()
        top.connect(blocks.vector_source_c(values, False, 1, tags), (framer, port))
    top.connect(framer, sink)
    top.run(*([] if max_items is None else [max_items]))
    return np.array(sink.data(), np.complex64).reshape(-1, length // len(streams), len(streams))


def assert_level(frames, n_inputs):
    """Every row of every frame has samples of one time on all inputs."""
    assert np.array_equal(frames.real, np.repeat(frames.real[..., :1], n_inputs, axis=2))
    assert np.array_equal(frames.imag, np.broadcast_to(np.arange(n_inputs), frames.shape))


@pytest.mark.parametrize("max_items", [7, None])
@pytest.mark.parametrize("late", [17, 5000, 100_000])
def test_inputs_tagged_later_than_the_first_are_brought_level(late, max_items):
    early, tagged_late = range(0, 300_000), range(late, 300_000)
    streams = [(early, [time_tag(0, 0)])] * 2 + [(tagged_late, [time_tag(0, late)])] * 2
    framer = pilot_framer(32, 4, 50, slot_origin=(5, 0.0))
    frames = run(framer, streams, max_items)
    assert_level(frames, 4)
    assert frames[0, 0, 0].real % 50 == 0
    assert framer.misalignments() == 1 and framer.dropped_samples() >= 2 * late
    assert framer.frames() > (4000 if late < 2**15 else 0)


def test_a_gap_of_one_input_is_a_gap_of_all():
    gap = [(range(0, 1000), []), (range(1040, 3000), [])]
    holed = [*gap[0][0], *gap[1][0]]
    streams = [
        (range(0, 3000), [time_tag(0, 0)]),
        (holed, [time_tag(0, 0), time_tag(1000, 1040)]),
        (range(0, 3000), [time_tag(0, 0)]),
    ]
    framer = pilot_framer(32, 3, 50)
    frames = run(framer, streams)
    assert_level(frames, 3)
    assert frames[:, 0, 0].real.tolist() == [50 * k for k in range(60) if k != 20]
    assert (framer.gaps(), framer.slots_lost(), framer.misalignments()) == (1, 1, 1)


def with_gaps(rng, n_samples):
    """Places of samples with some stretches missing, and a time tag at the start of every stretch."""
    edges = np.sort(rng.choice(n_samples, 2 * int(rng.integers(1, 6)), replace=False))
    stretches = np.split(np.arange(n_samples), edges)[::2]
    starts = np.cumsum([0, *map(len, stretches)])
    tags = [
        time_tag(int(at), int(part[0])) for at, part in zip(starts[:-1], stretches, strict=True) if len(part)
    ]
    return np.concatenate(stretches), tags


@pytest.mark.parametrize("seed", range(25))
def test_whatever_each_input_loses_exactly_the_frames_that_all_have_are_cut(seed):
    rng = np.random.default_rng(seed)
    streams = [with_gaps(rng, 6000) for _ in range(3)]
    framer = pilot_framer(8, 3, 20, slot_origin=(5, 0.0), tag_every_frame=True)
    frames = run(framer, streams, int(rng.integers(1, 2000)))
    assert_level(frames, 3)
    first = frames[:, 0, 0].real
    present = set.intersection(*(set(places.tolist()) for places, _ in streams))
    whole = [k for k in range(0, 6000, 20) if present >= set(range(k, k + 8))]
    assert first.astype(int).tolist() == whole


def test_an_input_delayed_by_a_block_is_brought_level():
    delayed = [0] * 17 + list(range(0, 983))
    streams = [(range(0, 1000), [time_tag(0, 0)]), (delayed, [time_tag(17, 0)])]
    framer = pilot_framer(8, 2, 20)
    frames = run(framer, streams)
    assert_level(frames[1:], 2)  # the first one came before the tag


def test_a_source_for_two_inputs_with_one_delayed_does_not_hang():
    """Both branches come from one source, which stops when the buffer of either is full."""
    for delay in (100, 200_000):
        top, framer = gr.top_block(), pilot_framer(8, 2, 20)
        source = blocks.vector_source_c(np.arange(400_000).tolist(), False, 1, [time_tag(0, 0)])
        top.connect(source, (framer, 0))
        top.connect(source, blocks.delay(gr.sizeof_gr_complex, delay), (framer, 1))
        top.connect(framer, blocks.null_sink(8 * 16))
        top.run()
        assert framer.misalignments() == 1


def test_an_input_without_tags_is_taken_to_be_in_step():
    streams = [(range(0, 200), []), (range(0, 200), [time_tag(0, 0)]), (range(0, 200), [])]
    frames = run(pilot_framer(8, 3, 20), streams)
    assert_level(frames, 3)
    assert len(frames) == 10


def test_the_rate_of_a_source_before_a_decimator_can_be_overridden():
    """4 MS/s with a gap of 20,000 samples, every fourth of which is kept."""
    tags = [
        time_tag(0, 0), tag(0, "rx_rate", pmt.from_double(4e6)),
        time_tag(8000, 28_000 / 4), tag(8000, "rx_rate", pmt.from_double(4e6)),
    ]  # fmt: skip
    framer, top = pilot_framer(32, 1, 50, rate=1e6, hold_rate=True), gr.top_block()
    source = blocks.vector_source_c([1.0] * 16_000, False, 1, tags)
    top.connect(source, blocks.keep_one_in_n(8, 4), framer, blocks.null_sink(8 * 32))
    top.run()
    assert framer.slots_lost() == 100
    assert framer.rate_conflicts() >= 1


def test_a_rate_told_that_is_not_the_given_one_is_said(capfd):
    run(pilot_framer(8, 1, 20, rate=1e6), [(range(100), [tag(0, "rx_rate", pmt.from_double(4e6))])])
    assert "tells 4e+06 samples a second, the block 1e+06" in capfd.readouterr().out


@pytest.mark.parametrize("tags", [[], [time_tag(0, 0)]])
def test_a_slot_origin_far_ahead_is_said_once_and_the_samples_counted(tags, capfd):
    framer = pilot_framer(8, 1, 20, slot_origin=(1_700_000_005, 0.0))
    assert len(run(framer, [(range(100_000), tags)], 1000)) == 0
    assert capfd.readouterr().out.count("slot 0 starts 17000000") == 1
    assert framer.waiting_samples() == framer.samples() == 100_000
    assert framer.seconds_to_origin() > 1.6e9


def test_a_stamp_before_time_zero_is_no_end():
    framer = pilot_framer(8, 1, 300, offset=100, delay=100, resync_tag="corr_start", resync_offset=-95)
    frames = run(framer, [(range(1000), [tag(5, "corr_start", pmt.PMT_T)])])
    assert frames[:, 0, 0].real.tolist() == [10, 310, 610, 910]


@pytest.mark.parametrize("offset", [0, 3])
def test_a_delay_in_front_of_the_framer_is_no_end(offset):
    """With an offset of 0, the first frame starts three samples before device time 0."""
    top, framer = gr.top_block(), pilot_framer(8, 1, 20, offset=offset)
    source = blocks.vector_source_c(np.arange(1000).tolist(), False, 1, [time_tag(0, 0, 0)])
    sink = blocks.vector_sink_c(8)
    top.connect(source, blocks.delay(gr.sizeof_gr_complex, 3), framer, sink)
    top.run()
    assert [value.real for value in sink.data()[::8]] == [max(20 * k + offset - 3, 0) for k in range(50)]


def test_numpy_scalars_are_taken_for_every_number():
    framer = pilot_framer(
        np.int64(8), np.int32(2), np.int64(40), slot_origin=(np.int64(5), np.float32(0.5)),
        offset=np.int16(3), rate=np.float32(1e6), resync_offset=np.int64(-2), tag_every_frame=np.bool_(True),
        samples_per_symbol=np.int8(2), guard_start=np.int64(20), guard_length=np.int64(5), delay=np.int64(3),
    )  # fmt: skip
    streams = [(range(400), [time_tag(0, RATE // 2)])] * 2
    assert len(run(framer, streams)) == 10


def test_a_rate_at_which_the_time_would_be_beyond_all_times_is_left_out():
    tags = [
        time_tag(0, 0, 2**62), tag(0, "rx_rate", pmt.from_double(1.0)),
        tag(30, "rx_rate", pmt.from_double(1e12)),
    ]  # fmt: skip
    framer = pilot_framer(8, 1, 20)
    run(framer, [(range(100), tags)])
    assert framer.frames() == 5
