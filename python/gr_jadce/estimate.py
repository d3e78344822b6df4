# SPDX-License-Identifier: GPL-3.0-or-later
"""What every estimator takes and gives."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .numeric import sum_squares


class Estimate(NamedTuple):
    """What an estimator says of a batch of B frames.

    channel : (B, N, M) complex, zero rows where a device is taken for inactive.
    score : (B, N) float, larger means more likely active; comparable within a frame.
    n_iter : (B,) int, iterations (or layers) used; 0 where they are not told.
    gap : (B,) float, relative duality gap reached; NaN where the estimator has none.
    posterior_mean : bool, the channel approximates the posterior mean: refitting it would make it worse.

    The gap is that of the channel before it was rounded to the precision of the frames, which matters
    where λ is below some 1e-3 λ_max.
    """

    channel: NDArray
    score: NDArray
    n_iter: NDArray = np.zeros((), int)
    gap: NDArray = np.array(np.nan)
    posterior_mean: bool = False


def part_of(estimate: Estimate, index: NDArray) -> Estimate:
    """The estimate of the frames `index` alone."""
    channel, score, n_iter, gap = (values[index] if np.ndim(values) else values for values in estimate[:4])
    return Estimate(channel, score, n_iter, gap, estimate.posterior_mean)


def at_unit_power(received: NDArray) -> tuple[NDArray, NDArray]:
    """Frames (B, L, M) at a mean energy of 1 a sample, and what theirs was (B,), 1 where it is 0."""
    power = np.mean(sum_squares(received.astype(complex)), axis=1) / received.shape[2]
    power = np.where(power > 0, power, 1.0)
    return received / np.sqrt(power)[:, None, None].astype(received.real.dtype), power


def check_received(received: ArrayLike, pilot_length: int) -> NDArray:
    """`received` as a (B, L, M) complex array, without a copy where it is one.

    Raises
    ------
    ValueError
        If the shape is not (B, L, M) or (L, M), or a value is NaN or Inf.
    """
    array = np.asarray(received)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1] != pilot_length or array.shape[2] == 0:
        raise ValueError(
            f"received: expected frames (B, L, M) or one frame (L, M) with pilot length L = {pilot_length}, "
            f"got shape {np.shape(received)}"
        )
    if array.dtype.kind not in "fc":
        raise ValueError(f"received: expected floating-point samples, got {array.dtype}")
    if not np.isfinite(array.sum()) and not np.all(np.isfinite(array)):
        raise ValueError("received: expected finite samples, got NaN or Inf")
    return array


def takes_noise_var(estimator: Callable) -> bool:
    """Whether an estimator may be told σ²: as ``estimator(received, noise_var=...)``."""
    try:
        inspect.signature(estimator).bind(None, noise_var=None)
    except TypeError:
        return False
    except ValueError:  # of what is compiled and does not tell
        return True
    return True


def per_frame(name: str, value: ArrayLike, n_frames: int) -> NDArray[np.float64]:
    """A positive finite number, or one for each frame, as (n_frames,) float."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape not in ((), (n_frames,)) or not np.all(np.isfinite(array) & (array > 0)):
        raise ValueError(f"{name}: expected a positive number, or {n_frames} of them, got {value!r}")
    return np.broadcast_to(array, (n_frames,))


def noise_levels(noise_var: ArrayLike | None, n_frames: int) -> NDArray[np.float64]:
    """Noise variances (n_frames,) as the kernel takes them: 0 where unknown (None)."""
    return np.zeros(n_frames) if noise_var is None else per_frame("noise_var", noise_var, n_frames)


def check_book(estimator: Any, pilots: Any) -> None:
    """Refuse an estimator that says, by its attribute `book`, that it was set up for other pilots.

    An equal copy of the book is no other one, and an estimator without a book is taken at its word.

    Raises
    ------
    ValueError
        If the books differ in size or in a pilot.
    """
    own = getattr(estimator, "book", None)
    if own is None or own is pilots:
        return
    if (own.pilot_length, own.n_devices) != (pilots.pilot_length, pilots.n_devices):
        raise ValueError(f"estimator: expected one for {pilots!r}, got one for {own!r}")
    if not _equal_pilots(own, pilots):
        raise ValueError(f"estimator: expected one for this {pilots!r}, got one for another book of its size")


def _equal_pilots(one: Any, other: Any) -> bool:
    if one.pilots is not None or other.pilots is not None:
        return np.array_equal(one.matrix, other.matrix)
    fields = ("kind", "rows", "roots", "shifts")  # of structured books, whose matrix may be too large
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)
