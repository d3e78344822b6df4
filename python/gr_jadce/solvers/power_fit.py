# SPDX-License-Identifier: GPL-3.0-or-later
"""The powers of the devices, and σ², that make frames most likely."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import kernel_for
from ..checks import check_integer, check_positive
from ..estimate import check_received, per_frame
from ..numeric import sum_squares
from ..pilots.book import PilotBook
from .exchanges import Exchanges, likely_exchanges
from .power_descent import Powers, Rule, Start, descend
from .power_search import Search
from .unit_norms import UnitNorms

_MIN_NOISE_SHARE = 1e-8  # of a frame's energy a sample: less leaves rank-one updates of Σ⁻¹ without digits
_PLAIN = (0.0,)  # shares of the penalty, round by round


class PowerFit(NamedTuple):
    """What `PowerModel` finds in B frames.

    power : (B, N) float, γ: the mean |channel|² of a device, 0 for those that have none.
    noise_var : (B,) float, σ² as given or found.
    channel : (B, N, M) complex, the posterior mean.
    n_iter : (B,) int, rounds of all descents together.
    n_updates : (B,) int, powers changed in them, one at a time.
    """

    power: NDArray
    noise_var: NDArray
    channel: NDArray
    n_iter: NDArray
    n_updates: NDArray


class PowerModel:
    """Frames with columns CN(0, σ²I + Σ_n γ_n a_n a_nᴴ), set up for a pilot book and fitted to frames.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
        Used as a matrix, whatever its kind; ValueError where that is too large.
    tol : float
        A descent is done after a round that was to change no γ_n by more than `tol`/(a_nᴴΣ⁻¹a_n), nor σ²
        by more than `tol` σ²; such a round leaves about a tenth of that to do.
    max_iter : int
        Most rounds of a descent.
    backend : {"auto", "numpy", "kernel"}
        What computes: the compiled kernel where it is installed, NumPy, or the kernel only.
    threads : int
        Threads over the frames of a batch, of the kernel.

    Attributes
    ----------
    norms : (N,) float
        What the pilots were divided by: their norms, or 1 where all are equal.
    """

    def __init__(
        self,
        pilots: PilotBook | ArrayLike,
        *,
        tol: float = 0.2,
        max_iter: int = 40,
        backend: str = "auto",
        threads: int = 1,
    ) -> None:
        self.tol, self.max_iter = check_positive("tol", tol), check_integer("max_iter", max_iter, 1)
        unit = UnitNorms.of(pilots)
        self._matrix = unit.book.matrix.astype(np.complex128)  # too large: refused here
        self._threads, kernel = check_integer("threads", threads, 1), kernel_for(backend)
        self._compiled = None if kernel is None else kernel.PowerDescent(self._matrix)
        self.norms = np.ones(self._matrix.shape[1]) if unit.norms is None else unit.norms

    def fit(
        self,
        received: ArrayLike,
        noise_var: ArrayLike | None = None,
        *,
        start: ArrayLike | None = None,
        members: ArrayLike | None = None,
        sparse: bool = False,
    ) -> PowerFit:
        """Fit the powers of all devices, or of `members`, to each frame.

        Parameters
        ----------
        received : (B, L, M) complex
        noise_var : float or (B,), optional
            σ². None: it is found first, together with the powers of few devices (as with `sparse`).
        start : (B, N), optional
            Powers to start from, such as another estimator's mean |channel|². Default: none.
        members : (B, N) bool, optional
            The devices that may have a power. Default: all.
        sparse : bool
            A device has a power only where that gains more of ln p(Y) than one more active device costs,
            and that of most evidence is searched for, by several descents and exchanges of devices. Otherwise
            only the likelihood counts, and many inactive devices have a small power.
        """
        frames, scale = _normalised(check_received(received, len(self._matrix)))
        first = self._start(frames, noise_var, start, members, scale)
        search = Search(self._descend, self._find_exchanges)
        if noise_var is None:
            fit = search.run(frames, first, known=False)
            again = first._replace(power=fit.power, noise_var=fit.noise_var)
            fit = fit if sparse else _after(fit, self._descend(frames, again, _PLAIN, None))
        elif sparse:
            fit = search.run(frames, first, known=True)
        else:
            fit = self._descend(frames, first, _PLAIN, None)
        return self._restored(fit, scale)

    def _start(
        self,
        frames: NDArray,
        noise_var: ArrayLike | None,
        start: ArrayLike | None,
        members: ArrayLike | None,
        scale: NDArray,
    ) -> Start:
        """Where descents start, in the units of normalised frames and pilots of unit norm."""
        shape = len(frames), len(self.norms)
        noise = np.ones(len(frames))
        if noise_var is not None:
            noise = per_frame("noise_var", noise_var, len(frames)) / scale**2
        power = np.zeros(shape)
        if start is not None:
            power = _check_start(start, shape) * (self.norms / scale[:, None]) ** 2
        allowed = np.ones(shape, bool) if members is None else _check_members(members, shape)
        floor = np.where(frames.any(axis=(1, 2)), _MIN_NOISE_SHARE, 1.0)
        return Start(power, noise, allowed, floor)

    def _descend(self, frames: NDArray, start: Start, ramp: tuple[float, ...], held: int | None) -> Powers:
        rule = Rule(ramp, held, 1 if any(ramp) else 2, self.tol, self.max_iter)
        if self._compiled is None:
            return descend(self._matrix, frames, start, rule)
        compiled_rule = rule._replace(held=-1 if held is None else held)
        return Powers(*self._compiled.descend(frames, *start, *compiled_rule, self._threads))

    def _find_exchanges(
        self, frames: NDArray, fit: Powers, allowed: NDArray, count: int, least: float
    ) -> Exchanges:
        state = frames, fit.power, fit.noise_var, allowed, count, least
        if self._compiled is None:
            return likely_exchanges(self._matrix, *state)
        return Exchanges(*self._compiled.exchanges(*state, self._threads))

    def _restored(self, fit: Powers, scale: NDArray) -> PowerFit:
        """In the units of the frames and pilots as given."""
        power = fit.power * (scale[:, None] / self.norms) ** 2
        channel = fit.channel * (scale[:, None] / self.norms)[:, :, None]
        return PowerFit(power, fit.noise_var * scale**2, channel, fit.n_iter, fit.n_updates)


def _normalised(received: NDArray) -> tuple[NDArray, NDArray]:
    """Frames of mean energy 1 a sample, in double precision, and what they were divided by (B,)."""
    frames = received.astype(np.complex128)
    scale = np.sqrt(sum_squares(frames, axis=(1, 2)) / np.prod(frames.shape[1:]))
    scale = np.where(scale > 0, scale, 1.0)
    return frames / scale[:, None, None], scale


def _after(earlier: Powers, fit: Powers) -> Powers:
    """A fit, with the rounds and updates of an earlier one counted in."""
    return fit._replace(n_iter=earlier.n_iter + fit.n_iter, n_updates=earlier.n_updates + fit.n_updates)


def _check_start(start: ArrayLike, shape: tuple[int, int]) -> NDArray:
    power = np.asarray(start, float)
    if power.shape != shape or not np.all((power >= 0) & np.isfinite(power)):
        raise ValueError(f"start: expected finite powers {shape} of at least 0, got shape {power.shape}")
    return power


def _check_members(members: ArrayLike, shape: tuple[int, int]) -> NDArray:
    allowed = np.asarray(members)
    if allowed.shape != shape or allowed.dtype != bool:
        raise ValueError(f"members: expected {shape} of bool, got {allowed.dtype} {allowed.shape}")
    return allowed
