# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce.detection.asynchrony import Asynchrony, Delayed, moves, search
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


def probabilities(decision, channel):
    active = np.abs(channel).any(axis=2)
    return np.mean(~decision.activity[active]), np.mean(decision.activity[~active])


def test_fractional_delays_and_carrier_offsets():
    received, channel, delay, _, noise_var = receive(Waveform(4), 100, 1, (-0.5, 0.5), 2e-4)
    decision = Delayed(BOOK, Asynchrony(max_offset=2e-4)).decide(received, 0.01)
    miss, false_alarm = probabilities(decision, channel)
    assert miss <= 0.01
    assert false_alarm <= 0.015
    assert nmse_db(decision.channel, channel) < -18
    hit = decision.activity & (delay != 0)
    assert np.sqrt(np.mean((decision.delay - delay)[hit] ** 2)) < 0.05
    assert np.median(decision.noise_var) == pytest.approx(noise_var, rel=0.1)


def test_offsets_of_two_cycles_a_pilot():
    compiled_kernel()
    largest = 2 / BOOK.pilot_length
    received, channel, _, offset, _ = receive(Waveform(4), 60, 5, (-0.5, 0.5), largest, n_active=4)
    decision = Delayed(BOOK, Asynchrony(max_offset=largest)).decide(received, 0.01)
    miss, false_alarm = probabilities(decision, channel)
    assert miss <= 0.01
    assert false_alarm <= 0.02
    assert nmse_db(decision.channel, channel) < -18
    hit = decision.activity & (offset != 0)
    assert np.sqrt(np.mean((decision.offset - offset)[hit] ** 2)) < 0.02 * largest


def test_delays_within_a_cyclic_prefix():
    received, channel, delay, _, _ = receive(Waveform(4, cyclic_prefix=9), 25, 2, (0, 8), 2e-4)
    decision = Delayed(BOOK, Asynchrony(8, 2e-4, prefix=9)).decide(received, 0.01)
    miss, false_alarm = probabilities(decision, channel)
    assert miss <= 0.01
    assert false_alarm <= 0.015
    hit = decision.activity & (delay != 0)
    assert np.median(np.abs(decision.delay - delay)[hit]) < 0.03
    assert nmse_db(decision.channel, channel) < -16


def test_carrier_offsets_are_found():
    received, channel, _, offset, _ = receive(Waveform(4), 40, 3, (-0.5, 0.5), 0.01, snr_db=20)
    decision = Delayed(BOOK, Asynchrony(max_offset=0.01)).decide(received, 0.01)
    hit = decision.activity & (offset != 0)
    assert probabilities(decision, channel)[0] <= 0.01
    assert np.median(np.abs(decision.offset - offset)[hit]) < 5e-4


def test_a_known_noise_variance_is_used():
    received, channel, _, _, noise_var = receive(Waveform(4), 40, 4, (-0.5, 0.5), 0.0)
    decision = Delayed(BOOK, Asynchrony()).decide(received, 0.01, noise_var)
    assert np.all(decision.noise_var >= noise_var)
    assert np.median(decision.noise_var) == pytest.approx(noise_var, rel=0.05)
    assert probabilities(decision, channel)[0] <= 0.01


@pytest.mark.parametrize("snr_db", [25, 30, 40])
def test_what_a_strong_device_leaves_over_makes_no_others(snr_db):
    received, channel, _, _, noise_var = receive(Waveform(4), 60, 1, (-0.5, 0.5), 2e-4, snr_db, n_active=3)
    decision = Delayed(BOOK, Asynchrony(max_offset=2e-4)).decide(received, 1e-3, noise_var)
    miss, false_alarm = probabilities(decision, channel)
    assert miss == 0
    assert false_alarm < 4e-3  # 3,660 decisions, of which 3.7 are expected
    assert nmse_db(decision.channel, channel) < -33
    assert np.all(decision.noise_var >= noise_var)


def test_echoes_of_a_device_are_its_own():
    """Three paths each, over a symbol and a half, are one device with what all of them add to the frame."""
    rng, n_active = np.random.default_rng(7), 4
    delayed = Delayed(BOOK, Asynchrony(max_delay=3, prefix=4))
    frames, truth = np.zeros((20, 32, N_ANTENNAS), complex), []
    for frame in frames:
        active = rng.choice(BOOK.n_devices, n_active, replace=False)
        delay = rng.uniform(0, 1, (n_active, 1)) + np.array([0.0, 0.6, 1.5])
        gain = complex_normal(rng, (n_active, 3, N_ANTENNAS)) * np.sqrt([[0.6], [0.3], [0.1]])
        parts = [
            delayed.table.at(n, late, 0.0) @ own for n, late, own in zip(active, delay, gain, strict=True)
        ]
        frame += sum(parts) + np.sqrt(0.01 / 32) * complex_normal(rng, frame.shape)
        truth.append(dict(zip(active.tolist(), parts, strict=True)))
    rows = delayed.decide_rows(frames, 1e-3)
    error = energy = 0.0
    for b, parts in enumerate(truth):
        own = range(rows.start[b], rows.start[b + 1])
        assert {int(rows.device[k]) for k in own} >= set(parts)
        for k in own:
            taps = slice(rows.tap_start[k], rows.tap_start[k + 1])
            found = delayed.table.at(rows.device[k], rows.tap_delay[taps], 0.0) @ rows.tap_gain[taps]
            error += np.sum(np.abs(found - parts.get(int(rows.device[k]), 0)) ** 2)
        energy += sum(np.sum(np.abs(part) ** 2) for part in parts.values())
    assert len(rows.device) <= 20 * n_active + 2
    assert 10 * np.log10(error / energy) < -14


@pytest.mark.parametrize(
    ("asynchrony", "delays"),
    [
        (Asynchrony(), (-0.5, 0.5)),
        (Asynchrony(max_offset=0.01), (-0.5, 0.5)),
        (Asynchrony(max_delay=3, max_offset=2e-4, prefix=5), (0, 3)),
    ],
)
@pytest.mark.parametrize("is_told", [False, True])
def test_the_kernel_finds_what_the_plain_form_finds(asynchrony, delays, is_told):
    compiled_kernel()
    waveform = Waveform(4, cyclic_prefix=asynchrony.prefix)
    received, *_, noise_var = receive(waveform, 3, 11, delays, asynchrony.max_offset)
    for frames in (received, received.astype(complex)):
        plain, compiled = (
            Delayed(BOOK, asynchrony, backend=backend).decide_rows(
                frames, 0.01, noise_var if is_told else None
            )
            for backend in ("numpy", "kernel")
        )
        np.testing.assert_array_equal(compiled.start, plain.start)
        np.testing.assert_array_equal(compiled.device, plain.device)
        np.testing.assert_array_equal(compiled.tap_start, plain.tap_start)
        for name in ("score", "noise_var", "snr_db", "delay", "carrier_offset", "tap_delay"):
            assert getattr(compiled, name) == pytest.approx(getattr(plain, name), rel=1e-3, abs=1e-4), name
        assert compiled.channel == pytest.approx(plain.channel, abs=2e-3)
        assert compiled.channel.dtype == plain.channel.dtype == frames.dtype


def test_the_kernel_finds_what_the_plain_form_finds_beside_a_device_60_db_up():
    compiled_kernel()
    asynchrony = Asynchrony(max_delay=3, max_offset=2e-4, prefix=5)
    received, channel, delay, offset, _ = receive(Waveform(4, cyclic_prefix=5), 2, 3, (0, 3), 2e-4)
    delayed = [Delayed(BOOK, asynchrony, backend=backend) for backend in ("numpy", "kernel")]
    frames = received.astype(complex)
    for frame, gains, late, turn in zip(frames, channel, delay, offset, strict=True):
        strong = int(np.flatnonzero(gains.any(axis=1))[0])
        pilot = delayed[0].table.at(strong, late[strong, None], turn[strong])
        frame += 1e3 * pilot @ gains[strong, None]
    plain, compiled = (one.decide_rows(frames, 1e-3) for one in delayed)
    np.testing.assert_array_equal(compiled.device, plain.device)
    np.testing.assert_array_equal(compiled.tap_start, plain.tap_start)
    assert len(plain.device) > 12
    assert compiled.noise_var == pytest.approx(plain.noise_var, rel=1e-3)
    assert compiled.tap_gain == pytest.approx(plain.tap_gain, rel=1e-2, abs=1e-2)


def test_the_kernel_is_told_how_clusters_move(monkeypatch):
    compiled_kernel()
    asynchrony = Asynchrony(max_delay=3, max_offset=2e-4, prefix=5)
    received, *_ = receive(Waveform(4, cyclic_prefix=5), 3, 11, (0, 3), 2e-4)
    usual = Delayed(BOOK, asynchrony).decide_rows(received, 0.01)
    monkeypatch.setattr(moves, "RULE", moves.MoveRule(0.2, 0.1, 0.12, 0.01, 0.05, 1.2, spread_step=1.3))
    plain, compiled = (
        Delayed(BOOK, asynchrony, backend=name).decide_rows(received, 0.01) for name in ("numpy", "kernel")
    )
    assert not np.array_equal(compiled.tap_delay, usual.tap_delay)
    np.testing.assert_array_equal(compiled.tap_start, plain.tap_start)
    assert compiled.tap_delay == pytest.approx(plain.tap_delay, rel=1e-3, abs=1e-4)
    assert compiled.score == pytest.approx(plain.score, rel=1e-3)


def test_the_kernel_is_told_how_a_search_goes_on(monkeypatch):
    compiled_kernel()
    asynchrony = Asynchrony(max_delay=3, prefix=5, max_paths=3)
    received, *_ = receive(Waveform(4, cyclic_prefix=5), 4, 12, (0, 3), 0.0)
    usual = Delayed(BOOK, asynchrony).decide_rows(received, 0.01)
    rule = search.RoundRule(
        3, 1.5, 1.2, 1.2, 1.0, 1, 1, 0.9, 0.9, 0.6, 3, 0.7, 1, 0.9, least_dof_share=0.8, sure_false_count=1e-9
    )
    monkeypatch.setattr(search, "RULE", rule)
    plain, compiled = (
        Delayed(BOOK, asynchrony, backend=name).decide_rows(received, 0.01) for name in ("numpy", "kernel")
    )
    assert not np.array_equal(compiled.device, usual.device)
    np.testing.assert_array_equal(compiled.device, plain.device)
    np.testing.assert_array_equal(compiled.tap_start, plain.tap_start)
    assert compiled.score == pytest.approx(plain.score, rel=1e-3)


def test_a_frame_is_decided_alike_in_any_batch_by_any_threads():
    received, *_ = receive(Waveform(4), 6, 1, (-0.5, 0.5), 0.0)
    delayed = Delayed(BOOK, Asynchrony())
    together = delayed.decide(received, threads=3)
    alone = [delayed.decide(frame[None]) for frame in received]
    np.testing.assert_array_equal(together.channel, np.concatenate([one.channel for one in alone]))


def test_noise_and_silence_have_no_devices():
    delayed = Delayed(BOOK, Asynchrony(max_delay=1, prefix=1))
    noise = complex_normal(np.random.default_rng(5), (50, 32, N_ANTENNAS))
    decision = delayed.decide(noise, 1e-3)
    assert decision.activity.mean() < 3e-3
    silent = delayed.decide(np.zeros((2, 32, 1), np.complex64), 1e-3)
    assert not silent.activity.any()
    assert not silent.channel.any()


@pytest.mark.parametrize("asynchrony", [Asynchrony(), Asynchrony(max_delay=8, prefix=8)])
def test_noise_of_a_level_that_is_told_looks_active_as_often_as_wanted(asynchrony):
    """False devices that are found leave less noise than that: others would be tested too carefully."""
    compiled_kernel()
    delayed = Delayed(make_pilots("gaussian", 200, 64, seed=1), asynchrony)
    noise = complex_normal(np.random.default_rng(6), (300, 64, N_ANTENNAS))
    ratio = delayed.decide(noise, 0.01, 1.0).activity.mean() / 0.01
    assert 0.6 < ratio < 1.5


def test_frames_of_any_level_are_decided_alike():
    received, *_ = receive(Waveform(4), 4, 1, (-0.5, 0.5), 0.0)
    delayed = Delayed(BOOK, Asynchrony())
    usual, faint = (delayed.decide(received.astype(complex) * level, 0.01) for level in (1.0, 1e-7))
    np.testing.assert_array_equal(usual.activity, faint.activity)
    assert faint.channel * 1e7 == pytest.approx(usual.channel, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((1, 31, 2)),), "received: expected"),
        ((np.zeros((1, 32, 2)), 0.0), "false_alarm: expected"),
        ((np.zeros((1, 32, 2)), 0.1, [1.0, 2.0]), "noise_var: expected"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Delayed(BOOK, Asynchrony()).decide(*arguments)
