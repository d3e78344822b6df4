# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.random_access import Occasion, OccasionReceiver, Preambles
from gr_jadce.random_access.air import Air, Sent


@pytest.mark.parametrize(
    ("preambles", "rate"),
    [(Preambles("0", logical_root=22), 1.92e6), (Preambles("A2", 30e3, cyclic_shift=46), 30.72e6)],
)
def test_samples_become_preambles_with_timing_and_power(preambles, rate):
    occasion = Occasion(preambles, rate)
    rng, air = np.random.default_rng(2), Air(occasion, 2, snr_db=3)
    sent = Sent(np.array([12, 40]), np.array([2e-6, 4e-6]), np.array([0.0, 100.0]))
    first = air.samples(sent, rng)
    second = air.samples(Sent(*np.empty((3, 0))), rng)
    found = OccasionReceiver(occasion).detect(np.concatenate([first, second]), [0, len(first)])
    assert [detection.preamble for detection in found[0]] == [12, 40] and found[1] == []
    for detection, delay in zip(found[0], sent.delay, strict=True):
        assert detection.timing_advance == pytest.approx(delay, abs=0.2 / preambles.bandwidth)
        assert detection.snr_db == pytest.approx(3, abs=1)
        power = 10**0.3 / occasion.samples_per_symbol
        assert detection.power == pytest.approx(power, rel=0.2)
        assert detection.score > 3 and len(detection.path_delays) == len(detection.path_powers) >= 1
    assert found[0][1].carrier_offset == pytest.approx(100, abs=400 if preambles.length == 139 else 40)
