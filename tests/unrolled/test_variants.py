# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants for the ablation: in NumPy and torch, and the soft one within the family that converges."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make torch")

from gr_jadce import Scenario, decide, make_pilots, simulate  # noqa: E402
from gr_jadce.metrics import nmse_db  # noqa: E402
from gr_jadce.solvers.pc_admm import check_admissible  # noqa: E402
from gr_jadce.unrolled import unrolled  # noqa: E402
from gr_jadce.unrolled.layers import Book, Frames  # noqa: E402
from gr_jadce.unrolled.network import Network, initial_arrays  # noqa: E402
from gr_jadce.unrolled.training import Case, draw_batch, layer_errors  # noqa: E402
from gr_jadce.unrolled.variants import VARIANTS, admissible  # noqa: E402

OTHERS = sorted(VARIANTS.keys() - {"gate_attention"})
SCENARIO = Scenario(make_pilots("gaussian", 60, 30, 1), n_antennas=2, snr_db=15)


def jitter(variant, n_layers=4, seed=0):
    rng = np.random.default_rng(seed)
    arrays = initial_arrays(n_layers, variant=variant)
    return {
        name: array + (0.1 * rng.standard_normal(array.shape)).astype(np.float32)
        for name, array in arrays.items()
    }


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("variant", OTHERS)
def test_numpy_equals_torch(variant, known):
    received, _, _, noise_var = simulate(SCENARIO, 8, seed=2)
    network = Network(jitter(variant), variant)
    estimator = unrolled(SCENARIO.pilots, network.weights({}, {}), 4)
    frames, scale = estimator.rotation.normalise(received, noise_var if known else None)
    book = Book(*(torch.tensor(part) for part in estimator.rotation.book))
    with torch.no_grad():
        *_, output = network(book, Frames(*(torch.tensor(part) for part in frames)))
    channel = np.moveaxis(output.estimate.numpy(), 0, 1) * scale[:, None, None]
    result = estimator(received, noise_var if known else None)
    expected = channel / np.sqrt(estimator.rotation.energy)
    np.testing.assert_allclose(result.channel, expected, atol=3e-5 * np.abs(expected).max())
    np.testing.assert_allclose(result.score, output.score.numpy().T, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("variant", OTHERS)
def test_every_variant_can_be_trained(variant):
    case = Case(make_pilots("gaussian", 40, 16, 3), 2, 0.1, 0.0, 64)
    network = Network(jitter(variant), variant)
    layer_errors(network, draw_batch(case, 1)).sum().backward()
    for name, parameter in network.parameters_by_name.items():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("seed", range(20))
def test_the_soft_variant_cannot_leave_the_family_that_converges(seed):
    rng = np.random.default_rng(seed)
    w = {name: rng.normal(0, 2) for name in VARIANTS["soft"].shapes}
    check_admissible(*admissible(np, w))


@pytest.mark.parametrize("variant", OTHERS)
def test_decisions_on_an_untrained_network_find_the_devices(variant):
    received, channel, activity, noise_var = simulate(SCENARIO, 40, seed=3)
    weights = Network(initial_arrays(12, variant=variant), variant).weights({}, {})
    decision = decide(unrolled(SCENARIO.pilots, weights)(received, noise_var), received, SCENARIO.pilots)
    assert np.mean(decision.activity == activity) > 0.98
    assert nmse_db(decision.channel, channel) < -3.0
