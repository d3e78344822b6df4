# SPDX-License-Identifier: GPL-3.0-or-later
"""Solvers, network and simulation with fast transforms do what they do with the same pilots as a matrix."""

import subprocess
import sys

import numpy as np
import pytest

from gr_jadce import PilotBook, Scenario, make_pilots
from gr_jadce.backend import kernel_for
from gr_jadce.solvers import amp, bcd, fista, ista, pc_admm
from gr_jadce.unrolled.inference import unrolled
from gr_jadce.uplink import simulate

KERNEL = kernel_for("auto")
BACKENDS = ["numpy", pytest.param("kernel", marks=pytest.mark.skipif(
    not hasattr(KERNEL, "fast_pc_admm"), reason="needs the compiled kernel"))]  # fmt: skip
# Tight and not, powers of two and odd, and shifts of the user's own.
BOOKS = [
    make_pilots("dft", 97, 31),
    make_pilots("hadamard", 128, 40),
    make_pilots("hadamard", 90, 40),
    make_pilots("zadoff_chu", 93, 31),
    make_pilots("zadoff_chu", 75, 31),
    PilotBook("zadoff_chu", 31, 60, roots=np.array([1, 5, 7]), shifts=np.arange(0, 30)[::-1]),
]


@pytest.fixture(params=BOOKS, ids=lambda book: f"{book.kind}-{book.n_devices}")
def book(request, monkeypatch):
    monkeypatch.setattr("gr_jadce.pilots.book._FAST_FROM", {"dft": 0, "hadamard": 0, "zadoff_chu": 0})
    assert request.param.is_fast
    return request.param


def as_matrix(book):
    return PilotBook("custom", book.pilot_length, book.n_devices, pilots=book.matrix)


def frames(book, n_antennas, dtype=np.complex128):
    scenario = Scenario(as_matrix(book), n_antennas, n_active=4, snr_db=15)
    uplink = simulate(scenario, 3, seed=2)
    return uplink.received.astype(dtype), uplink.noise_var


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_antennas", [1, 3])
@pytest.mark.parametrize(
    "options", [{"lam_ratio": 0.2}, {"noise_var": 0.01}, {}], ids=["ratio", "noise", "blind"]
)
def test_pc_admm_finds_the_same_optimum(book, backend, n_antennas, options):
    if backend == "kernel" and book is BOOKS[-1]:
        pytest.skip("shifts of the user's own are left to NumPy")
    received, _ = frames(book, n_antennas)
    fast = pc_admm(book, backend=backend, tol=1e-7, max_iter=3000, **options)(received)
    dense = pc_admm(as_matrix(book), backend="numpy", tol=1e-7, max_iter=3000, **options)(received)
    assert np.all(fast.gap <= 1e-7)
    # Noise variances of blind frames come from looser solutions.
    np.testing.assert_allclose(fast.channel, dense.channel, atol=2e-3 if options else 5e-2)


@pytest.mark.parametrize("make", [ista, fista, bcd, amp])
def test_other_solvers_agree(book, make):
    received, noise_var = frames(book, 2)
    fast, dense = make(book)(received, noise_var), make(as_matrix(book))(received, noise_var)
    np.testing.assert_allclose(fast.channel, dense.channel, atol=2e-2)


@pytest.mark.parametrize("n_antennas", [1, 4])
def test_the_network_agrees(book, n_antennas):
    received, noise_var = frames(book, n_antennas, np.complex64)
    for known in (None, noise_var):
        fast, dense = (
            unrolled(book, n_layers=6)(received, known),
            unrolled(as_matrix(book), n_layers=6)(received, known),
        )
        np.testing.assert_allclose(fast.channel, dense.channel, atol=1e-3)
        np.testing.assert_allclose(fast.score, dense.score, rtol=1e-2, atol=1e-2)


def test_the_uplink_agrees(book):
    fast, dense = (simulate(Scenario(b, 2, n_active=5), 2, seed=3) for b in (book, as_matrix(book)))
    assert fast.noise_var == pytest.approx(dense.noise_var, rel=1e-6)
    np.testing.assert_allclose(fast.received, dense.received, atol=1e-5)


def test_what_needs_a_matrix_refuses_one_too_large():
    book = make_pilots("dft", 65_536, 8_192)
    for make in (amp, bcd):
        with pytest.raises(ValueError, match="expected at most 134217728 symbols of all pilots"):
            make(book)
    with pytest.raises(ValueError, match="pilot_length: expected at most 4096 where A Aᴴ is not"):
        unrolled(make_pilots("hadamard", 60_000, 8_192))


@pytest.mark.parametrize("estimator", ["pc_admm", "unrolled"])
def test_nothing_dense_is_formed(estimator):
    """The matrix alone would take 256 MiB."""
    code = f"""
from pathlib import Path
from gr_jadce import Scenario, make_pilots
from gr_jadce.estimators import make_estimator
from gr_jadce.uplink import simulate
book = make_pilots("dft", 16_384, 2_048)
def peak():  # KiB since this program began; ru_maxrss counts what started it, too
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
uplink = simulate(Scenario(book, 2, n_active=100), 1, seed=0)
estimate = make_estimator({estimator!r}, book)(uplink.received, uplink.noise_var)
assert estimate.channel.shape == (1, 16_384, 2)
print(peak() - before)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 80_000  # KiB


@pytest.mark.skipif(not hasattr(KERNEL, "fast_pc_admm"), reason="needs the compiled kernel")
@pytest.mark.parametrize("kind", ["dft", "hadamard"])
def test_descent_first_saves_iterations_and_finds_the_same_optimum(kind):
    book = make_pilots(kind, 4096, 512)
    uplink = simulate(Scenario(book, 4, n_active=40, snr_db=10), 2, seed=1)
    options = {"noise_var": uplink.noise_var, "lam_factor": 1.7, "backend": "kernel", "tol": 1e-6}
    first = pc_admm(book, **options)(uplink.received.astype(complex))
    plain = pc_admm(book, descend=False, **options)(uplink.received.astype(complex))
    assert np.all(first.gap <= 1e-6) and np.all(plain.gap <= 1e-6)
    assert np.all(first.n_iter < plain.n_iter)
    np.testing.assert_allclose(first.channel, plain.channel, atol=1e-2)
