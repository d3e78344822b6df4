# SPDX-License-Identifier: GPL-3.0-or-later
"""Approximate message passing for several antennas, and its vector (orthogonal) form.

Both see, at every iteration, the channel in effective noise, T = X + CN(0, τ²), and denoise it
with the row-wise MMSE denoiser of a Bernoulli-Gaussian prior: a row is active with probability
`activity_rate`, and then CN(0, power) on every antenna. Unknown, the prior is learned from the
frame by expectation maximisation.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_choice, check_integer, check_positive, check_probability
from ..numeric import sum_squares
from ..pilots.book import PilotBook, as_pilot_book
from .baseline import BaselineEstimator
from .group_lasso import apply, row_norms, row_shrink
from .unit_norms import UnitNorms

_MIN_VARIANCE = 1e-12  # relative to the prior's power


class Denoised(NamedTuple):
    """Of rows T (N, B, M) in noise of variance τ² (B,)."""

    mean: NDArray  # (N, B, M) posterior mean
    llr: NDArray  # (N, B) log posterior odds of being active
    slope: NDArray  # (B,) mean divergence of the mean in T
    power: NDArray  # (B,) mean power of active rows, for EM
    rate: NDArray  # (B,) mean posterior activity, for EM


def bernoulli_gaussian(T: NDArray, tau2: NDArray, rate: NDArray, power: NDArray) -> Denoised:
    """The MMSE denoiser of rows that are CN(0, power·I) with probability `rate`, else 0.

    The power is one of each frame (B,), or of each device too (N, B).
    """
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


def soft_threshold(T: NDArray, tau2: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
    """Row shrink by α τ √M; rows (N, B, M) and its mean divergence (B,)."""
    threshold = alpha * np.sqrt(tau2 * T.shape[2])
    norms = row_norms(T)
    dims = T.shape[2] * (2 if np.iscomplexobj(T) else 1)
    share = 1 - (dims - 1) / dims * threshold / np.maximum(norms, threshold)
    return row_shrink(T, threshold), np.mean(np.where(norms > threshold, share, 0), axis=0)


def amp(
    pilots: PilotBook | ArrayLike,
    *,
    activity_rate: float | None = None,
    power: float | None = None,
    denoiser: str = "bernoulli_gaussian",
    alpha: float = 1.1402,
    max_iter: int = 50,
    damping: float = 0.85,
) -> BaselineEstimator:
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
    check_choice("denoiser", denoiser, ("bernoulli_gaussian", "soft"))
    book, alpha = as_pilot_book(pilots), check_positive("alpha", alpha)
    options = _options(book, activity_rate, power, max_iter, damping)
    algorithm = partial(_amp, alpha=alpha if denoiser == "soft" else None, **options)
    return BaselineEstimator("amp", book, algorithm)


def vamp(
    pilots: PilotBook | ArrayLike,
    *,
    activity_rate: float | None = None,
    power: float | None = None,
    noise_var: float | None = None,
    max_iter: int = 50,
    damping: float = 0.5,
) -> BaselineEstimator:
    """Make a VAMP estimator, also known as orthogonal AMP with LMMSE.

    S. Rangan, P. Schniter and A. K. Fletcher, IEEE Trans. Inf. Theory 65(10), 2019; J. Ma and
    L. Ping, IEEE Access 5, 2017. One effective noise variance a frame serves all antennas.
    Parameters as for `amp`; nearly as many active devices as pilot symbols need damping = 0.3
    and max_iter = 100.
    """
    book = as_pilot_book(pilots)
    options = _options(book, activity_rate, power, max_iter, damping)
    return BaselineEstimator("vamp", book, partial(_vamp, **options), noise_var=noise_var)


def _amp(
    A: NDArray,
    Y: NDArray,
    noise_var: NDArray,
    prior: tuple[float | None, NDArray | None],
    alpha: float | None,
    max_iter: int,
    damping: float,
) -> tuple[NDArray, NDArray, int]:
    (L, N), (_, B, M) = A.shape, Y.shape
    energy = sum_squares(A, axis=None) / N
    rate, power, learned = _start(A, Y, noise_var, prior)
    X, V, slope = np.zeros((N, B, M), Y.dtype), Y, np.zeros(B)
    least, best = _MIN_VARIANCE * power.mean(axis=0), np.full(B, np.inf)
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


def _vamp(
    A: NDArray,
    Y: NDArray,
    noise_var: NDArray,
    prior: tuple[float | None, NDArray | None],
    max_iter: int,
    damping: float,
) -> tuple[NDArray, NDArray, int]:
    N, (_, B, M) = A.shape[1], Y.shape
    s, Q = np.linalg.eigh(A @ A.conj().T)
    A, Y = Q.conj().T @ A, apply(Q.conj().T, Y)
    rate, power, learned = _start(A, Y, noise_var, prior)
    mean_power = power.mean(axis=0)
    least = _MIN_VARIANCE * mean_power
    R2, var2 = np.zeros((N, B, M), Y.dtype), rate * mean_power  # before the frame: the prior's own
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


def _start(
    A: NDArray, Y: NDArray, noise_var: NDArray, prior: tuple[float | None, NDArray | None]
) -> tuple[NDArray, NDArray, tuple[bool, bool]]:
    """Rate (B,) and power (1 or N, B) of the prior, and which of the two is learned."""
    (L, N), (_, B, M) = A.shape, Y.shape
    rate, power = prior
    learned = rate is None, power is None
    rate = np.full(B, 0.1 * min(1.0, L / N * 2) if rate is None else rate)
    if power is None:
        received = np.maximum(sum_squares(Y, axis=(0, 2)) / (L * M) - noise_var, 0.1 * noise_var)
        power = received * L / (rate * sum_squares(A, axis=None))
    power = np.atleast_2d(power)
    return rate, np.broadcast_to(power, (len(power), B)).astype(float), learned


def _learn(
    rate: NDArray, power: NDArray, post: Denoised, learned: tuple[bool, bool]
) -> tuple[NDArray, NDArray]:
    if learned[0]:
        rate = np.clip(post.rate, 1e-3, 0.6)
    if learned[1]:
        power = np.maximum(post.power, np.finfo(float).tiny)[None]
    return rate, power


def _options(
    book: PilotBook, activity_rate: float | None, power: float | None, max_iter: int, damping: float
) -> dict[str, Any]:
    """The algorithm's options; a power given is (1 or N, 1), that of the channels of unit pilots."""
    if activity_rate is not None:
        activity_rate = check_probability("activity_rate", activity_rate)
    of_unit = None if power is None else _unit_powers(book, check_positive("power", power))
    return {
        "prior": (activity_rate, of_unit),
        "max_iter": check_integer("max_iter", max_iter, 1),
        "damping": check_positive("damping", damping, 1),
    }


def _unit_powers(book: PilotBook, power: float) -> NDArray:
    norms = UnitNorms.of(book).norms
    return np.full((1, 1), power) if norms is None else power * norms[:, None] ** 2
