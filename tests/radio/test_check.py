# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean radio passes the checks; every fault is named, and no other."""

import re

import numpy as np
import pytest

from gr_jadce.radio.check import MIN_SAMPLES, check_recording, check_samples
from gr_jadce.radio.spectra import alignment
from gr_jadce.radio.timing import gaps, overflow
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.slots.beacon import Beacon
from gr_jadce.uplink.simulation import complex_normal

RATE, N, LEVEL = 1e6, 2**18, 0.05
BEACON = Beacon()
PERIOD = 8000


def late(samples, by):
    """Samples late by a number that need not be whole, cyclically."""
    return np.fft.ifft(np.fft.fft(samples) * np.exp(-2j * np.pi * np.fft.fftfreq(len(samples)) * by))


def clean(n_antennas=4, snr_db=10, n=N):
    """What all antennas hear of one source, each over its own channel, and noise."""
    rng = np.random.default_rng(1)
    common = 10 ** (snr_db / 20) * complex_normal(rng, (n,))
    phases = np.exp(2j * np.pi * rng.random(n_antennas))
    return LEVEL * (common[:, None] * phases + complex_normal(rng, (n, n_antennas)))


def complaints(samples):
    return {f.name: f for f in check_samples(samples.astype(np.complex64), RATE) if f.verdict != "ok"}


def only(name, samples):
    """The one complaint about samples, a failure."""
    found = complaints(samples)
    assert list(found) == [name], found
    assert found[name].verdict == "fail"
    assert found[name].remedy
    return found[name]


@pytest.mark.parametrize("n_antennas", [1, 2, 4])
@pytest.mark.parametrize("snr_db", [-5, 10, 30])
def test_a_clean_radio_passes(n_antennas, snr_db):
    samples = clean(n_antennas, snr_db) / (1 + 10 ** (snr_db / 20))
    findings = check_samples(samples.astype(np.complex64), RATE)
    assert {f.verdict for f in findings} == {"ok"}, findings
    assert not any(f.remedy for f in findings)
    assert len(findings) == (8 if n_antennas > 1 else 5)


@pytest.mark.parametrize("by", [1, 0.3, -0.3, 700])
def test_a_late_antenna(by):
    samples = clean()
    samples[:, 2] = late(samples[:, 2], by)
    found = only("alignment", samples)
    assert found.value == pytest.approx(by, abs=0.02)
    assert "antenna 2 " in found.text


def test_antennas_without_one_reference():
    samples = clean()
    samples[:, 3] *= np.exp(2j * np.pi * 9 / RATE * np.arange(N))
    assert only("coherence", samples).value == pytest.approx(9, abs=0.5)


def test_antennas_that_have_nothing_in_common_cannot_be_compared():
    found = complaints(LEVEL * complex_normal(np.random.default_rng(2), (N, 2)))
    assert {name: f.verdict for name, f in found.items()} == {"alignment": "warn", "coherence": "warn"}
    assert found["alignment"].value is None


def test_bursts_over_changing_channels_align_but_have_no_phase():
    rng = np.random.default_rng(3)
    samples = complex_normal(rng, (N, 2))
    for start in range(0, N - 200, 5000):
        burst = complex_normal(rng, (64,))
        for antenna, by in enumerate((0, 2)):
            samples[start + by :][:64, antenna] += 5 * burst * complex_normal(rng, ())
    delay, drift = alignment(samples.astype(np.complex64), RATE)
    assert delay.verdict == "fail"
    assert delay.value == pytest.approx(2, abs=0.05)
    assert drift.verdict == "warn"


def test_gain_imbalance():
    samples = clean()
    samples[:, 1] *= 10 ** (-3 / 20)
    found = only("gain", samples)
    assert found.value == pytest.approx(3, abs=0.2)
    assert "antenna 1" in found.text


def test_dc_offset():
    samples = clean()
    samples[:, 1] += 0.1 * np.sqrt(np.mean(np.abs(samples[:, 1]) ** 2)) * np.exp(0.7j)
    assert only("dc", samples).value == pytest.approx(-20, abs=0.5)


def imbalanced(samples, db, degrees):
    gain, angle = 10 ** (db / 20), np.deg2rad(degrees)
    return samples.real + 1j * gain * (samples.imag * np.cos(angle) + samples.real * np.sin(angle))


def test_iq_imbalance():
    samples = clean()
    samples[:, 0] = imbalanced(samples[:, 0], 1, 5)
    g, turn = 10 ** (1 / 20), np.exp(1j * np.deg2rad(5))
    expected = 20 * np.log10(abs(1 - g * turn) / abs(1 + g * turn.conj()))
    assert only("iq", samples).value == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("full_scale", [1.0, 0.6])  # at the converter, or behind a digital filter's gain
def test_clipping(full_scale):
    samples = clean()
    samples *= full_scale / (2.5 * np.std(samples.real))
    parts = [part.clip(-full_scale, full_scale) for part in (samples.real, samples.imag)]
    found = only("clipping", parts[0] + 1j * parts[1])
    assert found.value == pytest.approx(0.025, abs=0.005)


def test_samples_beyond_1_are_no_converter_s():
    assert not complaints(clean() * 10)


def test_a_tone_that_is_not_clipped_is_a_spur_alone():
    tone = np.exp(2j * np.pi * 0.123 * np.arange(N))[:, None] * [0.6, 0.6j]
    assert "clipping" not in complaints(clean(2, -20) / 5 + tone)


def test_a_spur():
    samples = clean()
    power = np.mean(np.abs(samples[:, 1]) ** 2)
    samples[:, 1] += np.sqrt(power) * 10 ** (-15 / 20) * np.exp(2j * np.pi * 0.2 * np.arange(N))
    found = only("spurs", samples)
    assert "+200.0 kHz" in found.text
    assert "antenna 1" in found.text


@pytest.mark.parametrize("rest", [0, 0.01])
def test_a_dead_antenna(rest):
    samples = clean()
    samples[:, 0] *= rest
    assert "antenna 0" in only("silence", samples).text


def test_all_antennas_dead():
    assert only("silence", np.zeros((MIN_SAMPLES, 2), np.complex64)).text.endswith("0, 1")


def test_samples_must_be_finite():
    samples = clean().astype(np.complex64)
    samples[7, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        check_samples(samples, RATE)


@pytest.mark.parametrize(
    ("lost", "verdict"), [([], "ok"), ([0.0, 0.4], "ok"), ([10], "warn"), ([4000], "fail"), ([-9, 4], "fail")]
)
def test_overflows(lost, verdict):
    assert overflow(lost, 10**6, RATE).verdict == verdict


def record(path, samples, lost=None):
    """A recording with so many samples lost in its middle."""
    writer, half = RecordingWriter(path, samples.shape[1], RATE), len(samples) // 2
    writer.write(samples[:half].astype(np.complex64), rx_time=(5, 0.25))
    after = {} if lost is None else {"rx_time": (5, 0.25 + (half + lost) / RATE)}
    writer.write(samples[half + (lost or 0) :].astype(np.complex64), **after)
    writer.close()
    return read_recording(path)


def test_overflow_in_a_recording(tmp_path):
    recording = record(tmp_path / "r", clean(), 4000)
    assert gaps(recording) == pytest.approx([4000])
    found = [f for f in check_recording(recording) if f.verdict != "ok"]
    assert [f.name for f in found] == ["overflow"]
    assert found[0].value == pytest.approx(4000 / N)


def with_beacons(ppm, offset):
    """A beacon every PERIOD samples of a clock that this radio's is off by `ppm`."""
    samples = clean(2, 0)
    for start in np.arange(100.3, N - 2000, PERIOD * (1 + 1e-6 * ppm)):
        burst = BEACON.waveform.bursts(BEACON.symbols[:, None].astype(complex), (start % 1) / 4)[:, 0]
        at = int(start) + np.arange(len(burst))
        samples[at] += 5 * (burst * np.exp(2j * np.pi * offset * at))[:, None]
    return samples


@pytest.mark.parametrize(("ppm", "verdict"), [(0, "ok"), (1, "ok"), (20, "fail"), (-20, "fail")])
@pytest.mark.parametrize("lost", [None, 3000])
def test_clock_against_the_base_station(ppm, verdict, lost, tmp_path):
    recording = record(tmp_path / "r", with_beacons(ppm, 0.004), lost)
    found = {
        f.name: f
        for f in check_recording(recording, beacon=BEACON, beacon_period=PERIOD)
        if f.verdict != "ok"
    }
    assert set(found) == ({"clock"} if verdict == "fail" else set()) | ({"overflow"} if lost else set())
    if verdict == "fail":
        assert found["clock"].value == pytest.approx(ppm, abs=0.5)
        assert float(re.search(r"carrier (\S+) Hz", found["clock"].text)[1]) == pytest.approx(4000, abs=5)


def test_no_beacon_is_heard(tmp_path):
    clock = check_recording(record(tmp_path / "r", clean(1)), beacon=BEACON, beacon_period=PERIOD)[-1]
    assert (clock.name, clock.verdict, clock.value) == ("clock", "warn", None)


def test_too_few_samples(tmp_path):
    with pytest.raises(ValueError, match=f"at least {MIN_SAMPLES}"):
        check_recording(record(tmp_path / "r", clean(1, n=MIN_SAMPLES)[:-1]))


def test_a_recording_of_too_many_antennas_is_refused(tmp_path):
    with RecordingWriter(tmp_path / "r", 65_536, RATE) as writer:
        writer.write(np.ones((1, 65_536), np.complex64))
    with pytest.raises(ValueError, match="antennas to check: expected an integer from 1 to 1024, got 65536"):
        check_recording(read_recording(tmp_path / "r"))
