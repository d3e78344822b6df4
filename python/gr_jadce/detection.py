# SPDX-License-Identifier: GPL-3.0-or-later
"""From an estimate to decisions: who is active at a wanted false-alarm probability, how loud the noise is.

Given the other detected devices S, device n is tested by what its pilot still explains of the
frame once the pilots of S are projected off:

    t_n = ‖a_nᴴ P Y‖² / (a_nᴴ P a_n),   P = I − A_S (A_SᴴA_S)⁻¹ A_Sᴴ,   S without n.

If n is inactive and S is right, t_n/σ² is Gamma(M, 1) distributed (half a χ² of 2M degrees of
freedom) whatever the channels of S are; with σ² unknown, t_n over the energy that is left is
F(2M, 2MR) distributed, R = L − 1 − (size of S). A device is active when the probability of a larger
statistic, its p-value, is at most the wanted false-alarm probability. The estimator only
proposes where to start: devices are dropped and added until all decisions agree with each other.
"""

from typing import NamedTuple

import numpy as np

from .pilots import as_pilot_book
from .solvers.estimate import check_received, per_frame

_SURE = 0.03  # expected share of false ones among the devices that σ² is measured off
_CHUNK = 32  # frames at once: more would not fit the cache
_TINY = np.finfo(float).tiny
_RIDGE = 1e-9  # keeps equal pilots from making a singular system


class Decision(NamedTuple):
    """What is decided about a batch of B frames.

    activity : (B, N) bool.
    channel : (B, N, M) complex, of the active devices, zero elsewhere.
    score : (B, N) float, −log10 of the device's p-value.
    threshold : float, −log10 of the wanted false-alarm probability; active means score ≥ threshold.
    noise_var : (B,) float, noise variance per received sample: the given one or, without, estimated.
    snr_db : (B,) float, energy of the detected signal over that of the noise, −inf with none.
    """

    activity: np.ndarray
    channel: np.ndarray
    score: np.ndarray
    threshold: float
    noise_var: np.ndarray
    snr_db: np.ndarray


def decide(estimate, received, pilots, false_alarm=1e-3, noise_var=None, max_rounds=60) -> Decision:
    """Decide which devices are active and refit their channels.

    Parameters
    ----------
    estimate : Estimate
        Of any estimator; its `score` proposes the first support.
    received : (B, L, M) or (L, M) complex
        The frames that were estimated.
    pilots : PilotBook or (L, N) array
    false_alarm : float
        Wanted probability that an inactive device is reported active, in (0, 1).
    noise_var : float or (B,), optional
        σ² per received sample where known; estimated from each frame otherwise.
    max_rounds : int
        Rounds of dropping and adding at most; few frames need more than ten.

    Returns
    -------
    Decision
        The channel is the LMMSE estimate on the decided support, all of whose devices are given
        the same mean power, estimated from the frame; or the estimate's own, on this support, if
        it is a posterior mean.
    """
    pilots = as_pilot_book(pilots)
    if not 0 < false_alarm < 1:
        raise ValueError(f"false_alarm: expected a probability between 0 and 1, got {false_alarm!r}")
    frames = _correlate(check_received(received, pilots.pilot_length), pilots, noise_var)
    if estimate.score.shape != frames.correlation.shape[:2]:
        raise ValueError(
            f"estimate: expected scores {frames.correlation.shape[:2]} for these frames and pilots, "
            f"got {estimate.score.shape}"
        )
    threshold = -np.log10(false_alarm)
    parts = [
        _decide(frames.of(chunk), estimate.score[chunk], threshold, max_rounds)
        for chunk in (slice(i, i + _CHUNK) for i in range(0, len(frames.energy) or 1, _CHUNK))
    ]
    activity, channel, score, noise_var, snr_db = (
        np.concatenate(field) for field in zip(*parts, strict=True)
    )
    if estimate.posterior_mean:
        channel = np.where(activity[:, :, None], estimate.channel, 0)
    dtype = np.result_type(np.asarray(received), np.complex64)
    return Decision(activity, channel.astype(dtype), score, threshold, noise_var, snr_db)


def log10_p_known(energy, n_antennas):
    """log10 P(Gamma(M, 1) ≥ energy) = log10 e^{−t} Σ_{k<M} t^k/k!, accurate far into the tail."""
    log_t = np.log(np.maximum(energy, _TINY))
    term = total = np.zeros(np.shape(energy))
    for k in range(1, n_antennas):
        term = term + log_t - np.log(k)
        total = np.logaddexp(total, term)
    return (total - energy) / np.log(10)


def log10_p_unknown(energy, rest, n_antennas, rest_dof):
    """log10 P(F ≥ f) for f = (energy/M) / (rest/rest_dof), F of 2M and 2·rest_dof degrees of freedom.

    With x = rest/(rest + energy) this is the tail x^m Σ_{j<M} C(m+j−1, j) (1−x)^j, m = rest_dof.
    """
    dof = np.maximum(rest_dof, 1)
    log_both = np.log(np.maximum(energy + rest, _TINY))
    log_y = np.log(np.maximum(energy, _TINY)) - log_both
    log_x = np.log(np.maximum(rest, _TINY)) - log_both
    term = total = np.zeros(np.shape(energy))
    for j in range(1, n_antennas):
        term = term + log_y + np.log((dof + j - 1) / j)
        total = np.logaddexp(total, term)
    return np.where(rest_dof > 0, np.minimum(total + dof * log_x, 0) / np.log(10), 0.0)


class _Rest(NamedTuple):
    """The energy that tells how loud the noise is, where its variance is not known."""

    energy: np.ndarray  # (B, N) ‖P Y‖² off the sure devices and the device tested
    dof: np.ndarray  # (B, N) its complex degrees of freedom
    noise_var: np.ndarray  # (B,)


class _Frames(NamedTuple):
    """What the tests need of B frames: everything is in their correlations with the pilots."""

    gram: np.ndarray  # (N, N) AᴴA
    correlation: np.ndarray  # (B, N, M) AᴴY
    energy: np.ndarray  # (B,) ‖Y‖²
    pilot_length: int
    noise_var: np.ndarray | None  # (B,), None when unknown
    rest: _Rest | None = None  # None when noise_var is known, or the sure devices are not

    def of(self, index):
        """These frames only."""
        per_frame = (self.correlation[index], self.energy[index])
        noise_var = None if self.noise_var is None else self.noise_var[index]
        rest = None if self.rest is None else _Rest(*(array[index] for array in self.rest))
        return _Frames(self.gram, *per_frame, self.pilot_length, noise_var, rest)


class _Fit(NamedTuple):
    """Least squares on the supports of B frames, each padded to the largest of them, K."""

    support: np.ndarray  # (B, N) bool
    index: np.ndarray  # (B, K) devices, ascending
    member: np.ndarray  # (B, K) bool, False in the padding
    gram: np.ndarray  # (B, K, K) A_SᴴA_S, identity in the padding
    root: np.ndarray  # (B, K, K) of the inverse: its Cholesky factor G has gram⁻¹ = GᴴG
    target: np.ndarray  # (B, K, M) A_SᴴY
    whitened: np.ndarray  # (B, K, M) G A_SᴴY
    channel: np.ndarray  # (B, K, M)
    residual: np.ndarray  # (B,) ‖P Y‖²
    dof: np.ndarray  # (B,) complex degrees of freedom of the residual, M(L − |S|)

    def of(self, index):
        """These frames only."""
        return _Fit(*(array[index] for array in self))


def _decide(frames, score, threshold, max_rounds):
    """Activity, channel, score, noise variance and SNR in dB of these frames."""
    frames, support = _sure_devices(frames, score, threshold, max_rounds)
    support = _refine(frames, support, threshold, max_rounds)
    fit = _least_squares(frames, support)
    noise_var = frames.noise_var if frames.rest is None else frames.rest.noise_var
    channel, signal = _refit(frames, fit, noise_var)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = signal / (noise_var * frames.pilot_length * channel.shape[2])
        snr_db = 10 * np.log10(np.where(signal > 0, snr, 0))
    return support, channel, _score(frames, fit), noise_var, snr_db


def _correlate(received, pilots, noise_var):
    matrix, received = pilots.matrix.astype(np.complex128), received.astype(np.complex128)
    noise_var = None if noise_var is None else per_frame("noise_var", noise_var, len(received))
    energy, adjoint = _energy(received).sum(axis=1), matrix.conj().T
    return _Frames(adjoint @ matrix, adjoint @ received, energy, pilots.pilot_length, noise_var)


def _sure_devices(frames, score, threshold, max_rounds):
    """The first support; with σ² unknown, also what is left of the frame without its sure devices.

    False alarms take the largest peaks of the noise along: were they in the support that σ² is
    measured off, σ² came out too small, and false alarms bred more of them. So σ² is measured
    off the devices of which at most a share _SURE is expected to be false.
    """
    support = _largest(score, frames.pilot_length // 2)
    if frames.noise_var is not None:
        return frames, support

    def sure(support):
        count = np.maximum(support.sum(axis=1), 1)
        return np.maximum(threshold, np.log10(support.shape[1] / (_SURE * count)))

    support = _refine(frames, support, sure, max_rounds)
    fit = _least_squares(frames, support)
    left_over = _left_over(fit, _statistic(frames, fit))
    return frames._replace(rest=_Rest(*left_over, fit.residual / fit.dof)), support


def _largest(score, count):
    """The `count` largest positive scores of every frame, as a (B, N) support."""
    order = np.argsort(-score, axis=1, kind="stable")[:, :count]
    support = np.zeros(score.shape, dtype=bool)
    np.put_along_axis(support, order, True, axis=1)
    return support & (score > 0)


def _refine(frames, support, threshold, max_rounds):
    """Drop and add devices until the support is exactly the devices that pass the test given it.

    `threshold` is a number, or a function of the supports that gives one for each frame. All
    members that fail go at once; devices come one at a time, the best first.
    """
    live = np.arange(len(support))
    for round_ in range(max_rounds):
        part, before = frames.of(live), support[live]
        fit = _least_squares(part, before)
        level = np.broadcast_to(threshold(before) if callable(threshold) else threshold, live.shape)
        after = _drop_failing(part, fit, level)
        if round_ < max_rounds - 1:
            ready = np.all(after == before, axis=1) & (before.sum(axis=1) < frames.pilot_length - 2)
            _add_best(after, np.flatnonzero(ready), part, fit, level)
        support[live] = after
        live = live[np.any(after != before, axis=1)]
        if not live.size:
            break
    return support


def _drop_failing(frames, fit, level):
    """The supports without the members that fail the test."""
    rest = (fit.residual[:, None], fit.dof[:, None])
    if frames.rest is not None:
        rest = [np.take_along_axis(array, fit.index, axis=1) for array in frames.rest[:2]]
    fails = fit.member & (_p_score(frames, _own_statistic(fit), *rest) < level[:, None])
    after = fit.support.copy()
    frame, place = np.nonzero(fails)
    after[frame, fit.index[frame, place]] = False
    return after


def _add_best(after, ready, frames, fit, level):
    """Add the best device that passes to the supports of the frames `ready`."""
    if not ready.size:
        return
    fit = fit.of(ready)
    score = np.where(fit.support, -np.inf, _score(frames.of(ready), fit))
    best = score.argmax(axis=1)
    passes = score.max(axis=1) >= level[ready]
    after[ready[passes], best[passes]] = True


def _least_squares(frames, support):
    n_members, n_antennas = support.sum(axis=1), frames.correlation.shape[2]
    index = np.argsort(~support, axis=1, kind="stable")[:, : max(n_members.max(initial=0), 1)]
    member = np.take_along_axis(support, index, axis=1)
    gram = frames.gram[index[:, :, None], index[:, None, :]] * (member[:, :, None] & member[:, None, :])
    gram += (
        np.eye(index.shape[1])
        * np.where(member, _RIDGE * np.diagonal(frames.gram).real[index], 1)[:, None, :]
    )
    root = np.linalg.inv(np.linalg.cholesky(gram))
    target = np.take_along_axis(frames.correlation, index[:, :, None], axis=1) * member[:, :, None]
    whitened = root @ target
    channel = _adjoint(root) @ whitened
    residual = np.maximum(frames.energy - _energy(whitened).sum(axis=1), 0)
    dof = n_antennas * np.maximum(frames.pilot_length - n_members, 1)
    return _Fit(support, index, member, gram, root, target, whitened, channel, residual, dof)


def _own_statistic(fit):
    """t_n of the members (B, K), each tested against the others."""
    return _energy(fit.channel) / _error_variance(fit)


def _error_variance(fit):
    """Variance over σ² of the least-squares channels (B, K): the diagonal of (A_SᴴA_S)⁻¹."""
    return _energy(fit.root.swapaxes(1, 2))


def _statistic(frames, fit):
    """t_n of every device (B, N), members left out of the support they are tested against."""
    rows = fit.root @ (frames.gram[fit.index] * fit.member[:, :, None])  # (B, K, N) G A_SᴴA
    left = _energy(frames.correlation - _adjoint(rows) @ fit.whitened)  # ‖a_nᴴ P Y‖²
    norm = np.diagonal(frames.gram).real
    share = norm - np.sum(rows.real**2 + rows.imag**2, axis=1)  # a_nᴴ P a_n
    tested = share > 1e-6 * norm  # else the pilot lies in the span of the others
    statistic = np.where(tested, left / np.where(tested, share, 1), 0)
    own = np.where(fit.member, _own_statistic(fit), np.take_along_axis(statistic, fit.index, axis=1))
    np.put_along_axis(statistic, fit.index, own, axis=1)
    return statistic


def _left_over(fit, statistic):
    """Energy and degrees of freedom (B, N) left off the support and the device tested."""
    outside, n_antennas = ~fit.support, fit.channel.shape[2]
    energy = np.maximum(fit.residual[:, None] - outside * statistic, 0)
    return energy, fit.dof[:, None] - outside * n_antennas


def _score(frames, fit):
    """−log10 p-value of every device (B, N)."""
    statistic = _statistic(frames, fit)
    rest = _left_over(fit, statistic) if frames.rest is None else frames.rest[:2]
    return _p_score(frames, statistic, *rest)


def _p_score(frames, statistic, rest, rest_dof):
    n_antennas = frames.correlation.shape[2]
    if frames.noise_var is not None:
        return -log10_p_known(statistic / frames.noise_var[:, None], n_antennas)
    return -log10_p_unknown(statistic, rest, n_antennas, rest_dof)


def _refit(frames, fit, noise_var):
    """LMMSE channel (B, N, M) on the support and the energy (B,) of the signal that it explains."""
    variance = _error_variance(fit) * noise_var[:, None]
    n_antennas, count = fit.channel.shape[2], np.maximum(fit.member.sum(axis=1), 1)
    power = np.sum((_energy(fit.channel) / n_antennas - variance) * fit.member, axis=1) / count
    ridge = noise_var / np.maximum(power, 1e-3 * noise_var + _TINY)
    regular = fit.gram + np.eye(fit.gram.shape[1]) * ridge[:, None, None]
    rows = np.linalg.solve(regular, fit.target)
    channel = np.zeros_like(frames.correlation)
    np.put_along_axis(channel, fit.index[:, :, None], rows, axis=1)
    return channel, np.sum((rows.conj() * (fit.gram @ rows)).real, axis=(1, 2))


def _adjoint(matrices):
    return matrices.conj().swapaxes(1, 2)


def _energy(rows):
    return np.sum(rows.real**2 + rows.imag**2, axis=-1)
