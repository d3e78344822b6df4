# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's PC-ADMM is the NumPy form, frame by frame, and its certificates are true."""

import os
import subprocess
import sys

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, make_pilots, pc_admm, simulate
from gr_jadce.solvers import admm
from gr_jadce.solvers.group_lasso import duality_gap, lam_max

kernel = compiled_kernel(allow_module_level=True)
SIZES = [(37, 11, 3), (8, 8, 1), (3, 2, 5), (1, 1, 1), (200, 64, 8), (100, 40, 1), (65, 33, 2)]


def frames(N, L, M, n_frames=6, snr_db=15, dtype=np.complex64):
    pilots = make_pilots("gaussian", N, L, seed=N + M)
    uplink = simulate(Scenario(pilots, n_antennas=M, activity_rate=0.1, snr_db=snr_db), n_frames, seed=M)
    return pilots, uplink.received.astype(dtype)


def assert_close(estimate, expected, tolerance):
    size = np.abs(expected.channel).max() + 1e-30
    np.testing.assert_allclose(estimate.channel, expected.channel, rtol=0, atol=tolerance * size)
    np.testing.assert_allclose(estimate.score, expected.score, rtol=0, atol=tolerance * size)


def both(pilots, received, **options):
    call = {"noise_var": options.pop("noise_var")} if "noise_var" in options else {}
    return [pc_admm(pilots, backend=backend, **options)(received, **call) for backend in ("kernel", "numpy")]


@pytest.mark.parametrize(
    "options", [{"lam_ratio": 0.1}, {"noise_var": 0.02}, {}], ids=["ratio", "noise", "blind"]
)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_numpy_in_double(size, options):
    pilots, received = frames(*size, dtype=np.complex128)
    estimate, expected = both(pilots, received, **options)
    np.testing.assert_array_equal(estimate.n_iter, expected.n_iter)
    np.testing.assert_allclose(estimate.gap, expected.gap, atol=1e-9)
    assert_close(estimate, expected, 1e-9)
    assert estimate.channel.dtype == expected.channel.dtype == np.complex128


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_numpy_in_single(size):
    pilots, received = frames(*size)
    estimate, expected = both(pilots, received, lam_ratio=0.1)
    assert np.all(estimate.n_iter <= expected.n_iter + 9)  # a device left out comes back a check later
    assert_close(estimate, expected, 1e-2)  # both are within tol of the optimum; the kernel screens
    assert np.all(estimate.gap <= 1e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_single_precision_is_double_rounded(size):
    pilots, received = frames(*size)
    rotated = pc_admm(pilots)._rotated
    options = {"lam_ratio": 0.1, "max_iter": 10, "beta_factor": 3.2}  # and nothing is screened out
    Q = np.eye(len(rotated.s)) if rotated.Q is None else rotated.Q
    solver = kernel.PcAdmm(rotated.B, Q, rotated.s, rotated.pilot_energy, options)
    channel = solver.solve(received, np.zeros(len(received)), size[2], 1)[0]
    expected = pc_admm(pilots, backend="numpy", lam_ratio=0.1, max_iter=10, beta_factor=3.2)(received).channel
    np.testing.assert_allclose(channel, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_estimates_are_complex64_for_complex64_frames():
    pilots, received = frames(37, 11, 3)
    estimate, expected = both(pilots, received)
    assert estimate.channel.dtype == expected.channel.dtype == np.complex64


@pytest.mark.parametrize("n_antennas", range(1, 12))
def test_every_number_of_antennas(n_antennas):
    pilots, received = frames(50, 19, n_antennas, dtype=np.complex128)
    assert_close(*both(pilots, received, lam_ratio=0.2), 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_real_frames(dtype):
    pilots, received = frames(20, 9, 2)
    received = received.real.astype(dtype)
    estimate, expected = both(pilots, received, lam_ratio=0.2)
    assert estimate.channel.dtype == expected.channel.dtype
    assert_close(estimate, expected, 1e-5)


def test_admm_equals_numpy():
    pilots, received = frames(37, 11, 3, dtype=np.complex128)
    estimates = [admm(pilots, lam_ratio=0.1, backend=backend)(received) for backend in ("kernel", "numpy")]
    assert_close(*estimates, 1e-9)


@pytest.mark.parametrize("lam_ratio", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("snr_db", [0, 20, 60])
def test_certificates_hold_in_double_precision(snr_db, lam_ratio):
    pilots, received = frames(100, 40, 4, snr_db=snr_db)
    estimate = pc_admm(pilots, lam_ratio=lam_ratio, backend="kernel", max_iter=3000)(received)
    A, Y = pilots.matrix.astype(complex), np.moveaxis(received, 0, 1).astype(complex)
    gap = duality_gap(A, Y, np.moveaxis(estimate.channel, 0, 1), lam_ratio * lam_max(A, Y))
    assert np.all(gap <= 1.02e-4)  # 2 %: the estimate is handed over in single precision


@pytest.mark.parametrize("tol", [1e-5, 1e-7, 1e-10])
def test_small_tolerances_are_met(tol):
    pilots, received = frames(37, 11, 3, dtype=np.complex128)
    estimate = pc_admm(pilots, lam_ratio=0.2, tol=tol, backend="kernel", max_iter=2000)(received)
    assert np.all(estimate.gap <= tol)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("options", [{"lam_ratio": 0.1}, {}], ids=["ratio", "blind"])
def test_a_frame_does_not_depend_on_its_batch(threads, options):
    pilots, received = frames(65, 33, 3, n_frames=9)
    estimator = pc_admm(pilots, backend="kernel", threads=threads, **options)
    batch = estimator(received)
    for index in range(len(received)):
        alone = estimator(received[index])
        for field, expected in zip(batch[:4], alone[:4], strict=True):
            np.testing.assert_array_equal(field[index], expected[0])


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_any_scale(scale):
    pilots, received = frames(20, 9, 2)
    estimator = pc_admm(pilots, lam_ratio=0.2, backend="kernel")
    scaled = estimator((received * np.float32(scale)).astype(np.complex64))
    np.testing.assert_allclose(scaled.score / scale, estimator(received).score, atol=1e-4)


def test_strided_and_read_only_frames():
    pilots, received = frames(20, 9, 4)
    estimator = pc_admm(pilots, backend="kernel")
    wide = np.repeat(received, 2, axis=2)[:, :, ::2]
    fortran = np.asfortranarray(received)
    received.setflags(write=False)
    for other in (wide, fortran, received[::-1][::-1]):
        np.testing.assert_array_equal(estimator(other).channel, estimator(received).channel)


def test_no_frames_and_silent_frames():
    pilots, received = frames(20, 9, 2)
    estimator = pc_admm(pilots, backend="kernel")
    assert estimator(received[:0]).channel.shape == (0, 20, 2)
    silent = estimator(0 * received)
    assert not silent.channel.any() and not silent.gap.any() and not silent.n_iter.any()


def test_noise_variances_equal_numpys():
    pilots, received = frames(37, 11, 3, dtype=np.complex128)
    found, expected = (
        pc_admm(pilots, backend=backend).estimate_noise_var(received) for backend in ("kernel", "numpy")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_wrong_shapes_are_refused():
    B, Q, s = np.ones((2, 3), complex), np.eye(2, dtype=complex), np.ones(2)
    for arguments in ((B[0], Q, s), (B, Q[:1], s), (B, Q, s[:1]), (B[:0], Q[:0, :0], s[:0])):
        with pytest.raises(ValueError, match="expected"):
            kernel.PcAdmm(*arguments, 1.0, {})
    solver = kernel.PcAdmm(B, Q, s, 1.0, {})
    received, noise_var = np.ones((1, 2, 1), np.complex64), np.ones(1)
    for bad in (
        (received[0], noise_var, 1, 1),
        (received[:, :1], noise_var, 1, 1),
        (received, noise_var, 1, 0),
    ):
        with pytest.raises(ValueError, match="expected"):
            solver.solve(*bad)
    with pytest.raises(ValueError, match="one number for each frame"):
        solver.solve(received, np.ones(2), 1, 1)


@pytest.mark.parametrize("size", [1e-8, 1e-3, 1e3, 1e8])
def test_pilots_of_any_norm(size):
    pilots, received = frames(64, 24, 2)
    estimate = pc_admm(size * pilots.matrix, lam_ratio=0.1, backend="kernel")(received)
    expected = pc_admm(pilots, lam_ratio=0.1, backend="kernel")(received)
    assert np.all(estimate.gap <= 1e-4) and np.all(np.abs(estimate.n_iter - expected.n_iter) <= 9)
    np.testing.assert_allclose(size * estimate.channel, expected.channel, atol=1e-2)


def test_pilots_of_unequal_norms_are_certified():
    rng = np.random.default_rng(3)
    pilots, _ = frames(100, 60, 2)
    A = pilots.matrix * 10 ** rng.uniform(-2, 2, 100)
    received = (A @ (rng.standard_normal((4, 100, 2)) * (rng.random((4, 100, 1)) < 0.1))).astype(np.complex64)
    estimate = pc_admm(A, lam_ratio=0.01, backend="kernel", max_iter=3000)(received)
    Y = np.moveaxis(received, 0, 1).astype(complex)
    norms = np.linalg.norm(A, axis=0)  # a device's weight in the penalty
    unit, rows = A / norms, np.moveaxis(estimate.channel * norms[:, None], 0, 1)
    gap = duality_gap(unit, Y, rows, 0.01 * lam_max(unit, Y))
    assert np.all(estimate.gap <= 1e-4) and np.all(gap <= 1.1e-4)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    "options", [{"max_iter": 1}, {"max_iter": 2}, {"max_iter": 20, "check_every": 10**9}]
)
def test_ends_after_the_iterations_asked_for(options, dtype):
    pilots, received = frames(65, 33, 3, dtype=dtype)
    estimate, expected = both(pilots, received, lam_ratio=0.1, tol=1e-5, **options)
    np.testing.assert_array_equal(estimate.n_iter, options["max_iter"])
    assert_close(estimate, expected, 1e-5)


def test_too_many_iterations_are_refused():
    with pytest.raises(ValueError, match="max_iter: expected an integer from 1 to"):
        pc_admm(make_pilots("gaussian", 4, 2), max_iter=2**31)


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers end the process instead")
@pytest.mark.parametrize(("threads", "megabytes"), [(1, 300), (3, 700)])
def test_memory_that_is_not_there_is_an_error_in_any_thread(threads, megabytes):
    """In a process of its own, with little memory: the channels take 200 MB, and so does each thread."""
    program = f"""
import resource
import numpy as np
from gr_jadce import make_pilots, pc_admm
solver = pc_admm(make_pilots("dft", 2**18, 64, 1), lam_ratio=0.5, threads={threads})
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + {megabytes}_000_000,) * 2)
try:
    solver(np.ones((4, 64, 24), np.complex64))
except MemoryError:
    print("no memory")
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, "no memory\n"), process.stderr


@pytest.mark.parametrize("n_antennas", [1, 2, 3])
@pytest.mark.parametrize("options", [{"lam_ratio": 0.1}, {}], ids=["ratio", "blind"])
def test_frames_in_step_are_what_they_are_alone(n_antennas, options):
    """Where nothing is screened out, frames of few antennas share their products."""
    pilots, received = frames(65, 33, n_antennas, n_frames=11, dtype=np.complex128)
    received[4] = 0
    estimator = pc_admm(pilots, backend="kernel", threads=2, **options)
    batch = estimator(received)
    assert len(set(batch.n_iter)) > 1
    for index in range(len(received)):
        for field, expected in zip(batch[:4], estimator(received[index])[:4], strict=True):
            np.testing.assert_array_equal(field[index], expected[0])


def test_frames_in_step_that_single_precision_cannot_certify_are_solved_in_double():
    pilots, received = frames(100, 40, 1, n_frames=6, snr_db=60)
    rotated = pc_admm(pilots)._rotated
    options = {"lam_ratio": 2e-3, "tol": 1e-5, "max_iter": 3000, "beta_factor": 3.2}
    solver = kernel.PcAdmm(rotated.B, rotated.Q, rotated.s, rotated.pilot_energy, options)
    channel, _, _, gap = solver.solve(received, np.zeros(6), 1, 1)
    expected = pc_admm(pilots, backend="numpy", **options)(received)
    assert np.all(gap <= 1e-5)
    np.testing.assert_allclose(channel, expected.channel, atol=1e-2 * np.abs(expected.channel).max())
