# SPDX-License-Identifier: GPL-3.0-or-later
"""Coordinate descent over the powers γ of the devices, and σ², in Σ = σ²I + Σ_n γ_n a_n a_nᴴ.

The columns of a frame Y (L, M) are CN(0, Σ). With s_n = a_nᴴ Σ⁻¹ a_n and q_n = ‖a_nᴴ Σ⁻¹ Y‖²/M, the cost

    f(γ, σ²) = ln det Σ + tr(Σ⁻¹ Y Yᴴ)/M

is least over γ_n alone, all others held, at max(γ_n + (q_n − s_n)/s_n², 0). Of a round, one product
gives s and q of all devices; only the active set, those whose power is far from its best, is visited, one by
one from that which f falls by most on. σ² follows from f'(σ²) = 0 as ‖P Y‖²/(M tr P), where
P = σ²Σ⁻¹, so that P Y is what the devices leave of Y.

Each power can explain a little noise. So with N > L powers the cost alone has its minimum at σ² → 0. A
penalty on each device that has a power prevents that: `penalties`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric import log_choices, sum_squares

_MAX_ACTIVE = 4  # times L: the most devices visited in a round
_MIN_STEP = 0.025  # times tol: a smaller step of a power is not made
_MIN_SHARE_WITHOUT = 1e-12  # least 1 − γ s: what is left of s without the device's own part in Σ
_NOISE_COST = 1.5  # of ln p(Y): what a device that explains nothing gains by an unknown σ², about
_MIN_NOISE_FACTOR = 0.1  # of a round: the least by which σ² falls


class Rule(NamedTuple):
    """How to descend.

    ramp : shares of the penalty, round by round; the last one stays. (0,): none.
    held : rounds that σ² is held for, from the first on; None: always, it is known.
    passes : over the active set in a round; only those that moved in one are visited in the next.
    tol : a frame is done after a round that was to change no γ_n by more than tol/s_n, nor σ² by tol σ².
    max_iter : rounds.
    """

    ramp: tuple[float, ...]
    held: int | None
    passes: int
    tol: float
    max_iter: int


class Start(NamedTuple):
    """Where a descent starts, of B frames.

    power : (B, N) γ.
    noise_var : (B,) σ².
    allowed : (B, N) bool, the devices that may have a power.
    floor : (B,) what σ² must not be below.
    """

    power: NDArray
    noise_var: NDArray
    allowed: NDArray
    floor: NDArray


class Powers(NamedTuple):
    """What a descent ends at, of B frames.

    power : (B, N) γ.
    noise_var : (B,) σ².
    channel : (B, N, M) posterior means Γ Aᴴ Σ⁻¹ Y.
    cost : (B,) f.
    n_iter : (B,) rounds.
    n_updates : (B,) powers changed, one at a time.
    """

    power: NDArray
    noise_var: NDArray
    channel: NDArray
    cost: NDArray
    n_iter: NDArray
    n_updates: NDArray


class _State(NamedTuple):
    """Of B frames; all but the noise variances are changed in place."""

    power: NDArray  # (B, N)
    noise_var: NDArray  # (B,)
    inverse: NDArray  # (B, L, L) Σ⁻¹
    filtered: NDArray  # (B, L, M) Σ⁻¹Y
    most: NDArray  # (B,) σ² + Σ γ ‖a‖²: ‖Σ‖ is no more, so that aᴴΣ⁻¹a is no less than ‖a‖² over it


def descend(A: NDArray, Y: NDArray, start: Start, rule: Rule) -> Powers:
    """Descend from `start`; A (L, N) and Y (B, L, M) complex, in double precision."""
    power, noise_var, allowed, floor = start
    power, noise_var = np.where(allowed, power, 0.0), np.maximum(noise_var, floor)
    n_iter, n_updates = np.zeros((2, len(Y)), int)
    live = np.arange(len(Y))
    for turn in range(rule.max_iter):
        share = rule.ramp[min(turn, len(rule.ramp) - 1)]
        state = _state(A, Y[live], power[live], noise_var[live])
        step, updates = _round(A, state, allowed[live], share, rule)
        n_iter[live], n_updates[live] = n_iter[live] + 1, n_updates[live] + updates
        power[live] = state.power
        if rule.held is not None and turn >= rule.held:
            noise_var[live] = np.maximum(_noise_var(state), floor[live])
            step = np.maximum(step, np.abs(noise_var[live] / state.noise_var - 1))
        if turn + 1 >= len(rule.ramp):
            live = live[step > rule.tol]
        if not live.size:
            break
    return _result(A, Y, power, noise_var, n_iter, n_updates)


def penalties(power: NDArray, n_antennas: int) -> NDArray:
    """What a device costs that has a power, in units of ln p(Y) (B,).

    The odds against it that the other devices suggest, and what a free parameter costs that M samples tell.
    """
    N = power.shape[1]
    active = np.minimum(np.count_nonzero(power, axis=1), N // 2)
    return np.log((N - active + 1) / (active + 1)) + _parameter_cost(n_antennas)


def evidence(fit: Powers, known: bool) -> NDArray:
    """ln p(Y, who has a power) (B,), but for a constant: what the better of two fits has more of.

    Where σ² is not known, it falls with each device that joins, which makes the frame likelier than it is.
    """
    (_, N, M), active = fit.channel.shape, np.count_nonzero(fit.power, axis=1)
    cost = _parameter_cost(M) + (0.0 if known else _NOISE_COST)
    return -M * fit.cost - log_choices(N, active) - active * cost


def _parameter_cost(n_antennas: int) -> float:
    return np.log(4 * n_antennas) / 2


def _round(A: NDArray, state: _State, allowed: NDArray, share: float, rule: Rule) -> tuple[NDArray, NDArray]:
    """Visit the active set; the largest step that was due at first (B,), and the powers changed."""
    M = state.filtered.shape[2]
    spread = np.sum((A.conj() * (state.inverse @ A)).real, axis=1)
    match = sum_squares(A.conj().T @ state.filtered) / M
    spread = np.maximum(spread, sum_squares(A, axis=0) / state.most[:, None])
    penalty = share * penalties(state.power, M) / M
    target = _target(state.power, spread, match, penalty[:, None])
    step = np.where(allowed, np.abs(target - state.power) * spread, 0)
    active = step > rule.tol * _MIN_STEP
    fall = _fall(state.power, target, spread, match, penalty[:, None])
    order = np.argsort(np.where(active, -fall, np.inf), axis=1, kind="stable")[:, : _MAX_ACTIVE * len(A)]
    due = np.take_along_axis(active, order, axis=1)
    updates = np.zeros(len(order), int)
    for _ in range(rule.passes):
        order = np.take_along_axis(order, np.argsort(~due, axis=1, kind="stable"), axis=1)
        due = _pass(A, state, order, due.sum(axis=1), penalty, rule.tol * _MIN_STEP)
        updates += due.sum(axis=1)
    return step.max(axis=1, initial=0), updates


def _pass(A: NDArray, state: _State, order: NDArray, count: NDArray, penalty: NDArray, tol: float) -> NDArray:
    """Visit the first `count` (B,) devices of each frame's order, one by one; which of them moved (B, …)."""
    moved = np.zeros(order.shape, bool)
    for turn in range(count.max(initial=0)):
        frames = np.flatnonzero(turn < count)
        moved[frames, turn] = _visit(A, state, frames, order[frames, turn], penalty, tol)
    return moved


def _target(power: NDArray, spread: NDArray, match: NDArray, penalty: NDArray) -> NDArray:
    """The best power of a device, all others held: none where it gains less than the penalty."""
    without = np.maximum(1 - power * spread, _MIN_SHARE_WITHOUT)
    ratio = np.maximum(match / (spread * without), 1)  # q/s, both without the device's own part in Σ
    best = np.maximum(power + (match - spread) / spread**2, 0)
    return np.where(ratio - 1 - np.log(ratio) > penalty, best, 0)


def _fall(power: NDArray, target: NDArray, spread: NDArray, match: NDArray, penalty: NDArray) -> NDArray:
    """By how much f and the penalties fall when a device's power goes to its target."""
    step = target - power
    growth = np.maximum(1 + step * spread, _MIN_SHARE_WITHOUT)  # of det Σ
    joined: NDArray = (target > 0).astype(int) - (power > 0)
    return match * step / growth - np.log(growth) - penalty * joined


def _visit(
    A: NDArray, state: _State, frames: NDArray, devices: NDArray, penalty: NDArray, tol: float
) -> NDArray:
    """Set the power of one device in each of these frames to its best; whether it has changed."""
    pilots = A.T[devices]  # (F, L)
    energy, direction = sum_squares(pilots), (state.inverse[frames] @ pilots[:, :, None])[:, :, 0]  # Σ⁻¹a
    spread = np.maximum(np.sum((pilots.conj() * direction).real, axis=1), energy / state.most[frames])
    along = np.einsum("fl,flm->fm", pilots.conj(), state.filtered[frames])  # aᴴΣ⁻¹Y
    match, old = sum_squares(along) / along.shape[1], state.power[frames, devices]
    step = _target(old, spread, match, penalty[frames]) - old
    moved = np.abs(step) * spread > tol
    f, step, direction = frames[moved], step[moved], direction[moved]
    state.power[f, devices[moved]] = old[moved] + step
    state.most[f] += step * energy[moved]
    weighted = (step / (1 + step * spread[moved]))[:, None] * direction
    state.inverse[f] -= weighted[:, :, None] * direction.conj()[:, None, :]
    state.filtered[f] -= weighted[:, :, None] * along[moved][:, None, :]
    return moved


def _state(A: NDArray, Y: NDArray, power: NDArray, noise_var: NDArray) -> _State:
    noise = noise_var[:, None, None] * np.eye(len(A))
    inverse = np.linalg.inv((A * power[:, None, :]) @ A.conj().T + noise)
    most = noise_var + power @ sum_squares(A, axis=0)
    return _State(power.copy(), noise_var, inverse, inverse @ Y, most)


def _noise_var(state: _State) -> NDArray:
    """‖P Y‖²/(M tr P)."""
    trace = np.einsum("bll->b", state.inverse).real
    energy = sum_squares(state.filtered, axis=(1, 2)) / state.filtered.shape[2]
    return state.noise_var * np.maximum(energy / trace, _MIN_NOISE_FACTOR)


def _result(
    A: NDArray, Y: NDArray, power: NDArray, noise_var: NDArray, n_iter: NDArray, n_updates: NDArray
) -> Powers:
    state = _state(A, Y, power, noise_var)
    channel = power[..., None] * (A.conj().T @ state.filtered)
    fit = np.einsum("blm,blm->b", Y.conj(), state.filtered).real / Y.shape[2]
    return Powers(power, noise_var, channel, fit - np.linalg.slogdet(state.inverse)[1], n_iter, n_updates)
