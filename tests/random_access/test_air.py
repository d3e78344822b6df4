# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.random_access import Occasion, Preambles
from gr_jadce.random_access.air import TDLC300_DELAYS_S, TDLC300_POWERS_DB, Air, Sent

OCCASION = Occasion(Preambles("A1", cyclic_shift=23), 3.84e6)
ONE = Sent(np.array([9]), np.array([0.7e-6]), np.array([0.0]))


@pytest.mark.parametrize("channel", ["awgn", "tdlc300-100"])
def test_the_ratio_of_energies_on_the_subcarriers_is_the_snr(channel):
    rng, air = np.random.default_rng(0), Air(OCCASION, 4, channel=channel, snr_db=20)
    symbols = [OCCASION.symbols(air.samples(ONE, rng)[OCCASION.offset :]) for _ in range(200)]
    assert np.mean(np.abs(symbols) ** 2) == pytest.approx(101, rel=0.1)
    assert np.mean(np.abs(air.noise(20, rng)) ** 2) == pytest.approx(1, rel=0.02)


def test_the_delay_spread_of_the_profile_is_300_ns():
    power = 10 ** (TDLC300_POWERS_DB / 10)
    mean = np.average(TDLC300_DELAYS_S, weights=power)
    spread = np.sqrt(np.average((TDLC300_DELAYS_S - mean) ** 2, weights=power))
    assert spread == pytest.approx(300e-9, rel=0.1)


def test_paths_arrive_at_the_delays_of_the_profile():
    rng, air = np.random.default_rng(1), Air(OCCASION, 4, channel="tdlc300-100", snr_db=40)
    symbol = OCCASION.preambles.symbols(np.array([9]))[:, 0]
    profile = np.zeros(560)
    for _ in range(60):
        received = OCCASION.symbols(air.samples(ONE, rng)[OCCASION.offset :])[:139]
        responses = np.fft.ifft(received * symbol.conj()[:, None], n=560, axis=0)
        profile += np.sum(np.abs(responses) ** 2, axis=1)
    microseconds = profile.argmax() / 560 * 139 / OCCASION.preambles.bandwidth * 1e6
    assert microseconds == pytest.approx(0.7 + 0.13, abs=0.15)


def test_fading_is_slow_and_of_unit_power():
    times = np.array([0, 1e-4, 5e-3])
    fading = Air(OCCASION, 50, channel="tdlc300-100")._fading(times, np.random.default_rng(0))
    assert np.mean(np.abs(fading) ** 2) == pytest.approx(1, rel=0.1)
    correlation = [abs(np.mean(fading[:, 0].conj() * fading[:, i])) for i in (1, 2)]
    assert correlation[0] > 0.98 * np.mean(np.abs(fading[:, 0]) ** 2)
    assert correlation[1] < 0.5  # J0(2π · 100 Hz · 5 ms) = −0.3


def test_an_unknown_channel_is_refused():
    with pytest.raises(ValueError, match="channel: expected one of awgn, tdlc300-100, got 'etu'"):
        Air(OCCASION, 2, channel="etu")
