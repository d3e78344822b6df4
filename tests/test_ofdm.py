# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots on the subcarriers of an OFDM symbol."""

import numpy as np
import pytest

from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.metrics import nmse_db
from gr_jadce.pilots import as_pilot_book, make_pilots
from gr_jadce.uplink import Scenario
from gr_jadce.uplink.bursts import burst_length, simulate_bursts
from gr_jadce.waveform import Ofdm, Waveform, late

PILOTS = make_pilots("gaussian", 5, 16, seed=1).matrix.astype(complex)


def behind_the_prefix(waveform, bursts, length=16):
    return waveform.symbols(bursts[waveform.offset :][: length * waveform.samples_per_symbol])


@pytest.mark.parametrize("length", [16, 15])
@pytest.mark.parametrize(("samples_per_symbol", "prefix"), [(2, 0), (4, 3)])
def test_behind_the_prefix_are_the_sequences(samples_per_symbol, prefix, length):
    waveform = Ofdm(samples_per_symbol, cyclic_prefix=prefix)
    bursts = waveform.bursts(PILOTS[:length])
    assert bursts.shape == (waveform.n_samples(length), 5)
    symbols = behind_the_prefix(waveform, bursts, length)
    assert symbols == pytest.approx(waveform.sequences(PILOTS[:length]), abs=1e-12)


def test_a_pilot_is_on_its_subcarriers_with_its_energy():
    waveform = Ofdm(4)
    bursts = waveform.bursts(PILOTS)
    assert np.sum(np.abs(bursts) ** 2, axis=0) == pytest.approx(np.sum(np.abs(PILOTS) ** 2, axis=0))
    spectrum = np.fft.fft(bursts, axis=0, norm="ortho")
    assert spectrum[0] == pytest.approx(PILOTS[8], abs=1e-12)  # the carrier's own
    assert spectrum[-8] == pytest.approx(PILOTS[0], abs=1e-12)
    assert np.abs(spectrum[8:-8]).max() < 1e-12


def test_the_prefix_is_the_end_of_the_symbol():
    waveform = Ofdm(4, cyclic_prefix=3)
    bursts = waveform.bursts(PILOTS)
    assert bursts[:12] == pytest.approx(bursts[-12:])


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0, 2.75])
def test_a_delay_within_the_prefix_is_a_cyclic_shift(delay):
    waveform = Ofdm(4, cyclic_prefix=3)
    received = behind_the_prefix(waveform, waveform.bursts(PILOTS, delay))
    operator = late(np.array([delay]), 16, waveform.roll_off)[0]
    assert received == pytest.approx(operator @ waveform.sequences(PILOTS), abs=1e-12)
    if delay == 1:
        assert received == pytest.approx(np.roll(waveform.sequences(PILOTS), 1, axis=0), abs=1e-12)


def test_noise_stays_white_and_as_strong():
    noise = np.random.default_rng(1).standard_normal((2000, 64, 2, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    symbols = Ofdm(4).symbols(noise)
    rows = np.moveaxis(symbols, 1, -1).reshape(-1, 16)
    assert rows.T @ rows.conj() / len(rows) == pytest.approx(np.eye(16), abs=0.08)


@pytest.mark.parametrize("arguments", [{"samples_per_symbol": 1}, {"cyclic_prefix": -1}])
def test_arguments_out_of_range_are_named(arguments):
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: expected"):
        Ofdm(**arguments)


@pytest.mark.parametrize("kind", ["qpsk", "gaussian"])
def test_a_receiver_finds_devices_out_of_step_as_with_pulses(kind):
    book = make_pilots(kind, 64, 32, seed=3)
    found = {}
    for waveform in (Ofdm(4, cyclic_prefix=4), Waveform(4, cyclic_prefix=4)):
        scenario = Scenario(book, 4, n_active=8, snr_db=15, max_delay=3, max_offset=2e-4, cyclic_prefix=4)
        period = burst_length(scenario, waveform) + 3
        samples, truth = simulate_bursts(scenario, waveform, period, 30, seed=4)
        own, frames = received(waveform, book, samples, period)
        delayed = Delayed(own, Asynchrony(3, 2e-4, 4, waveform.roll_off))
        decision = delayed.decide(frames, 0.01)
        assert np.mean(~decision.activity[truth.activity]) <= 0.02
        assert np.mean(decision.activity[~truth.activity]) <= 0.015
        hit = decision.activity & truth.activity
        assert np.median(np.abs(decision.delay - truth.delay)[hit]) < 0.05
        found[type(waveform)] = nmse_db(decision.channel, truth.channel)
    assert found[Ofdm] < found[Waveform] + 0.5


def received(waveform, book, samples, period):
    """The book as a receiver sees it, and frames (B, L, M)."""
    slots, step = samples.reshape(-1, period, 4), waveform.samples_per_symbol
    if isinstance(waveform, Ofdm):
        frames = waveform.symbols(slots[:, waveform.offset :][:, : 32 * step]).astype(np.complex64)
        return as_pilot_book(waveform.sequences(book.matrix)), frames
    filtered = [[np.convolve(antenna, waveform.taps) for antenna in slot.T] for slot in slots]
    first = np.swapaxes(np.array(filtered), 1, 2)[:, waveform.offset :: step][:, :32]
    return book, first.astype(np.complex64)
