# SPDX-License-Identifier: GPL-3.0-or-later
"""Gibbs sampling over who is active, for frames that the network leaves unsettled.

The model is that of the network's gate: a device is active with probability ρ, and then its
channel is CN(0, γ w) on every antenna, w one of a few relative powers. With all channels
integrated out, device n given all others is decided by its own odds alone: with Σ the covariance
of a sample without it, s = a_nᴴ Σ⁻¹ a_n and q = ‖a_nᴴ Σ⁻¹ Y‖²,

    p(active, w) / p(inactive) = ρ π_w / (1 − ρ) · (1 + γ w s)^−M · exp(q γ w / (1 + γ w s)).

A sweep draws every device in turn that has a chance, with rank-one updates of Σ⁻¹, and then ρ, π,
γ and, where it is unknown, σ². The mean over the sweeps of E[X | who is active] and of the
activity probabilities comes near to the posterior means, whatever the load. Random numbers are the
same for every frame, so a frame's result does not depend on its batch (but for rounding).

The sampler with channels integrated out is that of D. Ge, J. Idier and E. Le Carpentier, Signal
Processing 91(4), 2011, for rows, and with a few powers.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares

CHAINS = 2
_POWERS = np.array([0.1, 0.4, 1.5])  # w
_PRIOR_COUNTS = np.array([0.3, 0.5, 0.5])  # devices of each power, as if seen before the frame
_SETTLING_SHARE = 1 / 6  # share of the sweeps that are not counted
_MIN_CHANCE = 1e-3  # inactive devices with less stay so for a sweep
_MIN_NOISE_SHARE = 1e-6  # of the frame's energy a sample: the least noise variance
_MIN_PROBABILITY = 1e-9  # probabilities are held so far from 0 and 1


class _Model(NamedTuple):
    """What holds for a sweep; of B frames."""

    noise_var: NDArray  # (B,)
    power: NDArray  # (B, 3) γ w
    logit: NDArray  # (B,) of ρ
    share: NDArray  # (B, 3) ln π


class _State(NamedTuple):
    """Who is active, changed in place by a sweep."""

    kind: NDArray  # (B, N) which power; −1: inactive
    variance: NDArray  # (B, N) γ w, or 0
    inverse: NDArray  # (B, L, L) Σ⁻¹
    filtered: NDArray  # (B, L, M) Σ⁻¹ Y


def sample(
    A: NDArray,
    Y: NDArray,
    activity: NDArray,
    noise_var: NDArray,
    *,
    known: bool,
    sweeps: int,
    kernel: ModuleType | None = None,
    threads: int = 1,
    seed: int = 0,
) -> tuple[NDArray, NDArray]:
    """Posterior means of channels and activities.

    Parameters
    ----------
    A : (L, N) complex
        Pilots.
    Y : (B, L, M) complex
        Frames.
    activity : (B, N) bool
        Where to start.
    noise_var : (B,)
        σ² per received sample, or where to start from.
    known : bool
        Whether it is σ².
    sweeps : int
        Of each of the two chains.
    kernel : module, optional
        The compiled kernel, whose sweeps are the same.
    threads : int
        Of the kernel, over the frames.

    Returns
    -------
    channel : (B, N, M) complex
    score : (B, N)
        Log-odds of activity.
    """
    A, Y = A.astype(np.complex128), Y.astype(np.complex128)
    noise_var = np.maximum(noise_var, _min_noise_var(Y))
    run_sweep = _sweep_of(kernel, threads)
    chains = [
        _chain(A, Y, activity, noise_var, known, sweeps, run_sweep, np.random.default_rng([seed, chain]))
        for chain in range(CHAINS)
    ]
    channel, probability = (sum(parts) / CHAINS for parts in zip(*chains, strict=True))
    probability = np.clip(probability, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return channel, np.log(probability / (1 - probability))


def _chain(A, Y, activity, noise_var, known, sweeps, run_sweep, rng):
    kind = np.where(activity, np.argmin(np.abs(np.log(_POWERS))), -1)
    gamma, noise_var = _start(A, Y, activity, noise_var), noise_var.copy()
    channel, probability, counted = 0, 0, 0
    for sweep in range(sweeps):
        model = _model(kind, gamma, noise_var)
        state = _state(A, Y, kind, model)
        chance = _chances(A, state, model)
        run_sweep(A, state, model, chance, *_turns(rng, A.shape[1]))
        if sweep >= int(_SETTLING_SHARE * sweeps):
            channel, probability = channel + _mean(A, state), probability + chance
            counted += 1
        kind = state.kind
        X = _draw(A, Y, state, model, rng)
        gamma, noise_var = _learn(A, Y, X, kind, gamma, noise_var, known, rng)
    return channel / counted, probability / counted


def _start(A: NDArray, Y: NDArray, activity: NDArray, noise_var: NDArray) -> NDArray:
    """γ that explains the frames' energy."""
    energy = sum_squares(Y, axis=(1, 2)) / Y[0].size
    a_device = np.maximum(activity.sum(axis=1), 1) * sum_squares(A, axis=None) / A.size
    return np.maximum(energy - noise_var, 0.1 * noise_var) / a_device


def _model(kind: NDArray, gamma: NDArray, noise_var: NDArray) -> _Model:
    N = kind.shape[1]
    rate = np.clip((np.sum(kind >= 0, axis=1) + 0.5) / N, 1e-3, 0.6)
    seen = np.stack([np.sum(kind == k, axis=1) for k in range(len(_POWERS))], axis=1) + _PRIOR_COUNTS
    share = np.log(seen / seen.sum(axis=1, keepdims=True))
    return _Model(noise_var, gamma[:, None] * _POWERS, np.log(rate / (1 - rate)), share)


def _state(A: NDArray, Y: NDArray, kind: NDArray, model: _Model) -> _State:
    chosen = np.take_along_axis(model.power, np.maximum(kind, 0), axis=1)
    variance = np.where(kind >= 0, chosen, 0.0)
    noise = model.noise_var[:, None, None] * np.eye(len(A))
    inverse = np.linalg.inv((A * variance[:, None, :]) @ A.conj().T + noise)
    return _State(kind.copy(), variance, inverse, inverse @ Y)


def _turns(rng: np.random.Generator, n_devices: int) -> tuple[NDArray, NDArray]:
    """The order (N,) of a sweep, and the uniform numbers (2, N) that it draws by; the same for all frames."""
    return rng.permutation(n_devices), rng.random((2, n_devices))


def _chances(A: NDArray, state: _State, model: _Model) -> NDArray:
    """The chance of every device to be active given all others (B, N)."""
    spread = np.sum((A.conj() * (state.inverse @ A)).real, axis=1)
    match, wide = sum_squares(A.conj().T @ state.filtered), (slice(None), None)
    of_frame = (model.power[wide], model.logit[wide], model.share[wide])
    return _odds(spread, match, state.variance, *of_frame, state.filtered.shape[2])[0]


def _sweep(A, state, model, chance, order, uniform):
    """Draw every device that has a chance, in this order, and bring its chance up to date."""
    columns = np.ascontiguousarray(A.T)
    visited = (state.kind >= 0) | (chance > _MIN_CHANCE)
    turns, count = np.argsort(~visited[:, order], axis=1, kind="stable"), visited.sum(axis=1)
    for turn in range(count.max()):
        frames = np.flatnonzero(turn < count)
        devices = order[turns[frames, turn]]
        chance[frames, devices] = _visit(columns[devices], state, model, frames, devices, uniform)


def _sweep_of(kernel: ModuleType | None, threads: int) -> Callable[..., None]:
    """`_sweep`, or the same in the kernel where there is one."""
    return _sweep if kernel is None else partial(_sweep_compiled, kernel, threads)


def _sweep_compiled(kernel, threads, A, state, model, chance, order, uniform):
    columns, of_frame = np.ascontiguousarray(A.T), (model.power, model.logit, model.share)
    kernel.sample_sweep(columns, *state, chance, *of_frame, order, uniform, _MIN_CHANCE, threads)


def _visit(pilots, state, model, frames, devices, uniform):
    """Draw one device of each of these frames; its chance."""
    direction = (state.inverse[frames] @ pilots[:, :, None])[:, :, 0]
    match = np.einsum("bl,blm->bm", pilots.conj(), state.filtered[frames])
    spread = np.einsum("bl,bl->b", pilots.conj(), direction).real
    old, power = state.variance[frames, devices], model.power[frames]
    chance, shares = _odds(
        spread, sum_squares(match), old, power, model.logit[frames], model.share[frames], match.shape[1]
    )
    active, share = uniform[0, devices] < chance, np.cumsum(shares, axis=1)
    kind = np.sum(uniform[1, devices][:, None] * share[:, -1:] >= share, axis=1).clip(0, len(_POWERS) - 1)
    new = np.where(active, np.take_along_axis(power, kind[:, None], axis=1)[:, 0], 0.0)
    state.kind[frames, devices], state.variance[frames, devices] = np.where(active, kind, -1), new
    moved = np.flatnonzero(new != old)
    step = (new - old)[moved] / (1 + (new - old)[moved] * spread[moved])
    _update(state, frames[moved], step, direction[moved], match[moved])
    return chance


def _update(state: _State, frames: NDArray, step: NDArray, direction: NDArray, match: NDArray) -> None:
    """Σ⁻¹ and Σ⁻¹Y after the variance of a device has changed."""
    weighted = step[:, None] * direction
    state.inverse[frames] -= weighted[:, :, None] * direction.conj()[:, None, :]
    state.filtered[frames] -= weighted[:, :, None] * match[:, None, :]


def _odds(spread, match, variance, power, logit, share, n_antennas):
    """Probability of being active given all others, and shares of the powers (…, 3) if it is."""
    without = np.maximum(1 - variance * spread, 1e-9)  # leaves the device's own part out of Σ
    x = power * (spread / without)[..., None]
    log_odds = (match / without**2)[..., None] * power / (1 + x) - n_antennas * np.log1p(x) + share
    peak = log_odds.max(axis=-1, keepdims=True)
    shares = np.exp(log_odds - peak)
    total = logit + peak[..., 0] + np.log(shares.sum(axis=-1))
    return 1 / (1 + np.exp(-np.clip(total, -50, 50))), shares


def _mean(A: NDArray, state: _State) -> NDArray:
    """E[X | who is active] (B, N, M)."""
    return state.variance[..., None] * (A.conj().T @ state.filtered)


def _draw(A: NDArray, Y: NDArray, state: _State, model: _Model, rng: np.random.Generator) -> NDArray:
    """X drawn given who is active (B, N, M)."""
    (L, N), M = A.shape, Y.shape[2]
    prior = np.sqrt(state.variance)[..., None] * _normal(rng, (N, M))
    noise = np.sqrt(model.noise_var)[:, None, None] * _normal(rng, (L, M))
    left = state.inverse @ (Y - A @ prior - noise)
    return prior + state.variance[..., None] * (A.conj().T @ left)


def _learn(A, Y, X, kind, gamma, noise_var, known, rng):
    """γ and σ² given everything else."""
    M, active = Y.shape[2], kind >= 0
    energy = np.sum(np.where(active, sum_squares(X) / _POWERS[np.maximum(kind, 0)], 0), axis=1)
    gamma = (energy + M * gamma) / (M * (active.sum(axis=1) + 1))
    scale = rng.standard_gamma(Y[0].size)
    if not known:
        noise_var = np.maximum(sum_squares(Y - A @ X).sum(axis=1) / scale, _min_noise_var(Y))
    return gamma, noise_var


def _min_noise_var(Y: NDArray) -> NDArray:
    """The least noise variance (B,) that double precision bears."""
    return np.maximum(_MIN_NOISE_SHARE * sum_squares(Y, axis=(1, 2)) / Y[0].size, np.finfo(np.float32).tiny)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)
