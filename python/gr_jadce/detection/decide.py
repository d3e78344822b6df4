# SPDX-License-Identifier: GPL-3.0-or-later
"""From an estimate to decisions: who is active at a wanted false-alarm probability, how loud the noise is.

The test is that of `dense`, which gives its equations; the kernel computes the same, and `large` a form of
it for books whose Gram matrix is too large.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import complex_frames, kernel_for
from ..checks import check_integer, check_probability
from ..estimate import Estimate, check_received, noise_levels
from ..numeric import sum_squares
from ..pilots.book import PilotBook, as_pilot_book
from . import dense, large
from .noise.covariance import noise_statistics
from .noise.rounds import Decider, Noise, check_noise, decide_in_noise
from .noise.scale import Scale
from .refinement import Rule, make_rule
from .rows import Rows, rows_of, rows_of_kernel

_AGREEMENT = 0.5  # share of the expected squared error within which two estimates say the same
_COMPILED: WeakKeyDictionary[PilotBook, Any] = WeakKeyDictionary()  # in the kernel


class Decision(NamedTuple):
    """What is decided about a batch of B frames.

    activity : (B, N) bool.
    channel : (B, N, M) complex, of the active devices, zero elsewhere.
    score : (B, N) float, −log10 of the device's p-value.
    threshold : float, −log10 of the wanted false-alarm probability; active means score ≥ threshold.
    noise_var : (B,) float, noise variance per received sample: the given one or, without, estimated.
    snr_db : (B,) float, energy of the detected signal over that of the noise, −inf with none.
    noise_cov : (B, M, M) complex, covariance Ψ = E wᴴw of the noise w (1, M) of a sample, as measured.

    Devices may stay inactive above the threshold where `max_rounds` are over, where pilots of L
    symbols bear no more (L − 2 devices are active at most), or where another device in their place
    would explain the frame nearly as well, and oftener than the wanted probability allows.
    """

    activity: NDArray
    channel: NDArray
    score: NDArray
    threshold: float
    noise_var: NDArray
    snr_db: NDArray
    noise_cov: NDArray


def decide(
    estimate: Estimate,
    received: ArrayLike,
    pilots: PilotBook | ArrayLike,
    false_alarm: float = 1e-3,
    noise_var: ArrayLike | None = None,
    *,
    noise: Noise = "auto",
    max_rounds: int = 60,
    backend: str = "auto",
    threads: int = 1,
) -> Decision:
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
    noise : {"auto", "white", "antennas", "spatial"}
        How the noise of the antennas is related: "white", independent and equally strong; "antennas",
        independent, each with a variance of its own; "spatial", with any covariance, as of an interferer
        or a DC offset. It is measured on each frame, at the cost of one degree of freedom of a frame's L
        (antennas) or M of them. "auto": what the frame shows. A known `noise_var` is that of white noise.
    max_rounds : int
        Rounds of dropping and adding at most; few frames need more than ten.
    backend : {"auto", "numpy", "kernel"}
        What computes: the compiled kernel where it is installed, NumPy, or the kernel only. More than
        2048 devices with fast pilots are left to NumPy, in a form without their Gram matrix
        (`large`).
    threads : int
        Threads over the frames of a batch, of the kernel.

    Returns
    -------
    Decision
        The channel is the LMMSE estimate on the decided support, with a power of each device that is
        fitted to the frame; or the estimate's own, if that is a posterior mean and differs by less than
        half the error to expect, or leaves less than σ² a sample of the frame unexplained (of more than
        2048 devices with fast pilots: whenever it is one).

    Raises
    ------
    ValueError
        If an argument has a wrong shape or value; the message names it.
    """
    book = as_pilot_book(pilots)
    frames = check_received(received, book.pilot_length)
    options = _Options(false_alarm, noise_var, max_rounds, backend, threads, "white")
    rows, scores = _decide_in_noise(estimate, frames, book, options, noise, None, with_scores=True)
    shape, places = (len(frames), book.n_devices), (rows.frame, rows.device)
    activity = np.zeros(shape, bool)
    channel = np.zeros((*shape, frames.shape[2]), rows.channel.dtype)
    activity[places], channel[places] = True, rows.channel
    return Decision(activity, channel, scores, rows.threshold, rows.noise_var, rows.snr_db, rows.noise_cov)


def decide_rows(
    estimate: Estimate,
    frames: NDArray,
    pilots: PilotBook,
    false_alarm: float,
    noise_var: ArrayLike | None = None,
    *,
    noise: Noise = "white",
    estimator: Callable[[NDArray], Estimate] | None = None,
    first: Rows | None = None,
    max_rounds: int = 60,
    backend: str = "auto",
    threads: int = 1,
) -> Rows:
    """What `decide` gives, of the active devices alone; the frames are not looked at for NaN.

    Parameters
    ----------
    estimate, frames, pilots, false_alarm, noise_var, noise, max_rounds, backend, threads
        As for `decide`; `frames` a (B, L, M) array of finite values.
    estimator : callable, optional
        Estimates frames again that were whitened because their noise is not.
    first : Rows, optional
        What was decided of these frames in white noise already.
    """
    options = _Options(false_alarm, noise_var, max_rounds, backend, threads, "white")
    decided = _decide_in_noise(estimate, frames, pilots, options, noise, estimator, first, with_scores=False)
    return decided[0]


class _Options(NamedTuple):
    """Arguments of `decide` and `decide_rows`."""

    false_alarm: float
    noise_var: ArrayLike | None
    max_rounds: int
    backend: str
    threads: int
    scale: Scale


def _decide_in_noise(
    estimate: Estimate,
    frames: NDArray,
    pilots: PilotBook,
    options: _Options,
    noise: Noise,
    estimator: Callable[[NDArray], Estimate] | None,
    first: Rows | None = None,
    *,
    with_scores: bool,
) -> tuple[Rows, NDArray]:
    """As `_decide`, in noise of the kind that is wanted."""
    noise = check_noise(noise, options.noise_var is not None)

    def decide(estimate: Estimate, frames: NDArray, scale: Scale, false_alarm: float) -> tuple[Rows, NDArray]:
        part = options._replace(scale=scale, false_alarm=false_alarm)
        return _decide(estimate, frames, pilots, part, with_scores=with_scores)

    decider = Decider(decide, pilots, options.false_alarm, estimator)
    return decide_in_noise(decider, estimate, frames, noise, first)


def _decide(
    estimate: Estimate, frames: NDArray, pilots: PilotBook, options: _Options, *, with_scores: bool
) -> tuple[Rows, NDArray]:
    """The rows of active devices, and the scores of all (B, N); none of them unless `with_scores`."""
    kernel = kernel_for(options.backend)
    rule = _rule(options, pilots, frames.shape[2])
    _check_estimate(estimate, frames, pilots)
    is_large = pilots.is_fast and pilots.n_devices > large.MAX_GRAM_DEVICES
    if kernel is None or is_large:
        decided = _decide_plain(estimate, frames, pilots, options, rule, is_large, with_scores)
    else:
        compiled = compiled_book(pilots, kernel)
        decided = _decide_compiled(compiled, estimate, frames, pilots, options, rule, with_scores)
    rows, agrees, scores = decided
    if estimate.posterior_mean and np.count_nonzero(agrees) < len(agrees):
        channel = _likelier_channel(estimate, frames, pilots, rows, agrees)
        rows = rows._replace(channel=channel.astype(rows.channel.dtype, copy=False))
    return rows, scores


def _decide_plain(
    estimate: Estimate,
    frames: NDArray,
    pilots: PilotBook,
    options: _Options,
    rule: Rule,
    is_large: bool,
    with_scores: bool,
) -> tuple[Rows, NDArray, NDArray]:
    decide_frames = large.decide_frames if is_large else dense.decide_frames
    scores = np.empty((len(frames) if with_scores else 0, pilots.n_devices))
    decided = decide_frames(estimate, frames, pilots, options.noise_var, rule)
    rows = rows_of(decided, rule.threshold, frames.shape[2], scores if with_scores else None)
    agrees = np.zeros(len(frames), bool)
    if estimate.posterior_mean:
        rows, agrees = _agreeing_channel(estimate, rows)
    rows = rows._replace(
        channel=rows.channel.astype(np.result_type(frames, np.complex64), copy=False),
        noise_statistics=noise_statistics(rows.noise_cov, rows.noise_dof),
    )
    return rows, agrees, scores


def _agreeing_channel(estimate: Estimate, rows: Rows) -> tuple[Rows, NDArray]:
    """The rows with the estimate's channels in frames where the fit hardly differs, and which frames (B,)."""
    frame = rows.frame
    own = estimate.channel[frame, rows.device]
    difference = np.bincount(frame, sum_squares(own - rows.channel), len(rows.noise_var))
    agrees = difference <= _AGREEMENT * np.asarray(rows.uncertainty)
    return rows._replace(channel=np.where(agrees[frame, None], own, rows.channel)), agrees


def _likelier_channel(
    estimate: Estimate, frames: NDArray, pilots: PilotBook, rows: Rows, agrees: NDArray
) -> NDArray:
    """The estimate's own channels in frames where it is right, else those of the fit on the decided support.

    A posterior mean knows how likely each device is to be active, and is the better for it where it is
    right: where the fit hardly differs (`agrees`), or where it leaves no more of the frame than noise, and
    so has weighed supports that the frame does not tell apart. What it leaves to each other of devices that
    it could not resolve shows in the difference, and in what it leaves of the frame.
    """
    unsure = np.flatnonzero(~agrees)
    explained = pilots.forward(np.ascontiguousarray(np.moveaxis(estimate.channel[unsure], 1, 0)))
    left = sum_squares(frames[unsure] - np.moveaxis(explained, 0, 1), axis=(1, 2)) / frames[0].size
    is_right = np.zeros(len(frames), bool)
    is_right[unsure] = left < rows.noise_var[unsure]
    frame = rows.frame
    return np.where(is_right[frame, None], estimate.channel[frame, rows.device], rows.channel)


def _rule(options: _Options, pilots: PilotBook, n_antennas: int) -> Rule:
    false_alarm = check_probability("false_alarm", options.false_alarm)
    max_rounds = check_integer("max_rounds", options.max_rounds, 1)
    return make_rule(pilots, n_antennas, false_alarm, max_rounds, options.scale)


def _check_estimate(estimate: Estimate, frames: NDArray, pilots: PilotBook) -> None:
    expected = (len(frames), pilots.n_devices)
    if estimate.score.shape != expected or estimate.channel.shape != (*expected, frames.shape[2]):
        raise ValueError(
            f"estimate: expected scores {expected} and channels {(*expected, frames.shape[2])} for these "
            f"frames and pilots, got {estimate.score.shape} and {estimate.channel.shape}"
        )


def _decide_compiled(
    detection: Any,
    estimate: Estimate,
    frames: NDArray,
    pilots: PilotBook,
    options: _Options,
    rule: Rule,
    with_scores: bool,
) -> tuple[Rows, NDArray, NDArray]:
    received, levels = complex_frames(frames), noise_levels(options.noise_var, len(frames))
    own = estimate.channel.astype(received.dtype, copy=False) if estimate.posterior_mean else None
    decided, agrees, scores = detection.decide(
        received,
        estimate.score,
        levels,
        own,
        _AGREEMENT,
        tuple(rule),
        with_scores,
        check_integer("threads", options.threads, 1),
    )
    return rows_of_kernel(decided, frames, rule.threshold), agrees, scores


def compiled_book(pilots: PilotBook, kernel: ModuleType) -> Any:
    """The pilots in the kernel's form, computed once for a pilot book."""
    if pilots not in _COMPILED:
        matrix = pilots.columns(np.arange(pilots.n_devices))
        _COMPILED[pilots] = kernel.Detection(dense.gram_matrix(pilots), matrix)
    return _COMPILED[pilots]
