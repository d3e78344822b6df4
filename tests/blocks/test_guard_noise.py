# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise that a framer measures in the guards, and what a receiver makes of it."""

import numpy as np
import pmt
import pytest
from collector import collector
from gnuradio import blocks, gr
from receivers import BOOK, LENGTH, tag

from gr_jadce.blocks import pilot_framer, receiver
from gr_jadce.blocks.support.tags import guard_tags, read_guard
from gr_jadce.slots.guard import GuardNoise
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.fading import complex_normal

PERIOD, GUARD = 64, (40, 20)


def slots(n_slots, direction):
    """Samples (n, M) of slots with an interferer 20 dB over the noise, and the noise variance."""
    rng, uplink = np.random.default_rng(2), simulate(Scenario(BOOK, 2, n_active=4, snr_db=15), n_slots, 3)
    noise = complex_normal(rng, (n_slots, PERIOD, 2)) * np.sqrt(uplink.noise_var)
    noise[:, :LENGTH] = uplink.received
    interferer = complex_normal(rng, (n_slots, PERIOD, 1)) * np.sqrt(100 * uplink.noise_var)
    return (noise + interferer * direction).reshape(-1, 2).astype(np.complex64), uplink.noise_var


@pytest.mark.parametrize("max_items", [50, 4096])
def test_a_receiver_whitens_by_the_covariance_of_the_guards(max_items):
    direction = np.array([1, 1j])
    samples, noise_var = slots(150, direction)
    framer = pilot_framer(LENGTH, 2, PERIOD, guard_start=GUARD[0], guard_length=GUARD[1])
    block, sink = receiver(BOOK, 2, max_batch=16, noise_memory=64), collector()
    top = gr.top_block()
    for antenna, stream in enumerate(samples.T):
        top.connect(blocks.vector_source_c(stream.tolist()), (framer, antenna))
    top.connect(framer, block)
    sink.listen_to(top, block)
    top.run(max_items)
    assert block.frames_solved() == 150
    for report in sink.reports[-20:]:
        variance = noise_var * (1 + 100)
        assert report.noise_vars == pytest.approx([variance, variance], rel=0.8)
        assert report.interference_db == pytest.approx(10 * np.log10(201), abs=5)


def test_the_covariance_comes_through_its_tag_as_it_was():
    noise = GuardNoise(np.array([[2, 1j], [-1j, 3]]), 40)
    noise_var, read = read_guard(guard_tags(noise))
    assert noise_var == 2.5 and read.n_samples == 40
    np.testing.assert_array_equal(read.covariance, noise.covariance)
    assert read_guard({"noise_var": pmt.from_double(0.5)}) == (0.5, None)


def test_a_malformed_covariance_is_left_out():
    samples, _ = slots(20, np.array([1, 1j]))
    frames = samples.reshape(20, PERIOD, 2)[:, :LENGTH]
    tags = [tag(0, "noise_var", pmt.from_double(0.1)), tag(0, "noise_cov", pmt.intern("none"))]
    block, sink, top = receiver(BOOK, 2, noise_memory=8), collector(), gr.top_block()
    source = blocks.vector_source_c(frames.ravel().tolist(), False, LENGTH * 2, tags)
    top.connect(source, block)
    sink.listen_to(top, block)
    top.run()
    assert block.frames_solved() == 20
