# SPDX-License-Identifier: GPL-3.0-or-later
from itertools import pairwise

import numpy as np
import pytest

from gr_jadce.pilots import make_pilots
from gr_jadce.waveform import Waveform, raised_cosine, root_raised_cosine, strongest_responses

PILOTS = make_pilots("qpsk", 5, 16, seed=1).matrix.astype(complex)


def behind_matched_filter(waveform, bursts):
    """One sample a symbol, from the pilot's first on."""
    filtered = np.stack([np.convolve(burst, waveform.taps) for burst in bursts.T], axis=1)
    return filtered[waveform.offset :: waveform.samples_per_symbol][: len(PILOTS)]


@pytest.mark.parametrize("roll_off", [0.2, 0.25, 1.0])
def test_the_pulse_has_unit_energy_and_no_singularity(roll_off):
    time = np.arange(-4000, 4001) / 100
    pulse = root_raised_cosine(time, roll_off)
    assert np.sum(pulse**2) / 100 == pytest.approx(1, abs=1e-4)
    assert np.abs(np.diff(pulse)).max() < 0.05
    assert np.abs(np.diff(raised_cosine(time, roll_off))).max() < 0.05


def test_two_pulses_make_a_raised_cosine():
    waveform = Waveform(samples_per_symbol=8, span=32)
    both = np.convolve(waveform.taps, waveform.taps)
    time = (np.arange(len(both)) - len(both) // 2) / 8
    assert both == pytest.approx(raised_cosine(time, 0.25), abs=1e-3)


def test_the_taps_are_those_of_gnu_radio():
    firdes = pytest.importorskip("gnuradio.filter").firdes
    taps = np.array(firdes.root_raised_cosine(1, 4, 1, 0.25, 65))
    assert Waveform(4, 0.25, span=8).taps == pytest.approx(taps / np.linalg.norm(taps), abs=1e-4)


@pytest.mark.parametrize("prefix", [0, 3])
@pytest.mark.parametrize("samples_per_symbol", [2, 5])
def test_behind_the_matched_filter_is_the_pilot(samples_per_symbol, prefix):
    waveform = Waveform(samples_per_symbol, 0.25, span=16, cyclic_prefix=prefix)
    bursts = waveform.bursts(PILOTS)
    assert bursts.shape == (waveform.n_samples(16), 5)
    assert behind_matched_filter(waveform, bursts) == pytest.approx(PILOTS, abs=2e-3)


def test_a_delay_within_the_prefix_shifts_the_pilot_cyclically():
    waveform = Waveform(4, 0.25, span=16, cyclic_prefix=3)
    bursts = waveform.bursts(PILOTS, [0, 1, 2, 3, 2])
    received = behind_matched_filter(waveform, bursts)
    for n, late in enumerate([0, 1, 2, 3, 2]):
        assert received[:, n] == pytest.approx(np.roll(PILOTS[:, n], late), abs=2e-3)


def test_a_fractional_delay_delays_the_samples_too():
    waveform = Waveform(4)
    late = waveform.bursts(PILOTS, np.full(5, 0.75))
    assert late[3:] == pytest.approx(waveform.bursts(PILOTS), abs=1e-12)
    assert len(waveform.bursts(PILOTS, 0.6)) == waveform.n_samples(16) + 3


def test_nobody_sends_silence():
    assert Waveform().bursts(PILOTS[:, :0], np.zeros(0)).shape == (Waveform().n_samples(16), 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples_per_symbol", 1),
        ("samples_per_symbol", 2.0),
        ("roll_off", 0),
        ("roll_off", 1.1),
        ("span", 0),
        ("cyclic_prefix", -1),
    ],
)
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Waveform(**{name: value})


def test_a_prefix_longer_than_the_pilot_is_refused():
    with pytest.raises(ValueError, match="^cyclic_prefix: expected at most the pilot length 16, got 17"):
        Waveform(cyclic_prefix=17).bursts(PILOTS)


@pytest.mark.parametrize("counts", [[3, 1, 5, 3, 1, 2], [40, 40, 40]])  # the latter: more than at once
def test_the_strongest_response_is_the_largest_of_those_about_all_paths(counts):
    rng, start = np.random.default_rng(1), np.cumsum([0, *counts])
    delay = rng.integers(0, 16, start[-1]) / 2 + rng.choice([0, 0.13], start[-1])
    gain = rng.standard_normal((start[-1], 3)) + 1j * rng.standard_normal((start[-1], 3))
    value, place = strongest_responses(gain, delay, start, 0.25)
    for d, (first, last) in enumerate(pairwise(start)):
        tried = np.unique(np.add.outer(np.arange(-8, 9) / 16, delay[first:last]))
        response = raised_cosine(tried[:, None] - delay[first:last], 0.25) @ gain[first:last]
        best = np.linalg.norm(response, axis=1).argmax()
        if counts[d] == 1:
            assert place[d] == delay[first] and np.array_equal(value[d], gain[first])
        else:
            assert place[d] == tried[best] and value[d] == pytest.approx(response[best])
