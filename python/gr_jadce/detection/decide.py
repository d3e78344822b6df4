# SPDX-License-Identifier: GPL-3.0-or-later
"""From an estimate to decisions: who is active at a wanted false-alarm probability, how loud the noise is.

The test is that of `dense`, which gives its equations; the kernel computes the same, and `large` a form of
it for books whose Gram matrix is too large.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..backend import check_threads, complex_frames, kernel_for
from ..estimate import check_received
from ..pilots.book import as_pilot_book
from . import large
from .dense import correlate, decide_frames, gram_matrix, known_noise, make_rule

_COMPILED = WeakKeyDictionary()  # of pilot books, in the kernel


class Decision(NamedTuple):
    """What is decided about a batch of B frames.

    activity : (B, N) bool.
    channel : (B, N, M) complex, of the active devices, zero elsewhere.
    score : (B, N) float, −log10 of the device's p-value.
    threshold : float, −log10 of the wanted false-alarm probability; active means score ≥ threshold.
    noise_var : (B,) float, noise variance per received sample: the given one or, without, estimated.
    snr_db : (B,) float, energy of the detected signal over that of the noise, −inf with none.

    Devices may stay inactive above the threshold where `max_rounds` are over, or where pilots of L
    symbols bear no more: L − 2 devices are active at most.
    """

    activity: np.ndarray
    channel: np.ndarray
    score: np.ndarray
    threshold: float
    noise_var: np.ndarray
    snr_db: np.ndarray


def decide(
    estimate, received, pilots, false_alarm=1e-3, noise_var=None, max_rounds=60, backend="auto", threads=1
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
        The channel is the LMMSE estimate on the decided support, all of whose devices are given
        the same mean power, estimated from the frame; or the estimate's own, on this support, if
        it is a posterior mean.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or value; the message names it.
    """
    pilots, kernel = as_pilot_book(pilots), kernel_for(backend)
    if not 0 < false_alarm < 1:
        raise ValueError(f"false_alarm: expected a probability between 0 and 1, got {false_alarm!r}")
    received = check_received(received, pilots.pilot_length)
    expected = (len(received), pilots.n_devices)
    if estimate.score.shape != expected:
        raise ValueError(
            f"estimate: expected scores {expected} for these frames and pilots, got {estimate.score.shape}"
        )
    rule = make_rule(pilots, received.shape[2], false_alarm, max_rounds)
    if pilots.is_fast and pilots.n_devices > large.MOST_DEVICES:
        found = large.decide_frames(estimate, received, pilots, noise_var, rule)
    elif kernel is None:
        found = decide_frames(estimate, received, pilots, noise_var, rule)
    else:
        found = _decide_compiled(kernel, estimate, received, pilots, noise_var, rule, check_threads(threads))
    activity, channel, score, noise_var, snr_db = found
    if estimate.posterior_mean:
        channel = np.zeros_like(estimate.channel)
        channel[activity] = estimate.channel[activity]
    dtype = np.result_type(received, np.complex64)
    return Decision(activity, channel.astype(dtype, copy=False), score, rule.threshold, noise_var, snr_db)


def _decide_compiled(kernel, estimate, received, pilots, noise_var, rule, threads):
    """What `decide_frames` gives, but no channel where the estimate's own is taken."""
    frames = complex_frames(received)
    correlation = correlate(received.astype(np.complex128), pilots) if pilots.is_fast else None
    known, wanted = known_noise(noise_var, len(received)), not estimate.posterior_mean
    return _compiled(pilots, kernel).decide(
        frames, correlation, estimate.score, known, *rule, wanted, threads
    )


def _compiled(pilots, kernel):
    """The pilots in the kernel's form, computed once for a pilot book."""
    if pilots not in _COMPILED:
        matrix = None if pilots.is_fast else pilots.matrix
        _COMPILED[pilots] = kernel.Detection(gram_matrix(pilots), matrix)
    return _COMPILED[pilots]
