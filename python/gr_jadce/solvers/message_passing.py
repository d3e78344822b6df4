# SPDX-License-Identifier: GPL-3.0-or-later
"""Approximate message passing for several antennas, and its vector (orthogonal) form.

Both see, at every iteration, the channel in effective noise, T = X + CN(0, τ²), and denoise it
with the row-wise MMSE denoiser of a Bernoulli-Gaussian prior: a row is active with probability
`activity_rate`, and then CN(0, power) on every antenna. Unknown, the prior is learned from the
frame by expectation maximisation.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from .baseline import FrameSolver
from .group_lasso import apply, row_norms, row_shrink, sum_squares

_LEAST = 1e-12  # of variances, relative to the prior's power


class Denoised(NamedTuple):
    """Of rows T (N, B, M) in noise of variance τ² (B,)."""

    mean: np.ndarray  # (N, B, M) posterior mean
    llr: np.ndarray  # (N, B) log posterior odds of being active
    slope: np.ndarray  # (B,) mean divergence of the mean in T
    power: np.ndarray  # (B,) mean power of active rows, for EM
    rate: np.ndarray  # (B,) mean posterior activity, for EM


def bernoulli_gaussian(T, tau2, rate, power) -> Denoised:
    """The MMSE denoiser of rows that are CN(0, power·I) with probability `rate`, else 0."""
    gain = power / (power + tau2)
    energy = sum_squares(T, axis=2)
    n_antennas = T.shape[2]
    scale = 1.0 if np.iscomplexobj(T) else 0.5  # real Gaussians have half the exponent
    evidence = scale * (gain * energy / tau2 - n_antennas * np.log1p(power / tau2))
    llr = np.clip(evidence + np.log(rate / (1 - rate)), -300, 300)
    post = 1 / (1 + np.exp(-llr))
    slope = np.mean(gain * post * (1 + (1 - post) * gain * energy / (n_antennas * tau2)), axis=0)
    total = np.maximum(post.sum(axis=0), 1e-3)
    active = np.sum(post * (gain**2 * energy / n_antennas + gain * tau2), axis=0) / total
    return Denoised((gain * post)[..., None] * T, llr, slope, active, post.mean(axis=0))


def soft_threshold(T, tau2, alpha):
    """Row shrink by α τ √M; rows (N, B, M) and its mean divergence (B,)."""
    threshold = alpha * np.sqrt(tau2 * T.shape[2])
    norms = row_norms(T)
    dims = T.shape[2] * (2 if np.iscomplexobj(T) else 1)
    share = 1 - (dims - 1) / dims * threshold / np.maximum(norms, threshold)
    return row_shrink(T, threshold), np.mean(np.where(norms > threshold, share, 0), axis=0)


def amp(
    pilots,
    activity_rate=None,
    power=None,
    denoiser="bernoulli_gaussian",
    alpha=1.1402,
    max_iter=50,
    damping=0.85,
) -> FrameSolver:
    """Make an AMP estimator for several antennas (AMP-MMV).

    D. L. Donoho, A. Maleki and A. Montanari, PNAS 106(45), 2009; for several antennas J. Ziniel
    and P. Schniter, IEEE Trans. Signal Process. 61(2), 2013, and L. Liu and W. Yu, ibid. 66(11),
    2018; prior learned as by J. P. Vila and P. Schniter, ibid. 61(19), 2013.

    Parameters
    ----------
    activity_rate, power : float, optional
        The prior: share of active devices, variance of an active device's channel. None: learned.
    denoiser : {"bernoulli_gaussian", "soft"}
        MMSE denoiser, or a row shrink by α τ √M.
    max_iter : int
    damping : float
        Share of the new iterate, in (0, 1]; 1 is AMP as published.
    """
    _check(activity_rate, power, max_iter, damping)
    if denoiser not in ("bernoulli_gaussian", "soft"):
        raise ValueError(f"denoiser: expected bernoulli_gaussian or soft, got {denoiser!r}")
    options = {"max_iter": int(max_iter), "damping": damping, "prior": (activity_rate, power)}
    return FrameSolver("amp", pilots, partial(_amp, alpha=alpha if denoiser == "soft" else None, **options))


def vamp(pilots, activity_rate=None, power=None, noise_var=None, max_iter=50, damping=0.5) -> FrameSolver:
    """Make a VAMP estimator, also known as orthogonal AMP with LMMSE.

    S. Rangan, P. Schniter and A. K. Fletcher, IEEE Trans. Inf. Theory 65(10), 2019; J. Ma and
    L. Ping, IEEE Access 5, 2017. One effective noise variance a frame serves all antennas.
    Parameters as for `amp`; nearly as many active devices as pilot symbols need damping = 0.3
    and max_iter = 100.
    """
    _check(activity_rate, power, max_iter, damping)
    options = {"max_iter": int(max_iter), "damping": damping, "prior": (activity_rate, power)}
    return FrameSolver("vamp", pilots, partial(_vamp, **options), noise_var)


def _amp(A, Y, noise_var, prior, alpha, max_iter, damping):
    (L, N), (_, B, M) = A.shape, Y.shape
    energy = sum_squares(A) / N
    rate, power, learned = _start(A, Y, noise_var, prior)
    X, V, slope = np.zeros((N, B, M), Y.dtype), Y, np.zeros(B)
    least, best = _LEAST * power, np.full(B, np.inf)
    out, score = np.zeros_like(X), np.zeros((N, B))
    for k in range(max_iter):
        tau2 = np.maximum(sum_squares(V, axis=(0, 2)) / (L * M * energy), least)
        T = X + apply(A.conj().T, V) / energy
        if alpha is None:
            post = bernoulli_gaussian(T, tau2, rate, power)
            new, slope, llr = post.mean, post.slope, post.llr
            rate, power = _learn(rate, power, post, learned)
        else:
            new, slope = soft_threshold(T, tau2, alpha)
            llr = row_norms(new)
        better = tau2 < best  # a frame that diverges keeps its best iterate
        best = np.where(better, tau2, best)
        out, score = np.where(better[:, None], new, out), np.where(better, llr, score)
        share = damping if k else 1.0
        X = X + share * (new - X)
        V = V + share * (Y - apply(A, X) + (N / L) * slope[:, None] * V - V)
    return out, score, max_iter


def _vamp(A, Y, noise_var, prior, max_iter, damping):
    N, (_, B, M) = A.shape[1], Y.shape
    s, Q = np.linalg.eigh(A @ A.conj().T)
    A, Y = Q.conj().T @ A, apply(Q.conj().T, Y)
    rate, power, learned = _start(A, Y, noise_var, prior)
    least = _LEAST * power
    R2, var2 = np.zeros((N, B, M), Y.dtype), rate * power  # before the frame: the prior's own
    T = tau2 = None
    for _ in range(max_iter):
        weight = 1 / (s[:, None] + noise_var / var2)
        keep = np.sum(s[:, None] * weight, axis=0) / N  # 1 − α₂
        new = R2 + apply(A.conj().T, weight[..., None] * (Y - apply(A, R2))) / keep[:, None]
        new_tau2 = np.clip(var2 * (1 - keep) / keep, least, 1e24 * least)
        T = new if T is None else T + damping * (new - T)
        tau2 = new_tau2 if tau2 is None else np.exp(np.log(tau2) + damping * np.log(new_tau2 / tau2))
        post = bernoulli_gaussian(T, tau2, rate, power)
        rate, power = _learn(rate, power, post, learned)
        slope = np.clip(post.slope, 1e-9, 1 - 1e-6)
        R2 = (post.mean - slope[:, None] * T) / (1 - slope)[:, None]
        var2 = np.maximum(tau2 * slope / (1 - slope), least)
    return post.mean, post.llr, max_iter


def _start(A, Y, noise_var, prior):
    """Prior per frame (B,), and which of its two parts is learned."""
    (L, N), (_, B, M) = A.shape, Y.shape
    rate, power = prior
    learned = rate is None, power is None
    rate = np.full(B, 0.1 * min(1.0, L / N * 2) if rate is None else rate)
    if power is None:
        received = np.maximum(sum_squares(Y, axis=(0, 2)) / (L * M) - noise_var, 0.1 * noise_var)
        power = received * L / (rate * sum_squares(A))
    return rate, np.broadcast_to(power, (B,)).astype(float), learned


def _learn(rate, power, post, learned):
    if learned[0]:
        rate = np.clip(post.rate, 1e-3, 0.6)
    if learned[1]:
        power = np.maximum(post.power, np.finfo(float).tiny)
    return rate, power


def _check(activity_rate, power, max_iter, damping):
    if activity_rate is not None and not 0 < activity_rate < 1:
        raise ValueError(f"activity_rate: expected a probability between 0 and 1, got {activity_rate!r}")
    if power is not None and not power > 0:
        raise ValueError(f"power: expected a positive number, got {power!r}")
    if int(max_iter) < 1 or not 0 < damping <= 1:
        raise ValueError(f"max_iter, damping: expected ≥ 1 and in (0, 1], got {max_iter!r}, {damping!r}")
