# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.random_access import Occasion, Preambles
from gr_jadce.random_access.occasions import USUAL_RATES

LONG = Preambles("0", logical_root=22)
SHORT = {spacing: Preambles("B4", spacing, cyclic_shift=23) for spacing in (15e3, 30e3)}


@pytest.mark.parametrize(
    ("preambles", "rate"),
    [
        *[(LONG, rate) for rate in USUAL_RATES],
        *[(SHORT[15e3], rate) for rate in USUAL_RATES[1:]],
        *[(SHORT[30e3], rate) for rate in USUAL_RATES[2:]],
    ],
)
def test_a_delay_is_a_phase_ramp_on_the_subcarriers(preambles, rate):
    occasion = Occasion(preambles, rate)
    delay = np.array([0.0, 3.3])
    bursts = occasion.bursts(preambles.matrix[:, [5, 40]], delay)
    received = occasion.symbols(bursts[occasion.offset :][: occasion.body])
    k = np.tile(np.arange(preambles.length) - preambles.length // 2, preambles.repetitions)[:, None]
    ramp = np.exp(-2j * np.pi * k * delay / preambles.length)
    np.testing.assert_allclose(received, preambles.matrix[:, [5, 40]] * ramp, atol=1e-6)


def test_durations_are_those_of_the_standard():
    occasion = Occasion(LONG, 1.92e6)
    assert (occasion.fft_size, occasion.offset, occasion.body) == (1536, 198, 1536)
    occasion = Occasion(SHORT[30e3], 30.72e6)
    assert (occasion.fft_size, occasion.offset, occasion.body) == (1024, 468, 12 * 1024)


def test_what_comes_before_and_after_an_occasion_is_silence():
    occasion = Occasion(LONG, 1.92e6)
    burst = occasion.bursts(LONG.matrix[:, :1], 10.0)[:, 0]
    late = 10.0 * occasion.samples_per_symbol
    assert len(burst) == occasion.offset + occasion.body + np.ceil(late)
    assert np.flatnonzero(burst)[0] == np.ceil(late)
    np.testing.assert_allclose(
        burst[30 : occasion.offset], burst[30 + 1536 :][: occasion.offset - 30], atol=1e-9
    )


def test_subcarriers_may_be_off_the_middle():
    occasion = Occasion(LONG, 7.68e6, first_subcarrier=-2000)
    middle = Occasion(LONG, 7.68e6)
    turned = middle.bursts(LONG.matrix[:, :1])[:, 0]
    time = np.arange(len(turned)) - middle.offset
    moved = turned * np.exp(2j * np.pi * time * (-2000 + 419) / middle.fft_size)
    np.testing.assert_allclose(occasion.bursts(LONG.matrix[:, :1])[:, 0], moved, atol=1e-9)


def test_occasions_are_cut_out_of_a_stream():
    occasion = Occasion(LONG, 1.92e6)
    stream = np.zeros((6000, 2), complex)
    burst = occasion.bursts(LONG.matrix[:, :1])
    stream[100 : 100 + len(burst)] += burst
    stream[3000 : 3000 + len(burst)] += 2j * burst
    cut = occasion.cut(stream, [100, 3000])
    np.testing.assert_allclose(cut[0], np.repeat(LONG.matrix[:, :1], 2, axis=1), atol=1e-6)
    np.testing.assert_allclose(cut[1], 2j * cut[0], atol=1e-6)
    with pytest.raises(ValueError, match="starts: expected occasions of 1734 samples within 6000"):
        occasion.cut(stream, [5000])


@pytest.mark.parametrize(
    ("preambles", "rate", "message"),
    [
        (SHORT[15e3], 1.92e6, "rate: expected at least 2.1e"),
        (LONG, 1.92e6 + 1, "rate: expected one at which 1250 Hz and a prefix of 103.12"),
        (SHORT[15e3], 15e3 * 150, "rate: expected one at which 15000 Hz"),
    ],
)
def test_rates_that_do_not_fit_are_refused(preambles, rate, message):
    with pytest.raises(ValueError, match=message):
        Occasion(preambles, rate)
