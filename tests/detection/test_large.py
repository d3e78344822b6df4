# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions without a Gram matrix of all devices against those with one."""

import subprocess
import sys

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots
from gr_jadce.detection import decide, large
from gr_jadce.solvers import pc_admm
from gr_jadce.uplink import simulate

STRUCTURED = ("dft", "hadamard", "zadoff_chu")


def both(book, n_active, monkeypatch, known=False, n_frames=6, snr_db=6.0, false_alarm=1e-3):
    """Decisions of the large and of the plain form on the same frames, and the truth."""
    uplink = simulate(Scenario(book, 2, n_active=n_active, snr_db=snr_db), n_frames, seed=5)
    estimate = pc_admm(book, noise_var=uplink.noise_var, tol=1e-3)(uplink.received)
    arguments = (estimate, uplink.received, book, false_alarm, uplink.noise_var if known else None)
    plain = decide(*arguments, backend="numpy")
    monkeypatch.setattr("gr_jadce.pilots.book._FAST_FROM", dict.fromkeys(STRUCTURED, 0))
    monkeypatch.setattr(large, "MAX_GRAM_DEVICES", 0)
    return decide(*arguments), plain, uplink


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("kind", "n_devices", "length"), [("dft", 512, 128), ("hadamard", 400, 128), ("zadoff_chu", 500, 127)]
)
def test_decisions_are_those_with_the_gram_matrix(kind, n_devices, length, known, monkeypatch):
    large, plain, _ = both(make_pilots(kind, n_devices, length, seed=2), 12, monkeypatch, known)
    sure = np.abs(plain.score - plain.threshold) > 0.5  # the energies left are means
    assert (large.activity != plain.activity)[sure].mean() < 1e-3  # another of several agreeing supports
    assert sure.mean() > 0.99
    np.testing.assert_allclose(large.noise_var, plain.noise_var, rtol=0.05)
    np.testing.assert_allclose(large.snr_db, plain.snr_db, atol=0.2)
    same = (large.activity == plain.activity).all(axis=1)
    assert same.any()
    np.testing.assert_allclose(large.channel[same], plain.channel[same], atol=0.02)


@pytest.mark.parametrize("kind", ["dft", "hadamard"])
def test_large_supports_are_not_inverted(kind, monkeypatch):
    book = make_pilots(kind, 1024, 512, seed=3)
    inverted, *_ = both(book, 40, monkeypatch, n_frames=3)
    monkeypatch.setattr(large, "_MAX_INVERTED", 0)
    of_large, *_ = both(book, 40, monkeypatch, n_frames=3)
    sure = np.abs(inverted.score - inverted.threshold) > 0.5
    np.testing.assert_array_equal(of_large.activity[sure], inverted.activity[sure])
    np.testing.assert_allclose(of_large.noise_var, inverted.noise_var, rtol=0.02)
    np.testing.assert_allclose(of_large.channel, inverted.channel, atol=0.02)


def test_false_alarms_come_as_often_as_asked(monkeypatch):
    book = make_pilots("dft", 1024, 256, seed=1)
    large, _, uplink = both(book, 25, monkeypatch, n_frames=12, snr_db=10, false_alarm=1e-2)
    inactive = ~uplink.activity
    assert 0.6e-2 < (large.activity & inactive).sum() / inactive.sum() < 1.4e-2  # about 120 ± 11 of 12,000
    assert (uplink.activity & ~large.activity).sum() <= 6


def test_silent_frames_and_frames_of_noise():
    book = make_pilots("dft", 8192, 1024)
    noise = simulate(Scenario(book, 2, n_active=0, snr_db=0), 1, seed=1).received
    received = np.concatenate([np.zeros_like(noise), noise])
    decision = decide(pc_admm(book)(received), received, book, 1e-6)
    assert not decision.activity.any()
    assert np.all(np.isneginf(decision.snr_db))


@pytest.mark.parametrize("count", [1, 50, 100])
def test_the_mean_share_is_the_mean(count):
    for book in (make_pilots("dft", 1024, 256), make_pilots("zadoff_chu", 900, 257)):
        members = np.random.default_rng(count).choice(book.n_devices, count, replace=False)
        basis = np.linalg.qr(book.columns(members).astype(complex))[0]
        share = 1 - np.sum(np.abs(basis.conj().T @ book.matrix) ** 2, axis=0)
        mean = np.delete(share, members).mean()
        close = 1e-4 if book.tight_bound else 2e-2
        assert large.mean_share(book, count) == pytest.approx(mean, rel=close)
        assert np.delete(share, members).std() < 2 * np.sqrt(count) / book.pilot_length


def test_memory_is_bounded():
    """16,384 devices: their Gram matrix would take 4 GiB, their pilots 256 MiB."""
    code = """
from pathlib import Path
import numpy as np
from gr_jadce import Scenario, make_pilots
from gr_jadce.detection import decide
from gr_jadce.solvers import Estimate
from gr_jadce.uplink import simulate
book = make_pilots("dft", 16_384, 2_048)
uplink = simulate(Scenario(book, 2, n_active=100, snr_db=20), 1, seed=0)
score = np.linalg.norm(uplink.channel, axis=2)
def peak():  # KiB since this program began; ru_maxrss counts what started it, too
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
decision = decide(Estimate(uplink.channel, score, np.ones(1, int), np.zeros(1)), uplink.received, book, 1e-6)
assert (decision.activity == uplink.activity).all()
print(peak() - before)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 80_000  # KiB


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(("kind", "length"), [("hadamard", 1024), ("dft", 1024), ("zadoff_chu", 1021)])
def test_little_noise_below_a_strong_signal_is_measured(kind, length, dtype):
    book = make_pilots(kind, 4096, length, seed=1)
    uplink = simulate(Scenario(book, 2, n_active=30, snr_db=70), 6, seed=2)
    estimate = pc_admm(book, lam_factor=1.7, tol=1e-3, max_iter=30)(uplink.received, uplink.noise_var)
    decision = decide(estimate, uplink.received.astype(dtype), book, 1e-6)
    np.testing.assert_array_equal(decision.activity, uplink.activity)
    np.testing.assert_allclose(decision.noise_var, uplink.noise_var, rtol=0.15)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e19, 1e30])
def test_decisions_do_not_depend_on_the_scale(scale):
    book = make_pilots("dft", 4096, 512, seed=1)
    uplink = simulate(Scenario(book, 2, n_active=20, snr_db=15), 2, seed=2)
    estimate = pc_admm(book, lam_factor=1.7)(uplink.received, uplink.noise_var)
    plain = decide(estimate, uplink.received, book)
    scaled = decide(estimate, (uplink.received * np.float32(scale)).astype(np.complex64), book)
    np.testing.assert_array_equal(scaled.activity, plain.activity)
    np.testing.assert_allclose(scaled.noise_var / scale**2, plain.noise_var, rtol=1e-3)
    np.testing.assert_allclose(scaled.channel / scale, plain.channel, atol=1e-4)


def test_pilots_of_three_symbols_propose_nobody():
    book = make_pilots("dft", 30_000, 3, seed=1)
    uplink = simulate(Scenario(book, 1, n_active=1), 1, seed=2)
    estimate = pc_admm(book, lam_ratio=0.5)(uplink.received)._replace(score=np.ones((1, book.n_devices)))
    assert decide(estimate, uplink.received, book).activity.sum() <= 1


@pytest.mark.parametrize("scale", [1e-38, 1e-42, 1e-44])
@pytest.mark.parametrize("kind", ["dft", "hadamard"])
def test_frames_near_the_smallest_numbers_have_a_noise_variance(kind, scale):
    book = make_pilots(kind, 4096, 128, seed=1)
    received = (simulate(Scenario(book, 4, n_active=4), 4, seed=1).received * scale).astype(np.complex64)
    decision = decide(pc_admm(book)(received), received, book)
    assert np.all(decision.noise_var > 0)
    assert np.all(np.isfinite(decision.score)) and np.all(np.isfinite(decision.channel))
