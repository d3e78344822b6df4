# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.random_access import Occasion, Preambles, PreambleSearch
from gr_jadce.random_access.air import Air, Sent


def received(preambles, rate, sent, *, snr_db, n_antennas=2, channel="awgn", seed=0):
    """Subcarriers (1, repetitions·L, M) of an occasion."""
    occasion = Occasion(preambles, rate)
    air = Air(occasion, n_antennas, channel=channel, snr_db=snr_db)
    samples = air.samples(Sent(*map(np.array, sent)), np.random.default_rng(seed))
    return occasion.symbols(samples[None, occasion.offset :])


@pytest.mark.parametrize(
    ("preambles", "rate"),
    [
        (Preambles("0", logical_root=22, cyclic_shift=13), 1.92e6),
        (Preambles("0", logical_root=5, cyclic_shift=0), 1.92e6),
        (Preambles("1", cyclic_shift=59), 1.92e6),
        (Preambles("3", cyclic_shift=26), 7.68e6),
        (Preambles("A1", cyclic_shift=23), 3.84e6),
        (Preambles("B4", 30e3, cyclic_shift=46), 7.68e6),
        (Preambles("C0", cyclic_shift=10), 3.84e6),
    ],
)
def test_a_preamble_is_found_with_its_delay_and_offset(preambles, rate):
    offset, delay = 150.0, 5.3 / preambles.bandwidth
    frame = received(preambles, rate, ([37], [delay], [offset]), snr_db=0)
    rows = PreambleSearch(preambles).decide_rows(frame)
    assert rows.device.tolist() == [37]
    assert rows.delay[0] == pytest.approx(5.3, abs=0.15)
    duration = preambles.repetitions / preambles.spacing
    assert rows.carrier_offset[0] * preambles.bandwidth == pytest.approx(offset, abs=max(0.1 / duration, 20))
    size = preambles.repetitions * preambles.length
    assert np.mean(np.abs(rows.channel[0]) ** 2) == pytest.approx(size, rel=0.25)
    assert rows.noise_var[0] == pytest.approx(1, rel=0.2)


def test_preambles_of_several_roots_are_told_apart_whatever_their_powers():
    preambles = Preambles("A2", cyclic_shift=23)
    sent = [3, 4, 20, 21, 40], np.array([0.5, 2.5, 7.0, 1.0, 4.0]) / preambles.bandwidth, np.zeros(5)
    strong = received(preambles, 3.84e6, ([11, 33], [1e-6, 3e-6], [100.0, -200.0]), snr_db=25)
    rows = PreambleSearch(preambles).decide_rows(received(preambles, 3.84e6, sent, snr_db=0) + strong)
    assert rows.device.tolist() == [3, 4, 11, 20, 21, 33, 40]
    np.testing.assert_allclose(rows.delay[[0, 1, 3, 4, 6]], [0.5, 2.5, 7.0, 1.0, 4.0], atol=0.3)


def test_echoes_are_paths_of_their_preamble():
    preambles = Preambles("A3", 30e3, cyclic_shift=46)
    frame = received(
        preambles, 7.68e6, ([8], [1e-6], [400.0]), snr_db=15, channel="tdlc300-100", n_antennas=4
    )
    rows = PreambleSearch(preambles).decide_rows(frame)
    assert rows.device.tolist() == [8] and len(rows.tap_delay) >= 4
    assert np.sum(np.abs(rows.tap_gain) ** 2) > 0


def test_false_alarms_of_an_occasion_are_fewer_than_wanted_and_not_too_few():
    preambles = Preambles("C0", cyclic_shift=23)
    noise = Air(Occasion(preambles, 3.84e6), 2).noise(1500, np.random.default_rng(1))
    rows = PreambleSearch(preambles).decide_rows(noise, 0.2)
    occasions = len(np.unique(rows.frame)) / 1500
    assert 0.2 / 8 < occasions <= 0.2
    level = PreambleSearch(preambles).decide_rows(noise[:300], 0.2, noise_var=10.0)
    assert len(level.device) < len(np.unique(rows.frame[rows.frame < 300])) / 2


def test_answers_do_not_depend_on_the_batch_nor_on_the_scale():
    preambles = Preambles("A1", cyclic_shift=23)
    frames = np.concatenate(
        [received(preambles, 3.84e6, ([n], [2e-6], [0.0]), snr_db=-3, seed=n) for n in range(4)]
    )
    search = PreambleSearch(preambles)
    rows = search.decide_rows(frames)
    alone = search.decide_rows(1e-3 * frames[2:3])
    assert rows.device.tolist() == [0, 1, 2, 3] and alone.device.tolist() == [2]
    assert alone.noise_var[0] == pytest.approx(1e-6 * rows.noise_var[2], rel=1e-3)
    assert alone.delay[0] == pytest.approx(rows.delay[2], abs=1e-3)


def test_silence_holds_nothing():
    preambles = Preambles("C0", cyclic_shift=46)
    rows = PreambleSearch(preambles).decide_rows(np.zeros((2, 139, 1), np.complex64))
    assert rows.start.tolist() == [0, 0, 0] and rows.noise_var.tolist() == [0, 0]
