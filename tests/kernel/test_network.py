# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's network is the NumPy form, which is torch's."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.unrolled.inference import unrolled

kernel = compiled_kernel(allow_module_level=True)


def frames(N, L, M, n_frames=8, snr_db=15):
    pilots = make_pilots("gaussian", N, L, seed=N + M)
    scenario = Scenario(pilots, n_antennas=M, activity_rate=0.1, snr_db=snr_db)
    return pilots, simulate(scenario, n_frames, seed=M).received


def assert_close(estimate, expected):
    size = np.abs(expected.channel).max() + 1e-30
    np.testing.assert_allclose(estimate.channel, expected.channel, rtol=0, atol=1e-4 * size)
    np.testing.assert_allclose(estimate.score, expected.score, rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("noise_var", [None, 0.01])
@pytest.mark.parametrize("size", [(37, 11, 3), (200, 64, 4), (100, 40, 1), (65, 33, 2), (8, 8, 9)], ids=str)
def test_equals_numpy(size, noise_var):
    pilots, received = frames(*size)
    estimates = [
        unrolled(pilots, n_layers=8, backend=backend)(received, noise_var=noise_var)
        for backend in ("kernel", "numpy")
    ]
    assert_close(*estimates)
    assert np.all(estimates[0].n_iter == 8) and np.all(np.isnan(estimates[0].gap))


@pytest.mark.parametrize("snr_db", [0, 10, 20])
def test_frames_end_after_the_same_layers(snr_db):
    pilots, received = frames(100, 40, 4, n_frames=32, snr_db=snr_db)
    found, expected = (unrolled(pilots, backend=backend)(received) for backend in ("kernel", "numpy"))
    assert np.mean(found.n_iter != expected.n_iter) <= 1 / 32  # but where the step is all but the limit
    assert len(set(found.n_iter)) > 1


def test_equals_torch():
    torch = pytest.importorskip("torch", reason="needs torch: make torch")
    from gr_jadce.unrolled.layers import Book, Frames
    from gr_jadce.unrolled.network import Network

    pilots, received = frames(60, 24, 2)
    estimator = unrolled(pilots, n_layers=12, backend="numpy")
    given, scale = estimator.rotation.normalise(received, None)
    book = Book(*(torch.from_numpy(np.array(array)) for array in estimator.rotation.book))
    outputs = Network(estimator.weights.arrays)(book, Frames(*(torch.from_numpy(a.copy()) for a in given)))
    last = list(outputs)[11].estimate.detach().numpy() * scale[:, None] / np.sqrt(estimator.rotation.energy)
    channel = unrolled(pilots, n_layers=12, backend="kernel")(received).channel
    np.testing.assert_allclose(channel, np.moveaxis(last, 0, 1), atol=1e-4 * np.abs(last).max())


@pytest.mark.parametrize("dtype", [np.complex128, np.float32])
def test_dtypes(dtype):
    pilots, received = frames(37, 11, 3)
    received = (received.real if dtype == np.float32 else received).astype(dtype)
    found, expected = (unrolled(pilots, n_layers=8, backend=b)(received) for b in ("kernel", "numpy"))
    assert found.channel.dtype == expected.channel.dtype
    assert_close(found, expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_frame_does_not_depend_on_its_batch(threads):
    pilots, received = frames(37, 11, 3, n_frames=9)
    estimator = unrolled(pilots, backend="kernel", threads=threads)
    batch = estimator(received)
    for index in range(len(received)):
        alone = estimator(received[index])
        np.testing.assert_array_equal(batch.channel[index], alone.channel[0])
        np.testing.assert_array_equal(batch.score[index], alone.score[0])


def test_strided_read_only_and_no_frames():
    pilots, received = frames(20, 9, 4)
    estimator = unrolled(pilots, backend="kernel")
    wide = np.repeat(received, 2, axis=2)[:, :, ::2]
    received.setflags(write=False)
    np.testing.assert_array_equal(estimator(wide).channel, estimator(received).channel)
    assert estimator(received[:0]).channel.shape == (0, 20, 4)
    assert not estimator(np.zeros_like(received)).channel.any()


def test_wrong_weights_and_shapes_are_refused():
    pilots, received = frames(20, 9, 4)
    weights = unrolled(pilots).weights.arrays
    B, Q, s = np.ones((2, 3), complex), np.eye(2), np.ones(2)
    with pytest.raises(ValueError, match="slope: missing"):
        kernel.Network(B, Q, s, 1.0, {name: weights[name] for name in weights if name != "slope"}, [0])
    with pytest.raises(ValueError, match="missing, or of another shape"):
        kernel.Network(B, Q, s, 1.0, weights, [99])
    with pytest.raises(ValueError, match=r"expected \(L, N\)"):
        kernel.Network(B, Q, s[:1], 1.0, weights, [0])
    with pytest.raises(ValueError, match=r"expected frames \(B, L, M\)"):
        kernel.Network(B, Q, s, 1.0, weights, [0]).run(received, np.zeros(8), 0.0, 1)


@pytest.mark.parametrize("noise_var", [None, "known"])
@pytest.mark.parametrize(("N", "L", "K"), [(22, 43, 19), (9, 66, 8), (1, 11, 1), (64, 64, 50), (80, 64, 60)])
def test_many_active_devices_do_not_make_it_diverge(N, L, K, noise_var):
    pilots = make_pilots("qpsk", N, L, seed=1)
    uplink = simulate(Scenario(pilots, 2, n_active=K, snr_db=30), 20, seed=2)
    told = uplink.noise_var if noise_var else None
    found, expected = (
        unrolled(pilots, backend=backend)(uplink.received, told) for backend in ("kernel", "numpy")
    )
    size = np.linalg.norm(expected.channel, axis=(1, 2))
    apart = np.linalg.norm(found.channel - expected.channel, axis=(1, 2)) / size
    assert np.mean(apart > 0.01) <= 1 / 20  # but where it ends one layer earlier or later
