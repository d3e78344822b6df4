# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.detection import asynchrony
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.estimators import make_estimator
from gr_jadce.metrics import nmse_db
from gr_jadce.pilots import make_pilots
from gr_jadce.uplink.simulation import complex_normal
from gr_jadce.waveform import Waveform

BOOK = make_pilots("qpsk", 64, 32, seed=3)
N_ANTENNAS = 4


def receive(waveform, n_frames, seed, delays, max_offset, snr_db=15, n_active=8):
    """Frames through pulse shaping, channel, noise and matched filter, and their truth."""
    rng = np.random.default_rng(seed)
    step, length = waveform.samples_per_symbol, BOOK.pilot_length
    received = np.empty((n_frames, length, N_ANTENNAS), np.complex64)
    channel = np.zeros((n_frames, BOOK.n_devices, N_ANTENNAS), complex)
    delay, offset = np.zeros((2, n_frames, BOOK.n_devices))
    noise_var = n_active / length / 10 ** (snr_db / 10)
    for i in range(n_frames):
        active = rng.choice(BOOK.n_devices, n_active, replace=False)
        late, turn = rng.uniform(*delays, n_active), rng.uniform(-max_offset, max_offset, n_active)
        bursts = waveform.bursts(BOOK.matrix[:, active], late)
        bursts = np.pad(bursts, ((0, 4 * step * waveform.span), (0, 0)))
        first = (waveform.span + waveform.cyclic_prefix) * step  # of the pilot, before the filter
        bursts = bursts * np.exp(2j * np.pi * turn * (np.arange(len(bursts)) - first)[:, None] / step)
        channel[i, active] = complex_normal(rng, (n_active, N_ANTENNAS))
        delay[i, active], offset[i, active] = late, turn
        samples = bursts @ channel[i, active]
        samples = samples + np.sqrt(noise_var) * complex_normal(rng, samples.shape)
        filtered = np.stack([np.convolve(antenna, waveform.taps) for antenna in samples.T], axis=1)
        received[i] = filtered[waveform.offset :: step][:length]
    return received, channel, delay, offset, noise_var


def decide(delayed, estimator, received, false_alarm, noise_var=None):
    estimate = make_estimator(estimator, delayed.book)(received, noise_var)
    return delayed.decide(estimate, received, false_alarm, noise_var)


def probabilities(decision, channel):
    active = np.abs(channel).any(axis=2)
    return np.mean(~decision.activity[active]), np.mean(decision.activity[~active])


@pytest.mark.parametrize("estimator", ["pc_admm", "unrolled"])
def test_fractional_delays_and_carrier_offsets(estimator):
    received, channel, delay, _, noise_var = receive(Waveform(4), 100, 1, (-0.5, 0.5), 2e-4)
    delayed = Delayed(BOOK, Asynchrony(max_offset=2e-4))
    decision = decide(delayed, estimator, received, 0.01)
    miss, false_alarm = probabilities(decision, channel)
    assert miss <= 0.01
    assert false_alarm <= 0.01
    assert nmse_db(decision.channel, channel) < -18
    hit = decision.activity & (delay != 0)
    assert np.sqrt(np.mean((decision.delay - delay)[hit] ** 2)) < 0.05
    assert np.median(decision.noise_var) == pytest.approx(noise_var, rel=0.15)


def test_delays_within_a_cyclic_prefix():
    received, channel, delay, _, _ = receive(Waveform(4, cyclic_prefix=9), 25, 2, (0, 8), 2e-4)
    delayed = Delayed(BOOK, Asynchrony(max_delay=8, max_offset=2e-4, cyclic=True))
    decision = decide(delayed, "unrolled", received, 0.01)
    miss, false_alarm = probabilities(decision, channel)
    assert miss <= 0.04
    assert false_alarm <= 0.01
    hit = decision.activity & (delay != 0)
    assert np.median(np.abs(decision.delay - delay)[hit]) < 0.05


def test_carrier_offsets_are_found():
    received, channel, _, offset, _ = receive(Waveform(4), 40, 3, (-0.5, 0.5), 0.01, snr_db=20)
    delayed = Delayed(BOOK, Asynchrony(max_offset=0.01))
    decision = decide(delayed, "pc_admm", received, 0.01)
    hit = decision.activity & (offset != 0)
    assert probabilities(decision, channel)[0] <= 0.02
    assert np.median(np.abs(decision.offset - offset)[hit]) < 1e-3


def test_a_known_noise_variance_is_used():
    received, channel, _, _, noise_var = receive(Waveform(4), 40, 4, (-0.5, 0.5), 0.0)
    delayed = Delayed(BOOK, Asynchrony())
    decision = decide(delayed, "pc_admm", received, 0.01, noise_var)
    assert np.all(decision.noise_var >= noise_var)
    assert np.median(decision.noise_var) == pytest.approx(noise_var, rel=0.05)
    assert probabilities(decision, channel)[0] <= 0.01


@pytest.mark.parametrize("snr_db", [25, 30, 40])
def test_what_an_approximate_model_leaves_over_counts_as_noise(snr_db):
    """Thermal noise alone, 40 dB below, is not what a strong device's neighbours are tested against."""
    received, channel, _, _, noise_var = receive(Waveform(4), 60, 1, (-0.5, 0.5), 2e-4, snr_db, n_active=3)
    delayed = Delayed(BOOK, Asynchrony(max_offset=2e-4))
    decision = decide(delayed, "pc_admm", received, 1e-3, noise_var)
    miss, false_alarm = probabilities(decision, channel)
    assert miss == 0
    assert false_alarm < 4e-3  # 3,660 decisions, of which 3.7 are expected; there were 1 to 30 of 100
    assert nmse_db(decision.channel, channel) < -33
    assert np.all(decision.noise_var >= noise_var)


def test_threads_reach_the_decisions(monkeypatch):
    seen = []
    for name in ("decide", "decide_rows"):
        original = getattr(asynchrony, name)

        def spy(*args, original=original, **options):
            seen.append(options["threads"])
            return original(*args, **options)

        monkeypatch.setattr(asynchrony, name, spy)
    received, *_ = receive(Waveform(4), 2, 1, (-0.5, 0.5), 0.0)
    delayed = Delayed(BOOK, Asynchrony())
    estimate = make_estimator("pc_admm", delayed.book)(received)
    one, three = (delayed.decide(estimate, received, noise_var=0.01, threads=n) for n in (1, 3))
    assert seen == [1, 1, 3, 3]
    np.testing.assert_array_equal(one.channel, three.channel)


def test_noise_and_silence_have_no_devices():
    delayed = Delayed(BOOK, Asynchrony(max_delay=1, cyclic=True))
    noise = complex_normal(np.random.default_rng(5), (50, 32, N_ANTENNAS))
    decision = decide(delayed, "pc_admm", noise, 1e-3)
    assert decision.activity.mean() < 3e-3
    silent = decide(delayed, "pc_admm", np.zeros((2, 32, 1), np.complex64), 1e-3)
    assert not silent.activity.any()
    assert not silent.channel.any()


def test_in_step_and_on_the_carrier_the_columns_are_the_pilots():
    delayed = Delayed(BOOK, Asynchrony())
    device = np.arange(64)
    assert delayed.at(device, np.zeros(64), np.zeros(64)) == pytest.approx(BOOK.matrix, abs=1e-6)
    columns = delayed.book.matrix.reshape(32, 64, -1)
    held = [np.linalg.lstsq(columns[:, n], BOOK.matrix[:, n], rcond=None)[1].sum() for n in range(64)]
    assert max(held) < 0.04


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_delay", -1), ("max_delay", 1), ("max_offset", 0.6), ("max_offset", -1), ("roll_off", -0.1)],
)
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Asynchrony(**{name: value})
