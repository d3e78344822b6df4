# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of benchmarks/comparators: with the right parameters they are the classical iterations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make torch")

COMPARATORS = Path(__file__).resolve().parents[2] / "benchmarks" / "comparators"
sys.path.insert(0, str(COMPARATORS))

import fitting  # noqa: E402
import networks  # noqa: E402

import gr_jadce  # noqa: E402
from gr_jadce import Scenario, make_pilots, simulate  # noqa: E402
from gr_jadce.metrics import nmse_db  # noqa: E402
from gr_jadce.solvers.certified import Rotated  # noqa: E402
from gr_jadce.solvers.first_order import Ista  # noqa: E402
from gr_jadce.solvers.message_passing import _amp  # noqa: E402
from gr_jadce.solvers.pc_admm import PcAdmm  # noqa: E402
from gr_jadce.unrolled import load_weights  # noqa: E402
from gr_jadce.unrolled.training import Case, Trainer  # noqa: E402

BOOK = make_pilots("gaussian", 60, 24, seed=2)
CASE = Case(BOOK, 2, 0.1, 0.0, 16)


def outputs(layer, n_layers, **parameters):
    """A batch, and the last estimate of an untrained network, all its parameters set to constants."""
    network = fitting.untrained(layer, BOOK, n_layers)
    for name, value in network.named_parameters():
        for end, constant in parameters.items():
            if name.endswith(end):
                torch.nn.init.constant_(value, constant)
    batch = fitting.draw(CASE, 3, snr_range_db=(15, 15))
    with torch.no_grad():
        *_, output = network(batch.book, batch.frames)
    return batch, output.estimate.numpy()


def classical(iteration, batch, lam, n_iter, rotated=None):
    Y = batch.frames.Y.numpy().astype(complex)
    state = iteration.start(Y, np.full(Y.shape[1], lam), np.full(Y.shape[1], lam))
    for _ in range(n_iter):
        state = iteration.step(Y, lam, state)
    return state[0]


def test_lista_starts_as_ista():
    batch, estimate = outputs(networks.Lista, 8, log=np.log(0.2), exponent=0)
    iteration = Ista(Rotated.of(BOOK))
    np.testing.assert_allclose(estimate, classical(iteration, batch, 0.2 * iteration.lipschitz, 8), atol=2e-4)


def test_admm_net_can_be_admm():
    batch, estimate = outputs(networks.AdmmNet, 8, log=np.log(0.2), exponent=0, log_rho=np.log(0.7))
    iteration = PcAdmm(Rotated.of(BOOK), 0.0, ((1.0, 0.0), (1.0, 1.0)), 0.7)
    np.testing.assert_allclose(estimate, classical(iteration, batch, 0.2 * 0.7, 8), atol=2e-4)


def test_lamp_can_be_amp():
    batch, estimate = outputs(networks.Lamp, 8, logit=np.log(0.1 / 0.9), log_power=np.log(10.0))
    A, Y = (part.numpy().astype(complex) for part in (batch.book.B, batch.frames.Y))
    prior = {"prior": (0.1, 10.0), "alpha": None, "max_iter": 8, "damping": 1.0}
    expected, _, _ = _amp(A, Y, batch.frames.noise_var.numpy().astype(float), **prior)
    np.testing.assert_allclose(estimate, expected, atol=2e-3)


def test_the_analytic_weights_are_coupled_and_of_least_norm():
    batch = fitting.draw(CASE, 3)
    W, A = (part.numpy() for part in (networks._analytic(batch.book), batch.book.B))
    np.testing.assert_allclose(np.diag(W @ A), 1, atol=1e-5)
    step = np.random.default_rng(0).standard_normal(W.shape)
    step = (
        step
        - np.sum(step * A.T, axis=1, keepdims=True) / np.sum(np.abs(A) ** 2, axis=0)[:, None] * A.T.conj()
    )
    for sign in (-1e-2, 1e-2):  # a step that keeps the diagonal
        np.testing.assert_allclose(np.diag((W + sign * step) @ A), 1, atol=1e-4)
        assert np.linalg.norm((W + sign * step) @ A) > np.linalg.norm(W @ A)


def test_the_largest_rows_are_exempt_from_shrinkage():
    T = torch.arange(1.0, 11.0)[:, None, None].to(torch.complex64)
    rows, _, score = networks._shrink(T, torch.tensor([0.5]), None, exempt=0.2)
    np.testing.assert_allclose(rows[:, 0, 0].real, [*np.arange(0.5, 8), 9, 10], atol=1e-5)
    np.testing.assert_allclose(score[:, 0], np.arange(1, 11), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32])
def test_frames_have_the_snr_and_the_channels_they_say(dtype):
    case = CASE._replace(n_frames=4000)
    book, frames, channel, scale = fitting.draw(case, 1, snr_range_db=(10, 10), dtype=dtype)
    signal = torch.einsum("ln,nbm->lbm", book.B, channel)
    noise = ((frames.Y - signal).abs() ** 2).mean((0, 2))
    assert (noise / frames.noise_var).mean() == pytest.approx(1, abs=0.02)
    power = scale * CASE.activity_rate * 60 * 2  # what was divided out
    snr = ((signal.abs() ** 2).mean((0, 2)) * power).mean() / (noise * power).mean()
    assert 10 * np.log10(snr) == pytest.approx(10, abs=0.3)
    assert ((channel.abs() ** 2).sum((0, 2)) * scale).mean() == pytest.approx(1, abs=0.05)


def test_the_nonlinearity_of_admm_net_is_a_curve_of_the_length():
    curve = networks.PiecewiseLinear()
    T = torch.tensor([0.5, 1.75, 40.0])[:, None, None] * torch.tensor([0.6, 0.8j])
    rows, score = curve(T, torch.tensor([2.0]))
    np.testing.assert_allclose(score[:, 0], [0.5, 1.75, 40], rtol=1e-5)
    np.testing.assert_allclose(rows[:, 0, 0].detach(), [0, 0, 0.6 * 38], atol=1e-4)
    with torch.no_grad():
        curve.points[3:5] = torch.tensor([0.5, 1.0])  # at 0.75 and 1 thresholds
    rows, _ = curve(T, torch.tensor([2.0]))
    np.testing.assert_allclose(rows[1, 0].detach(), [0.6 * 1.5, 0.8j * 1.5], atol=1e-4)


@pytest.mark.parametrize(("best", "tried"), [(6e-3, 3), (2e-2, 4), (2e-1, 6), (6.0, 8), (6e-5, 6)])
def test_learning_rates_are_tried_until_the_best_has_a_worse_one_on_either_side(best, tried):
    trials = fitting.search(lambda rate: abs(np.log(rate / best)), fitting.RATES)
    assert min(trials, key=trials.get) == best
    assert len(trials) == tried


def test_a_rate_at_which_training_breaks_down_is_not_chosen():
    trials = fitting.search(lambda rate: -rate if rate < 0.05 else np.nan, fitting.RATES)
    assert min(trials, key=trials.get) == 2e-2
    assert trials[6e-2] == fitting.FAILED


@pytest.mark.parametrize("name", ["LISTA, tied", "LAMP"])
def test_training_makes_it_better(name, monkeypatch):
    monkeypatch.setattr(fitting, "search", lambda score, rates: {2e-2: 0.0})
    layer, options = networks.NETWORKS[name]
    before = fitting.untrained(layer, BOOK, 2, **options)
    start = Trainer(before, 1, cases=lambda rng: CASE, draw=fitting.draw).validate()
    network, record = fitting.comparator(name, CASE, 2, 20)
    assert record["validation_db"] < start
    uplink = simulate(Scenario(BOOK, 2, snr_db=15), 20)
    estimate = fitting.Estimator(BOOK, network)(uplink.received, uplink.noise_var)
    assert nmse_db(estimate.channel, uplink.channel) < -1


def run(program, directory, *arguments):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    command = [sys.executable, COMPARATORS / program, *map(str, arguments)]
    process = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": package}, cwd=directory, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr


def test_the_comparison_runs(tmp_path):
    options = ["--budget", 0.001, "--layers", 2, "--frames", 20, "--cells", "single-antenna"]
    run("compare.py", tmp_path, *options, "--work", tmp_path / "w", "--output", tmp_path / "out")
    estimators = json.loads((tmp_path / "out.json").read_text())["cells"]["single-antenna"]["estimators"]
    assert len(estimators) == len(networks.NETWORKS) + 4
    assert "| LAMP |" in (tmp_path / "out.md").read_text()


def test_the_weights_of_the_tables_can_be_trained(tmp_path):
    run("train_tables.py", tmp_path, "--tables", "block_alista", "--budget", 0.001, "--output", tmp_path)
    assert load_weights(tmp_path / "block_alista.npz").n_layers == 6


def test_the_score_is_the_length_of_a_channel_whatever_the_scale_of_its_frame():
    uplink = simulate(Scenario(BOOK, 2, snr_db=15), 5)
    for layer, factor in ((networks.Lista, 7.0), (networks.Lamp, 1.0)):  # LAMP has log-odds
        estimator = fitting.Estimator(BOOK, fitting.untrained(layer, BOOK, 2))
        one, large = (estimator(x * uplink.received, x**2 * uplink.noise_var) for x in (1, np.float32(7)))
        np.testing.assert_allclose(large.score, factor * one.score, rtol=1e-3, atol=1e-3)
