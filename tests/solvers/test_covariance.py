# SPDX-License-Identifier: GPL-3.0-or-later
"""Maximum-likelihood powers and σ²."""

import numpy as np
import pytest

from gr_jadce import Scenario, as_pilot_book, make_pilots, simulate
from gr_jadce.detection import decide
from gr_jadce.metrics import nmse_db
from gr_jadce.solvers import covariance_ml, oracle_mmse
from gr_jadce.solvers.power_descent import Powers, evidence
from gr_jadce.solvers.power_fit import PowerModel

BOOK = make_pilots("gaussian", 60, 24, seed=2)
HEAVY = Scenario(make_pilots("qpsk", 96, 24, seed=1), 8, n_active=18, snr_db=20)
OVERLOADED = Scenario(make_pilots("qpsk", 96, 24, seed=1), 32, n_active=28, snr_db=20)


def light(n_frames=40, snr_db=15, **options):
    return simulate(Scenario(BOOK, 4, n_active=4, snr_db=snr_db, **options), n_frames, seed=4)


def cost(A, Y, power, noise_var):
    covariance = (A * power) @ A.conj().T + noise_var * np.eye(len(A))
    fit = np.sum(Y.conj() * np.linalg.solve(covariance, Y)).real / Y.shape[1]
    return np.linalg.slogdet(covariance)[1] + fit


def full_descent(A, Y, noise_var, sweeps=200):
    """Coordinate descent over all devices, in random order; and the number of its updates."""
    power, inverse, updates = np.zeros(A.shape[1]), np.eye(len(A), dtype=complex) / noise_var, 0
    rng = np.random.default_rng(0)
    for _ in range(sweeps):
        old = power.copy()
        for n in rng.permutation(len(power)):
            direction = inverse @ A[:, n]
            s = (A[:, n].conj() @ direction).real
            q = np.sum(np.abs(direction.conj() @ Y) ** 2) / Y.shape[1]
            step = max((q - s) / s**2, -power[n])
            inverse -= step / (1 + step * s) * np.outer(direction, direction.conj())
            power[n], updates = power[n] + step, updates + (step != 0)
        if np.abs(power - old).max() < 1e-6 * power.max():
            break
    return power, updates


def test_the_optimum_is_that_of_descent_over_all_devices():
    uplink = simulate(HEAVY, 4, seed=3)
    A, Y = HEAVY.pilots.matrix.astype(complex), uplink.received.astype(complex)
    fit = PowerModel(HEAVY.pilots, tol=1e-6, max_iter=1000).fit(Y, uplink.noise_var)
    default = PowerModel(HEAVY.pilots).fit(Y, uplink.noise_var)
    for frame, power, updates in zip(Y, fit.power, default.n_updates, strict=True):
        expected, all_updates = full_descent(A, frame, uplink.noise_var)
        costs = [cost(A, frame, p, uplink.noise_var) for p in (power, expected)]
        assert costs[0] < costs[1] + 1e-5
        np.testing.assert_allclose(power, expected, atol=1e-3 * expected.max())
        assert updates < all_updates / 2  # at the default tolerance


def test_the_default_tolerance_is_as_good_as_the_optimum():
    uplink = simulate(HEAVY, 20, seed=3)
    coarse, fine = (
        PowerModel(HEAVY.pilots, **options).fit(uplink.received, uplink.noise_var)
        for options in ({}, {"tol": 1e-5, "max_iter": 500})
    )
    assert abs(nmse_db(coarse.channel, uplink.channel) - nmse_db(fine.channel, uplink.channel)) < 0.1
    assert fine.n_updates.sum() > 1.5 * coarse.n_updates.sum()


@pytest.mark.parametrize("n_active", [0, 4])
def test_an_unknown_noise_variance_is_found_at_light_load(n_active):
    uplink = simulate(Scenario(BOOK, 4, n_active=n_active, snr_db=15), 100, seed=4)
    for sparse in (True, False):
        found = PowerModel(BOOK).fit(uplink.received, sparse=sparse).noise_var / uplink.noise_var
        assert np.median(found) == pytest.approx(1, abs=0.1)
        assert np.all((found > 0.5) & (found < 1.6))


def test_an_unknown_noise_variance_is_found_at_heavy_load():
    """Its likelihood alone, with a power for each of more devices than symbols, is greatest at 0."""
    uplink = simulate(HEAVY, 40, seed=5)
    fit = PowerModel(HEAVY.pilots).fit(uplink.received, sparse=True)
    assert np.median(fit.noise_var) == pytest.approx(uplink.noise_var, rel=0.25)
    assert nmse_db(fit.channel, uplink.channel) < -14
    assert np.mean((fit.power > 0) != uplink.activity) < 0.01


@pytest.mark.parametrize("known", [True, False])
def test_more_devices_than_symbols_are_found_by_many_antennas(known):
    uplink = simulate(OVERLOADED, 20, seed=6)
    noise_var = uplink.noise_var if known else None
    fit = PowerModel(OVERLOADED.pilots).fit(uplink.received, noise_var, sparse=True)
    assert np.mean((fit.power > 0) != uplink.activity) < 0.02
    assert np.all(fit.noise_var > 1e-3 * uplink.noise_var)  # that no likelihood tells here


def test_few_powers_give_channels_close_to_the_oracles():
    uplink = light()
    sparse = covariance_ml(BOOK, sparse=True)(uplink.received, uplink.noise_var)
    plain = covariance_ml(BOOK)(uplink.received, uplink.noise_var)
    bound = oracle_mmse(BOOK)(uplink.received, uplink.noise_var, activity=uplink.activity)
    assert nmse_db(sparse.channel, uplink.channel) < nmse_db(bound.channel, uplink.channel) + 0.3
    assert nmse_db(sparse.channel, uplink.channel) < nmse_db(plain.channel, uplink.channel) - 1
    assert np.mean((sparse.score > 0) != uplink.activity) < 0.01


def test_each_more_device_that_explains_nothing_has_less_evidence():
    N, zeros = 12, np.zeros(13)
    power = np.tri(N + 1, N, -1)  # none, one, … all of them active, at equal cost
    fits = Powers(power, zeros + 1, np.zeros((N + 1, N, 2), complex), zeros, zeros, zeros)
    gains = [np.diff(evidence(fits, known)) for known in (True, False)]
    assert np.all(gains[0] < 0) and np.all(gains[1] < gains[0])


def test_only_members_have_a_power():
    uplink = light()
    members = uplink.activity | (np.arange(60) < 5)
    fit = PowerModel(BOOK).fit(uplink.received, uplink.noise_var, members=members)
    assert not fit.power[~members].any()
    assert np.all(fit.power[uplink.activity] > 0)


def test_the_powers_of_all_members_fit_what_is_received():
    """At the optimum, a member's q is its s."""
    uplink = light(n_frames=3)
    A = BOOK.matrix.astype(complex)
    model = PowerModel(BOOK, tol=1e-6, max_iter=500)
    fit = model.fit(uplink.received, uplink.noise_var, members=uplink.activity)
    for Y, power, active in zip(uplink.received, fit.power, uplink.activity, strict=True):
        whitened = np.linalg.solve((A * power) @ A.conj().T + uplink.noise_var * np.eye(24), A)
        spread = np.sum(A.conj() * whitened, axis=0).real
        match = np.sum(np.abs(whitened.conj().T @ Y) ** 2, axis=1) / 4
        np.testing.assert_allclose(match[active], spread[active], rtol=1e-4)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_good_start_saves_updates_and_ends_no_worse(sparse, known):
    uplink = simulate(HEAVY, 20, seed=7)
    noise_var = uplink.noise_var if known else None
    model, start = PowerModel(HEAVY.pilots), np.mean(np.abs(uplink.channel) ** 2, axis=2)
    cold = model.fit(uplink.received, noise_var, sparse=sparse)
    warm = model.fit(uplink.received, noise_var, start=start, sparse=sparse)
    assert warm.n_updates.sum() < cold.n_updates.sum()
    assert nmse_db(warm.channel, uplink.channel) < nmse_db(cold.channel, uplink.channel) + 0.1


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e20])
@pytest.mark.parametrize("known", [True, False])
def test_the_scale_of_frames_is_that_of_the_results(scale, known):
    uplink = light(n_frames=3)
    received, model = uplink.received.astype(complex), PowerModel(BOOK)
    levels = [uplink.noise_var * factor**2 if known else None for factor in (1, scale)]
    expected, fit = (model.fit(received * s, level) for s, level in zip((1, scale), levels, strict=True))
    np.testing.assert_allclose(fit.power / scale**2, expected.power, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fit.channel / scale, expected.channel, atol=1e-6)
    np.testing.assert_allclose(fit.noise_var / scale**2, expected.noise_var, rtol=1e-6)


def test_pilots_of_unequal_norms_scale_their_powers():
    uplink, norms = light(n_frames=5), 10.0 ** np.linspace(-6, 6, 60)
    unit = as_pilot_book(BOOK.matrix / np.linalg.norm(BOOK.matrix, axis=0))
    scaled = as_pilot_book(unit.matrix * norms)
    start = np.where(uplink.activity, 1.0, 0.0)
    expected = PowerModel(unit).fit(uplink.received, uplink.noise_var, start=start)
    fit = PowerModel(scaled).fit(uplink.received, uplink.noise_var, start=start / norms**2)
    np.testing.assert_allclose(fit.power * norms**2, expected.power, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fit.channel * norms[:, None], expected.channel, atol=1e-3)
    scores = [covariance_ml(book)(uplink.received, uplink.noise_var).score for book in (unit, scaled)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3, atol=1e-4)


def test_silence_has_no_powers():
    fit = PowerModel(BOOK).fit(np.zeros((2, 24, 3), np.complex64))
    assert not fit.power.any() and not fit.channel.any()
    np.testing.assert_array_equal(fit.noise_var, 1)


def test_decisions_accept_the_estimate():
    uplink = light()
    estimate = covariance_ml(BOOK, sparse=True)(uplink.received)
    decision = decide(estimate, uplink.received, BOOK)
    assert np.mean(decision.activity != uplink.activity) < 0.01


def test_a_book_too_large_for_a_matrix_is_refused():
    with pytest.raises(ValueError, match="matrix"):
        covariance_ml(make_pilots("dft", 2**20, 2**9, seed=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": np.ones((2, 59))}, r"start: expected finite powers \(2, 60\) .* got shape \(2, 59\)"),
        ({"start": -np.ones((2, 60))}, "start: expected finite powers"),
        ({"members": np.ones((2, 60))}, r"members: expected \(2, 60\) of bool, got float64"),
        ({"members": np.ones(60, bool)}, r"members: expected \(2, 60\) of bool, got bool \(60,\)"),
        ({"noise_var": 0.0}, "noise_var: expected a positive number"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PowerModel(BOOK).fit(np.ones((2, 24, 1), complex), **arguments)
