# SPDX-License-Identifier: GPL-3.0-or-later
"""The torch network against the NumPy one, and training."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make torch")

from gr_jadce import Scenario, make_pilots, simulate  # noqa: E402
from gr_jadce.metrics import nmse_db  # noqa: E402
from gr_jadce.solvers.group_lasso import apply  # noqa: E402
from gr_jadce.unrolled import unrolled  # noqa: E402
from gr_jadce.unrolled.layers import SHAPES, Book, Frames  # noqa: E402
from gr_jadce.unrolled.network import Network, initial_arrays  # noqa: E402
from gr_jadce.unrolled.training import Case, Trainer, dense, draw_batch, draw_case, layer_errors  # noqa: E402


def jitter(n_layers, seed=0):
    """Parameters off their initial values."""
    rng = np.random.default_rng(seed)
    arrays = initial_arrays(n_layers)
    return {
        name: array + (0.1 * rng.standard_normal(array.shape)).astype(np.float32)
        for name, array in arrays.items()
    }


def run_torch(arrays, pilots, received, noise_var):
    """The last layer's estimate and score, in the estimator's shapes and units.

    In double precision: of a few values torch's single precision leaves four digits.
    """
    network = Network(arrays).double()
    estimator = unrolled(pilots, network.weights({}, {}), network.n_layers)
    frames, scale = estimator.rotation.normalise(received.astype(complex), noise_var)
    book = Book(*map(in_double, estimator.rotation.book))
    with torch.no_grad():
        *_, output = network(book, Frames(*map(in_double, frames)))
    channel = np.moveaxis(output.estimate.numpy(), 0, 1) * scale[:, None, None]
    return channel / np.sqrt(estimator.rotation.energy), output.score.numpy().T


def in_double(part):
    return torch.tensor(part).to(torch.complex128 if part.dtype.kind == "c" else torch.float64)


def write_reference(path=Path(__file__).parent / "reference.npz"):
    """Write what test_inference compares with; run by hand whenever the network changes."""
    scenario = Scenario(make_pilots("gaussian", 20, 9, 3), n_antennas=2, snr_db=15)
    received, _, _, noise_var = simulate(scenario, 4, seed=6)
    arrays, pilots = jitter(4), scenario.pilots.matrix
    known, unknown = (run_torch(arrays, pilots, received, value) for value in (noise_var, None))
    results = {"channel_known": known[0], "score_known": known[1]}
    results |= {"channel_unknown": unknown[0], "score_unknown": unknown[1]}
    np.savez_compressed(path, pilots=pilots, received=received, noise_var=noise_var, **results, **arrays)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("n_antennas", "snr_db"), [(1, 5), (4, 20), (8, 30)])
def test_numpy_equals_torch(known, n_antennas, snr_db):
    scenario = Scenario(make_pilots("qpsk", 60, 24, 1), n_antennas=n_antennas, snr_db=snr_db)
    received, _, _, noise_var = simulate(scenario, 8, seed=2)
    arrays, noise_var = jitter(6), noise_var if known else None
    channel, score = run_torch(arrays, scenario.pilots, received, noise_var)
    weights = Network(arrays).weights({}, {})
    result = unrolled(scenario.pilots, weights, n_layers=6)(received, noise_var)
    np.testing.assert_allclose(result.channel, channel, atol=1e-5 * np.abs(channel).max())
    np.testing.assert_allclose(result.score, score, rtol=1e-3, atol=1e-3)


def test_untrained_is_already_near_the_oracle():
    """MMSE with the support known: -18.45 dB."""
    scenario = Scenario(make_pilots("gaussian", 200, 64, 7), n_antennas=4, snr_db=15)
    received, channel, _, noise_var = simulate(scenario, 40, seed=4)
    weights = Network(initial_arrays(12)).weights({}, {})
    assert nmse_db(unrolled(scenario.pilots, weights)(received, noise_var).channel, channel) < -18.0


def small_case(rng):
    return Case(make_pilots("gaussian", 40, 16, int(rng.integers(100))), 1, 0.1, 0.0, 64)


def error_db(network):
    batch = draw_batch(small_case(np.random.default_rng(99)), 1)
    with torch.no_grad():
        return float(10 * torch.log10(layer_errors(network, batch)[-1]).mean())


def test_training_repairs_spoilt_parameters():
    arrays = initial_arrays(4)
    arrays["slope"] -= 2.0
    arrays["reflect"] -= 0.4
    network = Network(arrays)
    before = error_db(network)
    losses = [loss for _, loss in Trainer(network, 40, learning_rate=0.03, cases=small_case).run()]
    assert np.all(np.isfinite(losses))
    assert error_db(network) < before - 1.0


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path):
    whole = Trainer(Network(initial_arrays(2)), 12, seed=3, cases=small_case)
    list(whole.run())
    first = Trainer(Network(initial_arrays(2)), 12, seed=3, cases=small_case)
    steps = first.run()
    for _ in range(9):  # past the warm-up of this short schedule
        next(steps)
    first.save(tmp_path / "run.pt")
    second = Trainer(Network(initial_arrays(2, seed=5)), 12, seed=3, cases=small_case)
    second.load(tmp_path / "run.pt")
    assert [step for step, _ in second.run()] == [10, 11, 12]
    for name in SHAPES:
        expected, got = (t.network.parameters_by_name[name] for t in (whole, second))
        assert torch.equal(expected, got), name


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    Trainer(Network(initial_arrays(2)), 6, seed=3).save(tmp_path / "run.pt")
    with pytest.raises(ValueError, match="seed: expected 4, got 3"):
        Trainer(Network(initial_arrays(2)), 6, seed=4).load(tmp_path / "run.pt")


def test_every_parameter_takes_part():
    batch = draw_batch(small_case(np.random.default_rng(1)), 1)
    network = Network(jitter(3))
    layer_errors(network, batch).sum().backward()
    for name in SHAPES:
        assert torch.isfinite(network.parameters_by_name[name].grad).all()
        assert network.parameters_by_name[name].grad.abs().sum() > 0, name


def test_batches_have_the_power_and_noise_they_say():
    case = Case(make_pilots("gaussian", 60, 30, 2), 4, 0.1, 6.0, 512)
    batch = draw_batch(case, 5, snr_range_db=(10.0, 10.0))
    rebuilt = apply(batch.book.B, batch.channel)
    noise = batch.frames.Y - rebuilt
    signal_energy, noise_energy = (
        float(((part.abs() ** 2).sum((0, 2)) * batch.scale).sum()) for part in (rebuilt, noise)
    )
    assert 10 * np.log10(signal_energy / noise_energy) == pytest.approx(10, abs=0.6)
    known = batch.frames.known > 0
    found = (noise.abs() ** 2).mean((0, 2))[known] / batch.frames.noise_var[known]
    assert float(found.mean()) == pytest.approx(1, abs=0.02)
    true_energy = (batch.channel.abs() ** 2).sum((0, 2)) * batch.scale
    assert float(true_energy.mean()) == pytest.approx(1, abs=0.1)


def test_pilots_with_fast_products_can_be_trained_on():
    fast, small = make_pilots("dft", 2048, 64, 0), make_pilots("dft", 64, 16, 0)
    assert dense(small) is small
    book = dense(fast)
    np.testing.assert_array_equal(book.matrix, fast.matrix)
    batch = draw_batch(Case(book, 1, 0.01, 0.0, 8), 0)
    assert batch.frames.Y.shape == (64, 8, 1)


def test_the_mixture_stays_within_what_it_says():
    from gr_jadce.unrolled.training import MIXTURE

    cases = [draw_case(np.random.default_rng(k)) for k in range(200)]
    ratios = [case.pilots.n_devices / case.pilots.pilot_length for case in cases]
    loads = [ratio * case.activity_rate for ratio, case in zip(ratios, cases, strict=True)]
    assert MIXTURE["devices_per_symbol"][0] * 0.9 <= min(ratios)
    assert max(ratios) <= MIXTURE["devices_per_symbol"][1] * 1.02
    assert max(loads) <= MIXTURE["active_per_symbol"][1]
    assert {case.n_antennas for case in cases} == set(MIXTURE["n_antennas"])
    assert max(case.pilots.n_devices for case in cases) <= MIXTURE["n_devices"][1] * 1.1
    assert min(case.pilots.n_devices for case in cases) >= MIXTURE["n_devices"][0]
