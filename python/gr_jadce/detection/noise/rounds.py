# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of deciding, measuring the noise covariance, whitening, and deciding again.

The covariance is measured off what the devices leave of the frame that are sure to be there: false ones take
the largest peaks of the noise along. How sure they are to be, and how much less is known of the noise of a
frame that was whitened by itself, `scale` accounts for.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...checks import check_choice
from ...estimate import Estimate, part_of
from ...numeric import decibels, sum_squares
from ...pilots.book import PilotBook
from ..rows import Rows, replaced
from .covariance import Whitener, chi2_limits, noise_kinds, noise_statistics
from .scale import Scale

Noise = Literal["auto", "white", "antennas", "spatial"]
NOISES = ("auto", "white", "antennas", "spatial")

# Shares of a frame's rows that bear witness of the noise: below, devices may be it, hide it, hide nearly all.
BUSY, CROWDED, TELLING = 0.65, 0.5, 0.4
_MAX_ROUNDS = 8  # of whitening: at a load of K = 0.4 L, noise 20 dB from white takes five
LOOK_ROUNDS = 2  # to see whether there is an interferer
SETTLED = 0.1  # relative change of the noise covariance by one round
COLOURED, COLOURED_CROWD = 1e-3, 1e-12  # probability that white noise is taken for another
ODD, ONE_WAY = 0.1, 0.05  # probability that white noise, and channels, of busy frames seem coloured
CROWD_SHARE = 1e-4  # of the false-alarm probability of sure devices, where many are active
_SURE_FALSE_COUNT = 0.02  # devices of a frame expected to be false among the sure ones


class Decider(NamedTuple):
    """How frames are decided.

    decide : gives rows, and scores (B, N) of all devices, from an estimate, frames (B, L, M), what was
        measured on them, and the false-alarm probability.
    estimator : gives the estimate of whitened frames; without one, that of the frames as they came is used.
    """

    decide: Callable[[Estimate, NDArray, Scale, float], tuple[Rows, NDArray]]
    pilots: PilotBook
    false_alarm: float
    estimator: Callable[[NDArray], Estimate] | None = None


def sure_false_alarm(pilots: PilotBook, false_alarm: float) -> float:
    """A false-alarm probability, at most that which is wanted, at which hardly a false device is found."""
    return min(false_alarm, _SURE_FALSE_COUNT / pilots.n_devices)


def decide_in_noise(
    decider: Decider, estimate: Estimate, frames: NDArray, noise: Noise, first: Rows | None = None
) -> tuple[Rows, NDArray]:
    """The rows of active devices and the scores of all (B, N), none of them where `first` is given.

    Parameters
    ----------
    decider : Decider
    estimate : Estimate
        Of the frames as they came.
    frames : (B, L, M) complex array
    noise : {"auto", "white", "antennas", "spatial"}
        Its covariance: σ² I, diagonal, or any; "auto" for what each frame shows.
    first : Rows, optional
        What was decided in white noise.
    """
    if first is None:
        rows, scores = decider.decide(estimate, frames, "white", decider.false_alarm)
    else:
        rows, scores = first, np.empty((0, decider.pilots.n_devices))
    if noise == "white" or frames.shape[2] == 1:
        return rows, scores
    busy = _are_busy(rows, frames)
    coloured = rows.noise_statistics > chi2_limits(frames.shape[2], COLOURED)
    if noise == "auto" and not np.count_nonzero(busy) and not np.count_nonzero(coloured):
        return rows, scores
    suspect = coloured.any(axis=1) | _are_crowded(rows, frames) | (busy & _are_odd(rows, frames))
    suspect &= rows.noise_dof <= frames.shape[1]  # more is rounding, where devices explain all of a frame
    if noise != "auto":
        suspect[:] = True
    elif not suspect.any():
        return rows, scores
    kinds, covariance = _look_at_noise(decider, estimate, frames, rows, suspect, noise)
    for kind in ("antennas", "spatial"):
        index = np.flatnonzero(kinds == kind)
        if index.size:
            part = _part(estimate, index)
            again, again_scores, whitener = _decide_whitened(
                decider, part, frames[index], covariance[index], kind
            )
            rows = replaced(rows, index, restored(again, whitener, decider.pilots))
            if scores.size:
                scores[index] = again_scores
    return rows._replace(noise_kind=kinds), scores


def _are_busy(rows: Rows, frames: NDArray) -> NDArray:
    """Frames (B,) some of whose devices may be an interferer."""
    return np.asarray(rows.noise_dof < BUSY * frames.shape[1])


def _are_crowded(rows: Rows, frames: NDArray) -> NDArray:
    """Frames (B,) so many of whose rows devices explain that they may be none."""
    return np.asarray(rows.noise_dof < CROWDED * frames.shape[1])


def _are_odd(rows: Rows, frames: NDArray) -> NDArray:
    """Frames (B,) the noise of which does not look quite white."""
    return np.asarray((rows.noise_statistics > chi2_limits(frames.shape[2], ODD)).any(axis=1))


def _look_at_noise(
    decider: Decider, estimate: Estimate, frames: NDArray, rows: Rows, suspect: NDArray, noise: Noise
) -> tuple[NDArray, NDArray]:
    """The kind (B,) of the noise of frames and its covariance (B, M, M), first measured, of `suspect` ones.

    Where many devices are active, false ones may have taken the noise along, or those that were
    missed make it look coloured: there, only devices and noise count that stand out by far.
    """
    n_antennas, crowded = frames.shape[2], _are_crowded(rows, frames)
    kinds = np.full(len(frames), "white", dtype="U8")
    covariance = np.zeros((len(frames), n_antennas, n_antennas), complex)
    for crowd, share, error in ((False, 1.0, COLOURED), (True, CROWD_SHARE, COLOURED_CROWD)):
        index = np.flatnonzero(suspect & (crowded == crowd))
        if index.size:
            false_alarm = share * sure_false_alarm(decider.pilots, decider.false_alarm)
            sure = decider.decide(_part(estimate, index), frames[index], "white", false_alarm)[0]
            covariance[index] = sure.noise_cov
            shown = noise_kinds(sure.noise_statistics, n_antennas, error)
            kinds[index] = shown if noise == "auto" else noise
    if noise == "auto":
        doubtful = (kinds == "white") | (kinds == "antennas") & _are_busy(rows, frames)
        index, found = _find_interferers(decider, estimate, frames, rows, suspect & doubtful)
        kinds[index], covariance[index] = "spatial", found
    return kinds, covariance


def _find_interferers(
    decider: Decider, estimate: Estimate, frames: NDArray, rows: Rows, suspect: NDArray
) -> tuple[NDArray, NDArray]:
    """Of the frames `suspect` (B,), which have noise of any covariance rather than many devices, and that.

    Many devices, with channels all alike, explain an interferer as well as any noise. Frames whitened by
    their own covariance hide it, and stay crowded if it is devices; what makes them likelier is taken. Where
    that covariance is as of devices with channels of their own, and what they leave is white, there is none.
    """
    wide = frames.astype(complex)
    moment = wide.conj().swapaxes(1, 2) @ wide / frames.shape[1]
    statistics = noise_statistics(moment, (frames.shape[1] - rows.noise_dof) / 2)  # devices fade
    one_way = (statistics > chi2_limits(frames.shape[2], ONE_WAY)).any(axis=1)
    is_odd = _are_odd(rows, frames) & (rows.noise_dof > TELLING * frames.shape[1])
    index = np.flatnonzero(suspect & (one_way | is_odd))
    if not index.size:
        return index, moment[index]
    quick, part = decider._replace(estimator=None), _part(estimate, index)
    again, _, whitener = _decide_whitened(quick, part, frames[index], moment[index], "spatial", LOOK_ROUNDS)
    likelier = again.evidence > rows.evidence[index]
    return index[likelier], whitener.restore_covariance(again.noise_cov)[likelier]


def check_noise(noise: Noise, is_known: bool) -> Noise:
    """The noise; that whose variance is known is white."""
    check_choice("noise", noise, NOISES)
    if is_known and noise in ("antennas", "spatial"):
        raise ValueError(f"noise: expected 'white' or 'auto' where noise_var is known, got {noise!r}")
    return "white" if is_known else noise


def _part(estimate: Estimate, index: NDArray) -> Estimate:
    """The estimate of some frames; its channels are none for whitened ones."""
    return part_of(estimate, index)._replace(posterior_mean=False)


def _decide_whitened(
    decider: Decider,
    estimate: Estimate,
    frames: NDArray,
    covariance: NDArray,
    kind: Scale,
    max_rounds: int = _MAX_ROUNDS,
) -> tuple[Rows, NDArray, Whitener]:
    """The rows and scores of whitened frames whose noise was about of this covariance (B, M, M), by what."""
    covariance, moving = covariance.copy(), np.arange(len(frames))
    for _ in range(max_rounds):
        whitener = Whitener.of(_of_kind(covariance[moving], kind))
        part = _part(estimate, moving)
        sure = _decide_once(decider, part, whitener.whiten(frames[moving]), kind)[0]
        covariance[moving] = whitener.restore_covariance(sure.noise_cov)
        moving = moving[_departure(sure.noise_cov, kind) > SETTLED]
        if not moving.size:
            break
    whitener = Whitener.of(_of_kind(covariance, kind))
    whitened = whitener.whiten(frames)
    rows, scores = _decide_once(decider, estimate, whitened, kind)
    gain = _whitening_evidence(frames, whitened, whitener, kind)
    return rows._replace(evidence=rows.evidence + gain), scores, whitener


def _decide_once(
    decider: Decider, estimate: Estimate, whitened: NDArray, kind: Scale
) -> tuple[Rows, NDArray]:
    """The rows and scores of whitened frames, by an estimate of their own if that can be had."""
    if decider.estimator is not None:
        estimate = decider.estimator(whitened)
    return decider.decide(estimate, whitened, kind, decider.false_alarm)


def _whitening_evidence(frames: NDArray, whitened: NDArray, whitener: Whitener, kind: Scale) -> NDArray:
    """How much likelier frames (B,) are by their whitener than as white noise, less the price of its fit."""
    _, L, M = frames.shape
    log_det = 2 * np.log(np.diagonal(whitener.factor, axis1=1, axis2=2).real).sum(axis=1)
    before, after = (_log_energy(part) for part in (frames, whitened))
    n_fitted = M**2 - 1 if kind == "spatial" else M - 1
    return M * L * (before - after) - L * log_det - n_fitted / 2 * np.log(L)


def _log_energy(frames: NDArray) -> NDArray:
    energy = sum_squares(frames.astype(complex), axis=(1, 2))  # single precision would overflow
    return np.log(np.maximum(energy, np.finfo(float).tiny))


def restored(rows: Rows, whitener: Whitener, pilots: PilotBook) -> Rows:
    """The rows of whitened frames as of the frames that they came from."""
    rows = rows._replace(
        channel=whitener.restore_channels(rows.channel, rows.frame),
        noise_cov=whitener.restore_covariance(rows.noise_cov),
    )
    return rows._replace(snr_db=_snr_db(rows, pilots))


def _of_kind(covariance: NDArray, kind: Scale) -> NDArray:
    return covariance * np.eye(covariance.shape[1]) if kind == "antennas" else covariance


def _departure(covariance: NDArray, kind: Scale) -> NDArray:
    """How far the covariances of whitened frames are from white ones (B,), relative to their mean power."""
    M = covariance.shape[1]
    power = np.maximum(np.trace(covariance, axis1=1, axis2=2).real / M, np.finfo(float).tiny)
    return np.abs(_of_kind(covariance, kind) / power[:, None, None] - np.eye(M)).max(axis=(1, 2))


def _snr_db(rows: Rows, pilots: PilotBook) -> NDArray:
    """SNR (B,) of the frames as they came."""
    signal = np.zeros(len(rows.noise_var))
    for b in range(len(signal)):
        part = slice(rows.start[b], rows.start[b + 1])
        pilots_sent = pilots.columns(rows.device[part]).astype(complex)
        signal[b] = np.sum(sum_squares(pilots_sent @ rows.channel[part]))
    size = pilots.pilot_length * rows.channel.shape[1]
    return np.where(
        signal > 0, decibels(signal / np.maximum(rows.noise_var * size, np.finfo(float).tiny)), -np.inf
    )
