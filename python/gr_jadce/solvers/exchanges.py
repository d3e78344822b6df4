# SPDX-License-Identifier: GPL-3.0-or-later
"""Which exchanges of one device that has a power for another make frames likelier.

With s_n = a_nᴴΣ⁻¹a_n, and Σ without its part γ_k a_k a_kᴴ of device k,

    Σ_{−k}⁻¹ = Σ⁻¹ + w_k Σ⁻¹a_k a_kᴴΣ⁻¹,   w_k = γ_k/(1 − γ_k s_k),

so that s_n and q_n = ‖a_nᴴΣ⁻¹Y‖²/M of all devices without k follow from one product AᴴΣ⁻¹[A_S, Y]. All
other powers held, ln p(Y) rises by M (r − 1 − ln r) when n joins at its best power, r = q_n/s_n > 1, and
falls by M (γ_k q_k/(1 + γ_k s_k) − ln(1 + γ_k s_k)) when k leaves: both s and q without k.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric import sum_squares

_MIN_SHARE_WITHOUT = 1e-12  # least 1 − γ s


class Exchanges(NamedTuple):
    """The likeliest exchanges in B frames, the best first, C of each.

    gain : (B, C) by how much ln p(Y) rises; −inf where there are no more.
    leaves, enters : (B, C) int, devices.
    power : (B, C) of the device that enters.
    """

    gain: NDArray
    leaves: NDArray
    enters: NDArray
    power: NDArray


def likely_exchanges(
    A: NDArray, Y: NDArray, power: NDArray, noise_var: NDArray, allowed: NDArray, count: int, least: float
) -> Exchanges:
    """The `count` best exchanges that gain more than `least` in each frame.

    Parameters
    ----------
    A : (L, N) complex
    Y : (B, L, M) complex
    power : (B, N) γ
    noise_var : (B,) σ²
    allowed : (B, N) bool, the devices that may enter.
    """
    shape = len(Y), count
    gain, best = np.full(shape, -np.inf), np.zeros(shape)
    found = Exchanges(gain, np.zeros(shape, int), np.zeros(shape, int), best)
    for b in range(len(Y)):
        members = np.flatnonzero(power[b])
        gain, best = _gains(A, Y[b], members, power[b, members], noise_var[b])
        gain = np.where(allowed[b] & (power[b] == 0), gain, -np.inf)
        order = np.argsort(-gain, axis=None, kind="stable")[:count]
        k, n = np.unravel_index(order[gain.flat[order] > least], gain.shape)
        for field, values in zip(found, (gain[k, n], members[k], n, best[k, n]), strict=True):
            field[b, : len(k)] = values
    return found


def _gains(
    A: NDArray, Y: NDArray, members: NDArray, power: NDArray, noise_var: float
) -> tuple[NDArray, NDArray]:
    """By how much ln p(Y) rises when each member leaves and each device enters (K, N), and its best power."""
    pilots, M, K = A[:, members], Y.shape[1], len(members)
    inverse = np.linalg.inv((pilots * power) @ pilots.conj().T + noise_var * np.eye(len(A)))
    spread = np.sum((A.conj() * (inverse @ A)).real, axis=0)
    product = (A.conj().T @ (inverse @ np.concatenate([pilots, Y], axis=1))).T
    between, along = product[:K], product[K:].T
    weight = power / np.maximum(1 - power * spread[members], _MIN_SHARE_WITHOUT)
    s = spread + weight[:, None] * sum_squares(between[..., None])
    step = (weight[:, None] * between)[..., None] * along[members][:, None]
    q = sum_squares(along + step) / M
    own = np.arange(K), members
    x = power * s[own]
    loss = power * q[own] / (1 + x) - np.log1p(x)
    ratio = np.maximum(q / s, 1)
    gain = np.where(ratio > 1, M * (ratio - 1 - np.log(ratio) - loss[:, None]), -np.inf)
    return gain, (q - s) / s**2
