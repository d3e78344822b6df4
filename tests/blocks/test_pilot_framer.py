# SPDX-License-Identifier: GPL-3.0-or-later
"""The framer in real flowgraphs: what `tests/slots/test_framer.py` proves of the grid holds there, too."""

import gc
import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from stream_tags import tag, time_tag

from gr_jadce.blocks import pilot_framer

RATE = 1_000_000
TOTALS = dict.fromkeys(
    ["gaps", "slots_lost", "partial_frames", "waiting_samples", "rate_conflicts", "misalignments"], 0
)


def numbered(positions, n_antennas):
    """(n, M) samples that tell their position and antenna."""
    return (np.asarray(positions)[:, None] + 1j * np.arange(n_antennas)).astype(np.complex64)


def flowgraph(samples, framer, tags=()):
    item_size = framer.output_signature().sizeof_stream_item(0)
    top, sink = gr.top_block(), blocks.vector_sink_c(item_size // 8)
    for antenna, stream in enumerate(samples.T):
        source = blocks.vector_source_c(stream.tolist(), False, 1, list(tags))
        top.connect(source, (framer, antenna))
    top.connect(framer, sink)
    return top, sink, source


def run(samples, framer, tags=(), max_items=None):
    """The frames (B, L, M), and the tags as {frame: {key: value}}."""
    top, sink, _ = flowgraph(samples, framer, tags)
    top.run(*([] if max_items is None else [max_items]))
    found = {}
    for item in sink.tags():
        found.setdefault(item.offset, {})[pmt.symbol_to_string(item.key)] = pmt.to_python(item.value)
    return np.array(sink.data(), np.complex64).reshape(framer.frames(), -1, samples.shape[1]), found


def starts(frames):
    return frames[:, 0, 0].real.astype(int).tolist()


@pytest.mark.parametrize("n_antennas", [1, 4])
@pytest.mark.parametrize("max_items", [1, 7, 4096])
def test_every_pilot_is_cut_at_any_batch_size(n_antennas, max_items):
    samples = numbered(range(1000), n_antennas)
    framer = pilot_framer(8, n_antennas, 20)
    frames, tags = run(samples, framer, max_items=max_items)
    assert np.array_equal(frames, samples.reshape(50, 20, n_antennas)[:, :8])
    assert list(tags) == [0]
    assert (framer.frames(), framer.partial_frames(), framer.gaps()) == (50, 0, 0)
    assert framer.samples() == 1000


def test_the_first_frame_tells_number_time_period_rate_and_totals():
    tags = [time_tag(0, 1_700_000_000, 0.25), tag(0, "rx_rate", pmt.from_double(2e6))]
    _, found = run(numbered(range(100), 1), pilot_framer(8, 1, 20, offset=5), tags)
    assert found == {
        0: {
            "frame_id": 0,
            "rx_time": (1_700_000_000, 0.2500025),
            "slot_period": 20,
            "rx_rate": 2e6,
            "pilot_length": 8,
            "n_antennas": 1,
            "framer": TOTALS | {"samples": 13, "rate_conflicts": 1},
        }
    }


def test_a_gap_inside_a_pilot_loses_that_slot_on_all_antennas():
    samples = numbered([*range(0, 43), *range(46, 120)], 3)
    framer = pilot_framer(8, 3, 20)
    frames, tags = run(samples, framer, [time_tag(0, 5, 0.0), time_tag(43, 5, 46 / RATE)])
    assert starts(frames) == [0, 20, 60, 80, 100]
    assert np.array_equal(frames[2], numbered(range(60, 68), 3))
    assert tags[2]["frame_id"] == 3
    assert tags[2]["rx_time"] == (5, 60 / RATE)
    assert tags[2]["framer"] == TOTALS | {
        "gaps": 1,
        "slots_lost": 1,
        "partial_frames": 1,
        "samples": 65,
        "rate_conflicts": 0,
    }
    assert sorted(tags) == [0, 2]
    assert (framer.gaps(), framer.slots_lost(), framer.partial_frames()) == (1, 1, 1)


def test_a_gap_in_the_guard_loses_nothing():
    framer = pilot_framer(8, 1, 20)
    samples = numbered([*range(0, 49), *range(55, 120)], 1)
    frames, tags = run(samples, framer, [time_tag(0, 5, 0.0), time_tag(49, 5, 55 / RATE)])
    assert starts(frames) == [0, 20, 40, 60, 80, 100]
    assert tags[3]["frame_id"] == 3
    assert (framer.gaps(), framer.slots_lost(), framer.partial_frames()) == (1, 0, 0)


def test_a_retune_loses_nothing():
    framer = pilot_framer(8, 1, 20)
    tags = [time_tag(0, 5, 0.0), time_tag(43, 5, 43.4 / RATE), tag(43, "rx_freq", pmt.from_double(1e9))]
    frames, found = run(numbered(range(120), 1), framer, tags)
    assert starts(frames) == [0, 20, 40, 60, 80, 100]
    assert list(found) == [0]
    assert (framer.gaps(), framer.slots_lost(), framer.partial_frames()) == (0, 0, 0)


def test_time_that_jumps_backwards_takes_the_numbers_with_it():
    framer = pilot_framer(8, 1, 20, slot_origin=(5, 0.0))
    samples = numbered([*range(0, 90), *range(50, 110)], 1)
    frames, tags = run(samples, framer, [time_tag(0, 5, 0.0), time_tag(90, 5, 50 / RATE)])
    assert starts(frames) == [0, 20, 40, 60, 80, 60, 80, 100]
    assert tags[5]["frame_id"] == 3
    assert framer.gaps() == 1


@pytest.mark.parametrize("seed", range(5))
def test_many_gaps(seed):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.integers(1, 300, size=100))
    stretches = list(zip([0, *edges[1:-1:2].tolist()], edges[::2].tolist(), strict=True))
    samples = numbered(np.concatenate([np.arange(*stretch) for stretch in stretches]), 2)
    delivered = np.cumsum([0] + [end - first for first, end in stretches])
    tags = [
        time_tag(int(at), 9, first / RATE) for at, (first, _) in zip(delivered[:-1], stretches, strict=True)
    ]
    frames, found = run(samples, pilot_framer(30, 2, 50, tag_every_frame=True), tags)
    whole = [
        50 * number
        for first, end in stretches
        for number in range(-(-first // 50), edges[-1] // 50 + 1)
        if 50 * number + 30 <= end
    ]
    assert starts(frames) == whole
    assert [found[index]["frame_id"] * 50 for index in range(len(whole))] == whole
    assert all(
        np.array_equal(frame, numbered(range(at, at + 30), 2))
        for at, frame in zip(whole, frames, strict=True)
    )


@pytest.mark.parametrize("n_antennas", [1, 2])
def test_slots_of_100000_samples_pass_through_default_buffers(n_antennas):
    framer = pilot_framer(64, n_antennas, 100_000)
    frames, _ = run(numbered(range(350_010), n_antennas), framer)
    assert starts(frames) == [0, 100_000, 200_000, 300_000]
    assert framer.samples() == 350_010


def test_a_pilot_longer_than_the_buffers():
    samples = numbered(range(100_000), 1)
    frames, _ = run(samples, pilot_framer(40_000, 1, 50_000))
    assert np.array_equal(frames, samples.reshape(2, 50_000, 1)[:, :40_000])


def test_a_frame_cut_off_by_the_end_is_counted():
    framer = pilot_framer(8, 1, 20)
    frames, _ = run(numbered(range(45), 1), framer)
    assert starts(frames) == [0, 20]
    assert (framer.frames(), framer.partial_frames(), framer.samples()) == (2, 1, 45)


def test_a_tag_can_move_the_grid():
    framer = pilot_framer(8, 1, 20, resync_tag="corr_start", resync_offset=4)
    frames, tags = run(numbered(range(110), 1), framer, [tag(51, "corr_start", pmt.from_double(0.9))])
    assert starts(frames) == [0, 20, 40, 55, 75, 95]
    assert tags[3]["frame_id"] == 3
    assert tags[3]["rx_time"] == (0, 55 / RATE)


def test_other_tags_do_not_move_the_grid():
    framer = pilot_framer(8, 1, 20)
    frames, tags = run(numbered(range(110), 1), framer, [tag(51, "corr_start", pmt.from_double(0.9))])
    assert starts(frames) == [0, 20, 40, 60, 80, 100]
    assert "corr_start" not in tags[0] and list(tags) == [0]


def test_every_frame_is_tagged_on_demand():
    _, tags = run(numbered(range(110), 1), pilot_framer(8, 1, 20, tag_every_frame=True))
    assert [tags[index]["frame_id"] for index in range(6)] == list(range(6))
    assert [tags[index]["rx_time"] for index in range(6)] == [(0, index * 20 / RATE) for index in range(6)]


@pytest.mark.parametrize(
    "malformed",
    [
        tag(30, "rx_time", pmt.from_double(1.0)),
        tag(30, "rx_time", pmt.make_tuple(pmt.from_uint64(1))),
        tag(30, "rx_time", pmt.make_tuple(pmt.from_uint64(1), pmt.intern("x"))),
        tag(30, "rx_time", pmt.make_tuple(pmt.from_uint64(1), pmt.from_double(float("nan")))),
        tag(30, "rx_rate", pmt.intern("fast")),
        tag(30, "rx_rate", pmt.from_double(0.0)),
        tag(30, "rx_rate", pmt.from_double(float("inf"))),
    ],
    ids=["a number", "no fraction", "a word as fraction", "nan", "a word as rate", "zero", "infinite"],
)
def test_a_malformed_tag_is_left_out(malformed):
    framer = pilot_framer(8, 1, 20)
    frames, _ = run(numbered(range(110), 1), framer, [malformed])
    assert starts(frames) == [0, 20, 40, 60, 80, 100]
    assert framer.gaps() == 0


def test_the_samples_are_not_modified():
    samples = numbered(range(5000), 2)
    framer = pilot_framer(8, 2, 20)
    top, others = gr.top_block(), [blocks.vector_sink_c() for _ in range(2)]
    for antenna, other in enumerate(others):
        source = blocks.vector_source_c(samples[:, antenna].tolist())
        top.connect(source, (framer, antenna))
        top.connect(source, other)
    top.connect(framer, blocks.null_sink(8 * 16))
    top.run()
    assert np.array_equal(np.stack([other.data() for other in others], axis=1), samples)


def test_it_survives_garbage_collection():
    def build():
        samples = numbered(range(5000), 2)
        return flowgraph(samples, pilot_framer(8, 2, 20))

    top, sink, _ = build()
    gc.collect()
    top.run()
    assert len(sink.data()) == 250 * 16


def test_a_flowgraph_can_run_again():
    framer = pilot_framer(8, 1, 20)
    top, sink, source = flowgraph(numbered(range(45), 1), framer, [time_tag(0, 5, 0.0)])
    top.run()
    source.rewind()
    top.run()
    assert [value.real for value in sink.data()[::8]] == [0, 20, 0, 20]
    assert (framer.frames(), framer.samples(), framer.partial_frames()) == (4, 90, 2)


def test_it_stops_at_once():
    top = gr.top_block()
    framer = pilot_framer(8, 1, 20)
    top.connect(blocks.null_source(8), framer, blocks.null_sink(64))
    top.start()
    while framer.frames() < 1000:
        time.sleep(0.001)
    began = time.monotonic()
    top.stop()
    top.wait()
    assert time.monotonic() - began < 60  # it would never end


def test_the_buffers_in_front_hold_many_samples():
    source, framer = blocks.vector_source_c([1.0] * 100), pilot_framer(8, 1, 20)
    flowgraph, sink = gr.top_block(), blocks.vector_sink_c(8)
    flowgraph.connect(source, framer, sink)
    flowgraph.run()
    assert len(sink.data()) == 5 * 8
    assert framer.relative_rate() == 2**-16


@pytest.mark.parametrize(("pilot_length", "n_antennas"), [(8, 1), (64, 4), (10_000, 64), (100_000, 64)])
def test_the_output_buffer_holds_2_to_1024_frames(pilot_length, n_antennas):
    framer = pilot_framer(pilot_length, n_antennas, pilot_length)
    frame = 8 * pilot_length * n_antennas
    assert framer.min_output_buffer(0) == min(max(16_000_000 // frame, 2), 1024)


@pytest.mark.parametrize(
    ("name", "value"),
    [("pilot_length", 0), ("n_antennas", -1), ("slot_period", 3), ("slot_origin", "now"), ("rate", -1.0)],
)
def test_wrong_arguments_are_named(name, value):
    arguments = {"pilot_length": 8, "n_antennas": 1, "slot_period": 20} | {name: value}
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        pilot_framer(**arguments)


@pytest.mark.parametrize("max_items", [7, 4096])
def test_the_noise_of_the_guards_goes_along(max_items):
    """Samples 12 to 17 of a slot are the guard, of power 9 and 1 on two antennas."""
    inside = (np.arange(1000) % 20 >= 12) & (np.arange(1000) % 20 < 18)
    samples = np.where(inside[:, None], [3, 1j], 100).astype(np.complex64)
    framer = pilot_framer(8, 2, 20, guard_start=12, guard_length=6)
    frames, found = run(samples, framer, max_items=max_items)
    told = [tags["noise_var"] for tags in found.values() if "noise_var" in tags]
    assert len(frames) == 50 and told
    assert told == pytest.approx([5.0] * len(told))


def test_a_guard_beyond_the_slot_is_named():
    with pytest.raises(ValueError, match="guard_start, guard_length: expected a part of the slot"):
        pilot_framer(8, 1, 20, guard_start=15, guard_length=6)
