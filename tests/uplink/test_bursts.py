# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.metrics import nmse_db
from gr_jadce.pilots import make_pilots
from gr_jadce.uplink import Scenario, simulate
from gr_jadce.uplink.bursts import burst_length, digitise, matched_filter, simulate_bursts
from gr_jadce.waveform import Waveform

BOOK = make_pilots("qpsk", 64, 32, seed=3)
SCENARIO = Scenario(BOOK, 4, n_active=8, snr_db=15)


def frames_of(samples, waveform, period):
    """(B, L, M) frames behind the matched filter."""
    filtered = matched_filter(samples, waveform)
    step, length = waveform.samples_per_symbol, BOOK.pilot_length
    starts = np.arange(len(samples) // period) * period + waveform.offset
    return np.stack([filtered[start : start + length * step : step] for start in starts])


def test_behind_the_matched_filter_devices_in_step_are_pilots_times_channels_plus_noise():
    waveform = Waveform(4, span=16)
    samples, truth = simulate_bursts(SCENARIO, waveform, 300, 40, seed=2)
    assert samples.shape == (40 * 300, 4)
    noise = frames_of(samples, waveform, 300) - BOOK.matrix @ truth.channel
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(truth.noise_var, rel=0.05)
    uplink = simulate(SCENARIO, 40, seed=2)
    assert np.array_equal(truth.channel, uplink.channel)
    assert truth.noise_var == uplink.noise_var


def test_slots_do_not_depend_on_their_batch():
    scenario = replace(SCENARIO, max_delay=0.5, max_offset=1e-3, phase_noise=0.01)
    samples, truth = simulate_bursts(scenario, Waveform(4), 250, 6, seed=2)
    again, part = simulate_bursts(scenario, Waveform(4), 250, 2, seed=2, first_slot=3)
    assert np.array_equal(samples[3 * 250 : 5 * 250], again)
    assert np.array_equal(truth.delay[3:5], part.delay)


@pytest.mark.parametrize(("prefix", "delay"), [(0, 0.5), (4, 3)])
def test_a_receiver_finds_devices_out_of_step(prefix, delay):
    waveform = Waveform(4, cyclic_prefix=prefix)
    scenario = replace(SCENARIO, max_delay=delay, max_offset=2e-4, cyclic_prefix=prefix)
    period = burst_length(scenario, waveform)
    samples, truth = simulate_bursts(scenario, waveform, period, 30, seed=4)
    frames = frames_of(samples, waveform, period)
    delayed = Delayed(BOOK, Asynchrony(3 if prefix else 0, 2e-4, prefix))
    found = delayed.decide(frames, 0.01)
    assert np.mean(~found.activity[truth.activity]) <= 0.02
    assert np.mean(found.activity[~truth.activity]) <= 0.015
    hit = found.activity & truth.activity
    assert np.median(np.abs(found.delay - truth.delay)[hit]) < 0.05
    assert nmse_db(found.channel, truth.channel) < -15


def test_phase_noise_and_offset_leave_the_phase_at_the_start_of_the_pilot():
    waveform = Waveform(4, span=16)
    scenario = replace(SCENARIO, n_active=1, snr_db=80, max_offset=1e-3, phase_noise=0.02)
    samples, truth = simulate_bursts(scenario, waveform, 300, 20, seed=1)
    first = frames_of(samples, waveform, 300)[:, 0]
    wanted = np.einsum("n,bnm->bm", BOOK.matrix[0], truth.channel)
    assert nmse_db(first, wanted) < -25


def test_a_converter_clips_and_rounds():
    samples = np.array([0.3 + 2j, -3 - 0.26j], np.complex64)
    assert digitise(samples, 1, 3).tolist() == [0.25 + 0.75j, -1 - 0.25j]
    assert digitise(samples, 1, 0) == pytest.approx([0.3 + 1j, -1 - 0.26j])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="^slot_period: expected at least 189 samples, a burst, got 188"):
        simulate_bursts(SCENARIO, Waveform(4), 188, 1)
    with pytest.raises(ValueError, match="^cyclic_prefix: expected the waveform's, 2 symbols, got 0"):
        simulate_bursts(SCENARIO, Waveform(4, cyclic_prefix=2), 300, 1)
    with pytest.raises(ValueError, match=r"^roll_off: expected 0\.25"):
        simulate_bursts(SCENARIO, Waveform(4, roll_off=0.5), 300, 1)
