# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions in noise that is not alike and independent on all antennas."""

import numpy as np
import pytest
import scipy.stats

from gr_jadce import Scenario, decide, make_estimator, make_pilots, metrics, simulate
from gr_jadce.detection.decide import decide_rows
from gr_jadce.detection.noise.covariance import Whitener, chi2_limits, noise_kinds, noise_statistics


def kinds(covariance, rows, error):
    return noise_kinds(noise_statistics(covariance, rows), covariance.shape[1], error)


BOOK = make_pilots("qpsk", 200, 64, seed=3)
ESTIMATOR = make_estimator("unrolled", BOOK)


def gaussian(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)


def coloured(kind, n_frames, seed=11, n_antennas=4, n_active=12):
    """An uplink at 12 dB over white noise, and the covariance Ψ of the noise that is on it."""
    uplink = simulate(Scenario(BOOK, n_antennas, n_active=n_active, snr_db=12), n_frames, seed)
    rng, level = np.random.default_rng(seed + 1), np.sqrt(uplink.noise_var)
    signal = np.einsum("ln,bnm->blm", BOOK.matrix, uplink.channel)
    noise, covariance = noise_of(kind, gaussian(rng, n_frames, 64, n_antennas), rng)
    received = (signal + level * noise).astype(np.complex64)
    return uplink._replace(received=received), uplink.noise_var * covariance


def noise_of(kind, white, rng):
    """Noise (B, L, M), made of white noise of unit variance, and its covariances (B, M, M)."""
    n_frames, length, M = white.shape
    unit = np.broadcast_to(np.eye(M, dtype=complex), (n_frames, M, M))
    if kind == "white":
        return white, unit
    if kind in ("one antenna 10 dB louder", "correlated"):
        factor = np.diag([np.sqrt(10), *np.ones(M - 1)])
        if kind == "correlated":
            factor = np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(np.arange(M), np.arange(M))))
        return white @ factor.T, np.broadcast_to(factor @ factor.T + 0j, unit.shape)
    power, place = 100, np.arange(length)[:, None]  # 20 dB
    wave = {
        "carrier": np.exp(2j * np.pi * place * rng.uniform(-0.5, 0.5, (n_frames, 1, 1))),
        "wide-band interferer": gaussian(rng, n_frames, length, 1),
        "DC": np.ones((n_frames, length, 1)),
    }[kind]
    direction = gaussian(rng, n_frames, 1, M)
    direction *= np.sqrt(M) / np.linalg.norm(direction, axis=2, keepdims=True)
    return white + np.sqrt(power) * wave * direction, unit + power * direction.conj().swapaxes(
        1, 2
    ) @ direction


def errors(decision, uplink):
    return (
        metrics.false_alarm_probability(decision.activity, uplink.activity),
        metrics.miss_probability(decision.activity, uplink.activity),
    )


COLOURED = ("one antenna 10 dB louder", "correlated", "carrier", "wide-band interferer", "DC")


@pytest.mark.parametrize("kind", ["white", *COLOURED])
def test_false_alarms_and_misses_are_as_of_a_receiver_that_is_told_the_covariance(kind):
    """56,400 decisions about inactive devices: 564 ± 24 expected at 1e-2, 56 ± 8 at 1e-3."""
    uplink, covariance = coloured(kind, 300)
    whitened = Whitener.of(covariance).whiten(uplink.received)
    noise_var = np.trace(covariance, axis1=1, axis2=2).real / 4
    best = decide(ESTIMATOR(whitened), whitened, BOOK, 1e-3, noise_var)
    estimate = ESTIMATOR(uplink.received)
    for wanted, factor in ((1e-2, 1.5), (1e-3, 2)):
        decision = decide(estimate, uplink.received, BOOK, wanted)
        false_alarm, miss = errors(decision, uplink)
        assert wanted / 2 < false_alarm < wanted * factor
        assert miss < errors(best, uplink)[1] + 0.02


@pytest.mark.parametrize("kind", ["correlated", "carrier"])
def test_a_false_device_does_not_breed_others(kind):
    """56 false alarms expected, ± 8, of eight antennas; more than twice as many where they breed."""
    uplink, _ = coloured(kind, 300, n_antennas=8)
    rows = decide_rows(
        ESTIMATOR(uplink.received), uplink.received, BOOK, 1e-3, noise="auto", estimator=ESTIMATOR
    )
    activity = np.zeros(uplink.activity.shape, bool)
    activity[rows.frame, rows.device] = True
    assert metrics.false_alarm_probability(activity, uplink.activity) < 1.5e-3
    assert metrics.miss_probability(activity, uplink.activity) < 0.001


def test_an_interferer_is_told_from_many_devices():
    """A receiver that takes its noise for white finds 25 devices and more in many of its frames."""
    uplink, _ = coloured("carrier", 60, n_antennas=2)
    estimate = ESTIMATOR(uplink.received)
    white, auto = (
        decide_rows(estimate, uplink.received, BOOK, 1e-3, noise=noise, estimator=ESTIMATOR)
        for noise in ("white", "auto")
    )
    assert np.count_nonzero(np.diff(white.start) > 24) > 10
    assert (auto.noise_kind == "spatial").mean() > 0.9
    assert (np.diff(auto.start) < 20).mean() > 0.9
    assert (auto.evidence > white.evidence).mean() > 0.9


def test_the_kernel_measures_the_same_evidence():
    uplink, _ = coloured("white", 6)
    frames = np.concatenate([uplink.received, coloured("DC", 4)[0].received])
    estimate = ESTIMATOR(frames)
    for noise in ("white", "spatial"):
        plain, compiled = (
            decide_rows(estimate, frames, BOOK, 1e-3, noise=noise, backend=backend)
            for backend in ("numpy", "kernel")
        )
        np.testing.assert_allclose(compiled.evidence, plain.evidence, rtol=1e-3)
        np.testing.assert_allclose(compiled.noise_cov, plain.noise_cov, rtol=1e-2, atol=1e-3)
        assert np.array_equal(compiled.device, plain.device)


def test_white_noise_costs_nothing():
    """One frame in a thousand is taken for coloured."""
    uplink, _ = coloured("white", 600)
    estimate = ESTIMATOR(uplink.received)
    white, auto = (decide(estimate, uplink.received, BOOK, noise=noise) for noise in ("white", "auto"))
    same = (white.channel == auto.channel).all(axis=(1, 2))
    assert np.count_nonzero(~same) <= 6
    assert np.array_equal(white.score[same], auto.score[same])
    assert (
        metrics.nmse_db(auto.channel, uplink.channel) < metrics.nmse_db(white.channel, uplink.channel) + 0.05
    )


@pytest.mark.parametrize("noise", ["antennas", "spatial"])
def test_white_noise_taken_for_any_costs_two_tenths_of_a_decibel_at_most(noise):
    uplink, _ = coloured("white", 300)
    estimate = ESTIMATOR(uplink.received)
    white, other = (decide(estimate, uplink.received, BOOK, noise=kind) for kind in ("white", noise))
    assert (
        metrics.nmse_db(other.channel, uplink.channel) < metrics.nmse_db(white.channel, uplink.channel) + 0.2
    )
    assert errors(other, uplink)[1] <= errors(white, uplink)[1] + 0.002


@pytest.mark.parametrize(
    ("kind", "found"), [("one antenna 10 dB louder", "antennas"), ("correlated", "spatial")]
)
def test_the_noise_is_reported_as_it_is(kind, found):
    uplink, covariance = coloured(kind, 100)
    rows = decide_rows(ESTIMATOR(uplink.received), uplink.received, BOOK, 1e-3, noise="auto")
    assert np.mean(rows.noise_kind == found) > 0.95
    mean = rows.noise_cov.mean(axis=0)  # over 5200 rows: each element within some 0.015 of the diagonal
    np.testing.assert_allclose(mean, covariance[0], atol=0.06 * covariance[0].real.max())
    power = np.trace(covariance[0]).real / 4
    assert rows.noise_var.mean() == pytest.approx(power, rel=0.05)
    signal = np.einsum("ln,bnm->blm", BOOK.matrix, uplink.channel)
    snr = np.sum(np.abs(signal) ** 2, axis=(1, 2)) / (64 * 4 * power)
    assert np.median(np.abs(rows.snr_db - 10 * np.log10(snr))) < 0.5


def test_what_is_whitened_is_estimated_again():
    uplink, _ = coloured("correlated", 8)
    frames = uplink.received.copy()
    frames[:5] = coloured("white", 5)[0].received
    counts = []

    def estimator(whitened):
        counts.append(len(whitened))
        return ESTIMATOR(whitened)

    rows = decide_rows(ESTIMATOR(frames), frames, BOOK, 1e-3, noise="auto", estimator=estimator)
    assert rows.noise_kind.tolist() == ["white"] * 5 + ["spatial"] * 3
    assert counts[0] == counts[-1] == 3


def test_rows_and_decisions_agree_where_some_frames_are_whitened():
    frames = np.concatenate([coloured(kind, 3)[0].received for kind in ("white", "DC", "white")])
    estimate = ESTIMATOR(frames)
    decision, rows = decide(estimate, frames, BOOK), decide_rows(estimate, frames, BOOK, 1e-3, noise="auto")
    assert np.array_equal(decision.activity, decision.score >= decision.threshold)
    for b, part in enumerate(map(slice, rows.start[:-1], rows.start[1:])):
        assert np.array_equal(rows.device[part], np.flatnonzero(decision.activity[b]))
        np.testing.assert_array_equal(rows.channel[part], decision.channel[b, rows.device[part]])
        np.testing.assert_array_equal(rows.score[part], decision.score[b, rows.device[part]])


def test_the_noise_of_one_antenna_is_white():
    uplink, _ = coloured("white", 20, n_antennas=1, n_active=4)
    estimate = ESTIMATOR(uplink.received)
    white, spatial = (decide(estimate, uplink.received, BOOK, noise=noise) for noise in ("white", "spatial"))
    np.testing.assert_array_equal(white.score, spatial.score)


def test_noise_of_known_variance_is_white():
    uplink, _ = coloured("white", 4)
    estimate = ESTIMATOR(uplink.received)
    for noise in ("antennas", "spatial"):
        with pytest.raises(ValueError, match="^noise: expected 'white' or 'auto' where noise_var is known"):
            decide(estimate, uplink.received, BOOK, 1e-3, 0.1, noise=noise)
    known, white = (decide(estimate, uplink.received, BOOK, 1e-3, 0.1, noise=n) for n in ("auto", "white"))
    np.testing.assert_array_equal(known.score, white.score)
    with pytest.raises(
        ValueError, match="^noise: expected one of auto, white, antennas, spatial, got 'pink'"
    ):
        decide(estimate, uplink.received, BOOK, noise="pink")


@pytest.mark.parametrize("noise", ["auto", "antennas", "spatial"])
def test_silence_and_dead_antennas_are_no_trouble(noise):
    frames = coloured("white", 3)[0].received.copy()
    frames[0], frames[1, :, 2], frames[2, :, 3] = 0, 0, frames[2, :, 1]
    decision = decide(ESTIMATOR(frames), frames, BOOK, noise=noise)
    assert not decision.activity[0].any()
    assert np.isfinite(decision.channel).all() and np.isfinite(decision.score).all()


def test_whitened_noise_is_white_and_as_strong_on_the_mean():
    rng = np.random.default_rng(1)
    factor = gaussian(rng, 3, 4, 4)
    noise = gaussian(rng, 3, 40000, 4) @ factor.conj().swapaxes(1, 2)
    covariance = factor @ factor.conj().swapaxes(1, 2)
    power = np.trace(covariance, axis1=1, axis2=2).real / 4
    whitener = Whitener.of(covariance)
    white = whitener.whiten(noise)
    measured = white.conj().swapaxes(1, 2) @ white / 40000
    np.testing.assert_allclose(measured, power[:, None, None] * np.eye(4), atol=0.03 * power.max())
    np.testing.assert_allclose(
        whitener.restore_covariance(power[:, None, None] * np.eye(4)), covariance, rtol=1e-6, atol=1e-6
    )
    channel = gaussian(rng, 3, 4)
    restored = whitener.restore_channels(whitener.whiten(channel[:, None])[:, 0], np.arange(3))
    np.testing.assert_allclose(restored, channel, rtol=1e-6)


@pytest.mark.parametrize("n_antennas", [2, 4, 8])
def test_white_noise_is_taken_for_coloured_as_seldom_as_is_told(n_antennas):
    """2000 of 40,000 expected, ± 44."""
    rows = np.full(40000, 24.0)
    white = gaussian(np.random.default_rng(2), 40000, 24, n_antennas)
    covariance = white.conj().swapaxes(1, 2) @ white / 24
    assert np.count_nonzero(kinds(covariance, rows, 0.05) != "white") == pytest.approx(2000, abs=250)


@pytest.mark.parametrize("n_antennas", [2, 4, 8])
def test_the_statistics_of_white_noise_have_the_tails_of_chi2(n_antennas):
    """Of 20,000 frames each: 1000 ± 31 above the limit of 0.05, 20 ± 4.5 above that of 0.001."""
    white = gaussian(np.random.default_rng(5), 20000, 40, n_antennas)
    statistics = noise_statistics(white.conj().swapaxes(1, 2) @ white / 40, np.full(20000, 40.0))
    for level, most in ((0.05, 125), (0.001, 16)):
        limits = chi2_limits(n_antennas, 2 * level)
        dof = n_antennas * (n_antennas - 1), n_antennas - 1
        np.testing.assert_allclose(scipy.stats.chi2.sf(limits, dof), level)
        above = np.count_nonzero(statistics > limits, axis=0)
        assert np.abs(above - 20000 * level).max() < most


@pytest.mark.parametrize("n_antennas", [1, 2, 3, 8])
def test_the_kernel_measures_the_same_statistics(n_antennas):
    """In white noise, at a dead antenna, where two are the same, and in silence."""
    uplink, _ = coloured("white", 8, n_antennas=n_antennas, n_active=3)
    frames = np.concatenate([uplink.received, coloured("DC", 4, n_antennas=n_antennas)[0].received])
    frames[0] = 0
    frames[1, :, -1] = 0
    frames[2, :, -1] = frames[2, :, 0]
    estimate = ESTIMATOR(frames)
    plain, compiled = (
        decide_rows(estimate, frames, BOOK, 1e-3, noise="white", backend=backend).noise_statistics
        for backend in ("numpy", "kernel")
    )
    alike = slice(3, None)  # of the first ones rounding decides
    np.testing.assert_allclose(compiled[alike], plain[alike], rtol=1e-6, atol=1e-8)
    limits = chi2_limits(n_antennas, 1e-12)
    assert np.array_equal(compiled > limits, plain > limits)
    assert np.isfinite(compiled).all()


def test_too_few_rows_tell_nothing_of_the_noise():
    covariance = np.diag([1.0, 100.0, 1.0, 1.0])[None] + 0j
    assert kinds(covariance, np.array([7.0]), 1e-3) == ["white"]
    assert kinds(covariance, np.array([30.0]), 1e-3) == ["antennas"]


def test_a_covariance_that_rounding_made_negative_is_whitened_by():
    """Where devices explain a frame nearly, what they leave is a difference of large numbers."""
    covariance = np.array([[[1, 1 + 4e-7], [1 + 4e-7, 1]]], complex)
    assert np.linalg.eigvalsh(covariance).min() < 0
    assert np.isfinite(Whitener.of(covariance).inverse).all()
    assert kinds(covariance, np.array([30.0]), 1e-3) == ["spatial"]


@pytest.mark.parametrize("n_antennas", [1, 4, 9])
def test_a_whitener_has_the_inverse_of_its_factor(n_antennas):
    noise = gaussian(np.random.default_rng(4), 3, 50, n_antennas) * 10.0 ** np.linspace(-3, 3, n_antennas)
    factor, inverse = Whitener.of(noise.conj().swapaxes(1, 2) @ noise)
    np.testing.assert_allclose(inverse @ factor, np.eye(n_antennas) + np.zeros((3, 1, 1)), atol=1e-10)
    assert np.array_equal(inverse, np.tril(inverse))
