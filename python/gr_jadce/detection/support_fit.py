# SPDX-License-Identifier: GPL-3.0-or-later
"""The covariance model of one frame on a support S of K devices, fitted by likelihood.

    Σ = σ²I + Σ_{k∈S} γ_k a_k a_kᴴ,   P = σ²Σ⁻¹ = I − A_S B A_Sᴴ,   B = (A_SᴴA_S + σ²Γ⁻¹)⁻¹

The channels X = B A_SᴴY are the LMMSE estimate with each device's own power γ_k. As γ_k/σ² grows, P
becomes the projector off the pilots of S and the fit becomes least squares; it stays regular where K
reaches L and passes it. A member is tested against the others, without itself:

    s_k = 1/B_kk − σ²/γ_k = a_kᴴ P_{−k} a_k,   q_k = ‖x_k‖²/B_kk² = ‖a_kᴴ P_{−k} Y‖²,

and its likelihood is greatest at γ_k = max(0, (q_k/M − σ² s_k)/s_k²), the others held; all powers move
there at once, a few times. Where σ² is unknown it is ‖P Y‖²/(M tr P), which is where its own
likelihood is greatest once the powers are.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric import log_choices, sum_squares
from .p_values import TINY

RIDGE = 1e-9  # keeps equal pilots from making a singular system
INDEPENDENT = 1e-6  # least share of a pilot's energy off the span of the others
ROUNDING = 1e-12  # of a frame's energy: what its residual is known to
MIN_SNR = 1e-3  # γ_k ‖a_k‖²/σ² of a member at least
_START_NOISE_SHARE = 0.1  # of a frame's energy, σ² to start from where it is unknown
_N_FIRST = 8  # devices that are tried as the first of a pair
_TOLERANCE = 0.02  # relative change of every channel, and of σ², at which the powers have settled
_MAX_PASSES = 8


class FrameData(NamedTuple):
    """What the tests need of a frame: everything is in its correlations with the pilots."""

    gram: NDArray  # (N, N) AᴴA
    correlation: NDArray  # (N, M) AᴴY
    moment: NDArray  # (M, M) YᴴY
    pilot_length: int

    @property
    def energy(self) -> float:
        """‖Y‖²."""
        return float(np.trace(self.moment).real)

    @property
    def norm(self) -> NDArray:
        """‖a_n‖² (N,)."""
        return np.diagonal(self.gram).real

    @property
    def mean_energy(self) -> float:
        """Energy of a sample."""
        return self.energy / (self.pilot_length * self.correlation.shape[1])


class SupportFit(NamedTuple):
    """The fit on a support of K devices.

    members (K,), ascending. power (K,) γ. noise_var σ². inverse (K, K) B. channel (K, M). residual ‖PY‖².
    trace tr P. rows (tr P)²/tr P², as many of the L rows as bear witness of the noise: L − K where σ² is
    small.
    """

    members: NDArray
    power: NDArray
    noise_var: float
    inverse: NDArray
    channel: NDArray
    residual: float
    trace: float
    rows: float

    @property
    def noise_left(self) -> float:
        """σ² by what the support leaves over."""
        return self.residual / (self.channel.shape[1] * self.trace)


def fit_support(
    frame: FrameData, members: NDArray, noise_var: float, power: NDArray | None = None
) -> SupportFit:
    """The fit with powers of their own, from `power` on if given; `noise_var` 0: σ² is fitted as well."""
    start = noise_var or max(_START_NOISE_SHARE * frame.mean_energy, TINY)
    if power is None:
        signal = max(frame.mean_energy - start, 0.1 * start) * frame.pilot_length
        power = np.full(len(members), signal / max(frame.norm[members].sum(), MIN_SNR))
    return settle(frame, _solve(frame, members, power, start), fixed=noise_var > 0)


def settle(frame: FrameData, fit: SupportFit, *, fixed: bool) -> SupportFit:
    """The fit once its powers, and σ² unless it is `fixed`, have come to rest."""
    for _ in range(_MAX_PASSES):
        noise_var = fit.noise_var if fixed else max(fit.noise_left, ROUNDING * frame.mean_energy, TINY)
        power = _likely_power(frame, fit, noise_var)
        if _change(fit, power, noise_var) < _TOLERANCE:
            break
        fit = _solve(frame, fit.members, power, noise_var)
    return fit


def without(frame: FrameData, fit: SupportFit, leaves: NDArray) -> SupportFit:
    """The fit when the members at which `leaves` (K,) is true are gone, the other powers as they were."""
    return _solve(frame, fit.members[~leaves], fit.power[~leaves], fit.noise_var)


def with_device(frame: FrameData, fit: SupportFit, device: int, power: float) -> SupportFit:
    """The fit with one device more."""
    place = np.searchsorted(fit.members, device)
    members, powers = np.insert(fit.members, place, device), np.insert(fit.power, place, power)
    return _solve(frame, members, powers, fit.noise_var)


def own_statistic(frame: FrameData, fit: SupportFit) -> NDArray:
    """t_k = q_k/s_k of the members (K,), each tested against the others."""
    return _own_energy(fit) / own_share(frame, fit)


def statistic(frame: FrameData, fit: SupportFit) -> tuple[NDArray, NDArray]:
    """t_n and s_n of every device (N,), members left out of the support they are tested against."""
    gram = frame.gram[:, fit.members]
    left = sum_squares(frame.correlation - gram @ fit.channel)  # ‖a_nᴴ P Y‖²
    share = frame.norm - np.sum(((gram @ fit.inverse) * gram.conj()).real, axis=1)  # a_nᴴ P a_n
    tested = share > INDEPENDENT * frame.norm  # else the pilot lies in the span of the others
    t = np.where(tested, left / np.where(tested, share, 1), 0)
    t[fit.members] = own_statistic(frame, fit)
    return t, share


def replacement_statistic(frame: FrameData, fit: SupportFit) -> NDArray:
    """t_m of the device m outside that explains most in the place of each member k (K,).

    Without k, P_{−k} = P + B_kk v vᴴ, v = P_{−k} a_k = A_S B e_k/B_kk, and vᴴY = x_k/B_kk.
    """
    gram, variance = frame.gram[:, fit.members], np.diagonal(fit.inverse).real
    part = gram @ fit.inverse  # B_kk a_nᴴ v
    left, slope = frame.correlation - gram @ fit.channel, part / variance
    cross = np.real((left @ fit.channel.conj().T) * slope.conj())
    energy = sum_squares(left)[:, None] + 2 * cross + np.abs(slope) ** 2 * sum_squares(fit.channel)
    own = frame.norm - np.sum((part * gram.conj()).real, axis=1)
    share = own[:, None] + np.abs(slope) ** 2 * variance
    is_free = share > INDEPENDENT * frame.norm[:, None]
    is_free[fit.members] = False
    return np.asarray(np.max(np.where(is_free, energy / np.where(is_free, share, 1), 0), axis=0))


def exchange_pairs(frame: FrameData, fit: SupportFit, *, fixed: bool) -> tuple[NDArray, SupportFit]:
    """How much likelier, as a logarithm, each member (K,) makes the frame than two others for it and any
    other member would; and the likeliest fit with two exchanged, `fit` if there is none.

    The powers, and σ² unless it is `fixed`, are fitted to each support. Of the first of two others the best
    few are tried: where a pair explains two members, one of it explains half of them.
    """
    fit = settle(frame, fit, fixed=fixed)
    K, own, best, most = len(fit.members), _log_evidence(frame, fit), fit, -np.inf
    lead = np.full(K, np.inf)
    for pair in map(list, combinations(range(K), 2)):
        for rival in _with_two_others(frame, fit, pair, fixed):
            evidence = _log_evidence(frame, rival)
            lead[pair] = np.minimum(lead[pair], own - evidence)
            if evidence > most:
                best, most = rival, evidence
    return lead, best


def _with_two_others(frame: FrameData, fit: SupportFit, pair: list[int], fixed: bool) -> Iterator[SupportFit]:
    """The fits with the likeliest second device for each of the best first ones, instead of a pair."""
    base = without(frame, fit, np.isin(np.arange(len(fit.members)), pair))
    t, share = _outside(frame, base, fit.members[pair])
    for first in np.argsort(-t, kind="stable")[:_N_FIRST]:
        if t[first] > 0:
            one = settle(frame, _with_likely(frame, base, first, t, share), fixed=fixed)
            others = _outside(frame, one, fit.members[pair])
            second = int(others[0].argmax())
            if others[0][second] > 0:
                yield settle(frame, _with_likely(frame, one, second, *others), fixed=fixed)


def _outside(frame: FrameData, fit: SupportFit, barred: NDArray) -> tuple[NDArray, NDArray]:
    """t_n and s_n of every device, t_n 0 of members and of barred ones."""
    t, share = statistic(frame, fit)
    t[fit.members] = t[barred] = 0
    return t, share


def _with_likely(frame: FrameData, fit: SupportFit, n: int, t: NDArray, share: NDArray) -> SupportFit:
    return with_device(frame, fit, n, power_outside(frame, fit, n, t, share))


def power_outside(frame: FrameData, fit: SupportFit, n: int, t: NDArray, share: NDArray) -> float:
    """The likely power of a device outside the support, given the statistics of all."""
    power = likely_power(t[n] * share[n], share[n], fit.noise_var, fit.channel.shape[1])
    return max(float(power), MIN_SNR * fit.noise_var / frame.norm[n])


def own_share(frame: FrameData, fit: SupportFit) -> NDArray:
    """s_k of the members (K,), each by the others."""
    share = 1 / np.diagonal(fit.inverse).real - fit.noise_var / fit.power
    return np.maximum(share, INDEPENDENT * frame.norm[fit.members])


def likely_power(energy: NDArray, share: NDArray, noise_var: float, n_antennas: int) -> NDArray:
    """γ of the greatest likelihood, given q and s."""
    return (energy / n_antennas - noise_var * share) / share**2


def noise_covariance(frame: FrameData, fit: SupportFit) -> NDArray:
    """Covariance of the antennas (M, M) in what the support leaves of the frame, EᴴE/tr P with E = P Y.

    No variance is below what the frame's residual is known to: where devices explain all, the rest, rounding,
    would not look white.
    """
    target, added = frame.correlation[fit.members], _added(frame, fit.members, fit.noise_var / fit.power)
    explained = target.conj().T @ fit.channel + (fit.channel.conj().T * added) @ fit.channel
    left = (frame.moment - explained) / fit.trace
    np.fill_diagonal(left, np.maximum(np.diagonal(left).real, ROUNDING * frame.mean_energy))
    return left


def uncertainty(fit: SupportFit) -> float:
    """Squared error expected of the channels, all together."""
    return float(fit.noise_var * fit.channel.shape[1] * np.trace(fit.inverse).real)


def surplus_evidence(frame: FrameData, fit: SupportFit, threshold: float) -> float:
    """How much likelier than by noise, as a logarithm, the support makes the frame than a choice explains.

    The best of so many supports of K devices explains noise, too; where frames have few samples, devices
    that a proposal holds together vouch for each other. That this is above 0 happens about as seldom
    as `threshold`, −log10 of a probability, says; with no device it is 0.
    """
    count, n_devices = len(fit.members), len(frame.gram)
    if not count:
        return 0.0
    return float(
        _log_evidence(frame, fit) - log_choices(n_devices, count) - threshold * np.log(10) - count / 4
    )


def _log_evidence(frame: FrameData, fit: SupportFit) -> float:
    """Log-likelihood of the frame over that of noise alone at its likeliest σ²."""
    n_antennas, ratio = fit.channel.shape[1], fit.noise_var / fit.power
    regular = frame.gram[np.ix_(fit.members, fit.members)] + np.diag(_added(frame, fit.members, ratio))
    log_det = np.linalg.slogdet(regular)[1] - np.sum(np.log(ratio))
    explained = np.vdot(frame.correlation[fit.members], fit.channel).real
    distance = (frame.energy - explained) / (fit.noise_var * n_antennas)  # tr(Σ⁻¹YYᴴ)/M
    gain = frame.pilot_length * (np.log(frame.mean_energy / fit.noise_var) + 1) - log_det - distance
    return float(n_antennas * gain)


def _likely_power(frame: FrameData, fit: SupportFit, noise_var: float) -> NDArray:
    power = likely_power(_own_energy(fit), own_share(frame, fit), noise_var, fit.channel.shape[1])
    return np.maximum(power, MIN_SNR * noise_var / frame.norm[fit.members])


def _own_energy(fit: SupportFit) -> NDArray:
    return sum_squares(fit.channel) / np.diagonal(fit.inverse).real ** 2


def _change(fit: SupportFit, power: NDArray, noise_var: float) -> float:
    """The largest relative change of a channel by its own new power, or of σ²."""
    added = (noise_var / power - fit.noise_var / fit.power) * np.diagonal(fit.inverse).real
    return float(np.max(np.abs(added / (1 + added)), initial=abs(noise_var / fit.noise_var - 1)))


def _solve(frame: FrameData, members: NDArray, power: NDArray, noise_var: float) -> SupportFit:
    gram, target = frame.gram[np.ix_(members, members)], frame.correlation[members]
    ratio = noise_var / power
    added = _added(frame, members, ratio)
    inverse = np.linalg.inv(gram + np.diag(added))
    channel = inverse @ target
    explained = np.vdot(target, channel).real + added @ sum_squares(channel)
    residual = max(frame.energy - explained, ROUNDING * frame.energy)
    trace = max(frame.pilot_length - np.sum(1 - ratio * np.diagonal(inverse).real), INDEPENDENT)
    square = frame.pilot_length - len(members) + ratio @ (np.abs(inverse) ** 2) @ ratio
    rows = trace**2 / max(square, INDEPENDENT**2)
    return SupportFit(members, power, noise_var, inverse, channel, residual, trace, rows)


def _added(frame: FrameData, members: NDArray, ratio: NDArray) -> NDArray:
    """What is added to the diagonal of the members' Gram matrix (K,), `ratio` = σ²/γ."""
    return ratio + RIDGE * frame.norm[members]


def signal(frame: FrameData, fit: SupportFit) -> float:
    """Energy of the signal that the channels explain."""
    gram = frame.gram[np.ix_(fit.members, fit.members)]
    return float(np.vdot(fit.channel, gram @ fit.channel).real)
