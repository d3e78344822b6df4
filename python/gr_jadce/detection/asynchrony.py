# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices out of step: detection with an unknown delay and carrier offset for each device.

Behind the matched filter, a pilot that comes τ symbols late with a carrier ν cycles a symbol off is

    a(τ, ν)_l = e^{2πiνl} Σ_k g(l − k − τ) a_k,   g the raised-cosine pulse,

with a cyclic prefix the same with l − k cyclic. The range of delays is cut into cells of one
symbol, that of offsets into cells of 1/(2L), and each cell is spanned by the few operators that
hold nearly all of its energy, found by a singular value decomposition over the cell. Every device
then owns one column for each of them, all columns make one larger pilot book, and any estimator
and `detection.decide` run on that book. What they find is refined device by device: the delay and
offset that explain most of what the others leave, the channel by least squares; then every device
has to pass the test again, for without the errors of the grid the noise is lower.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_number
from ..estimate import Estimate, check_received, per_frame
from ..numeric import sum_squares, vertex_offset
from ..pilots.book import PilotBook, as_pilot_book
from ..pilots.delays import check_delays
from ..waveform import late, turn
from .decide import Decision, decide, decide_rows
from .dense import ratio_db
from .joint_fit import JointFit
from .p_values import TINY
from .rows import Rows, active_rows

_CELL_ENERGY_SHARE = 0.98  # that the operators of a cell hold at least
_DELAYS_PER_SYMBOL = 16  # of the grid that is searched
_OFFSETS_PER_CELL = 5  # of the grid that is searched
_REFINEMENT_ROUNDS = 3


@dataclass(frozen=True)
class Asynchrony:
    """How far out of step devices may be.

    Parameters
    ----------
    max_delay : int
        Delays from −½ to max_delay + ½ symbols.
    max_offset : float
        Carrier offsets within ± so many cycles a symbol.
    cyclic : bool
        The pilot has a cyclic prefix of at least `max_delay` symbols.
    roll_off : float
        Of the pulse; 0 for `waveform.Ofdm`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the delay is above 0 without a cyclic prefix.
    """

    max_delay: int = 0
    max_offset: float = 0.0
    cyclic: bool = False
    roll_off: float = 0.25

    def __post_init__(self) -> None:
        values = {
            "max_delay": check_integer("max_delay", self.max_delay, 0, 2**16),
            "max_offset": check_number("max_offset", self.max_offset, 0, 0.5),
            "roll_off": check_number("roll_off", self.roll_off, 0, 1),
        }
        for name, value in values.items():  # the plain Python value of a NumPy scalar
            object.__setattr__(self, name, value)
        if self.max_delay and not self.cyclic:
            raise ValueError(f"max_delay: expected 0 without a cyclic prefix, got {self.max_delay}")


class AsynchronousDecision(NamedTuple):
    """As `detection.Decision`, and for active devices the delay and carrier offset.

    noise_var : (B,) float, the σ² given, or what the active devices leave over, if that is more.
    delay : (B, N) float, symbols; offset : (B, N) float, cycles a symbol; both 0 where inactive.
    """

    activity: NDArray
    channel: NDArray
    score: NDArray
    threshold: float
    noise_var: NDArray
    snr_db: NDArray
    delay: NDArray
    offset: NDArray


class Delayed:
    """A pilot book as it arrives: late, and off the carrier.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    asynchrony : Asynchrony

    Raises
    ------
    ValueError
        If a delay makes one pilot another's: such devices cannot be told apart.

    Attributes
    ----------
    book : PilotBook
        The larger book; columns nG to nG + G − 1 are device n's.
    n_columns : int
        G.
    """

    def __init__(self, pilots: PilotBook | ArrayLike, asynchrony: Asynchrony) -> None:
        self.pilots, self.asynchrony = as_pilot_book(pilots), asynchrony
        check_delays(self.pilots, asynchrony.max_delay)
        length, n_devices = self.pilots.pilot_length, self.pilots.n_devices
        operators = np.concatenate(
            [_operators(*cell, asynchrony, length) for cell in _cells(asynchrony, length)]
        )
        self.n_columns = len(operators)
        columns = np.moveaxis(operators @ self.pilots.matrix, 0, 2)  # (L, N, G)
        self.book = as_pilot_book(columns.reshape(length, n_devices * self.n_columns))
        self._delays = (
            np.arange(-_DELAYS_PER_SYMBOL // 2, (asynchrony.max_delay + 0.5) * _DELAYS_PER_SYMBOL + 1)
            / _DELAYS_PER_SYMBOL
        )
        self._late = (
            late(self._delays, length, asynchrony.roll_off, cyclic=asynchrony.cyclic) @ self.pilots.matrix
        )  # (J, L, N)
        self._offsets = np.concatenate([offsets for _, offsets in _cells(asynchrony, length)])
        self._offsets = np.unique(self._offsets.round(12))

    def at(self, device: NDArray, delay: ArrayLike, offset: ArrayLike) -> NDArray:
        """The pilots (L, K) of devices (K,) at their delays and offsets, both (K,)."""
        place = (np.asarray(delay, float) - self._delays[0]) * _DELAYS_PER_SYMBOL
        before = np.clip(place.astype(int), 0, len(self._delays) - 2)
        share = (place - before)[:, None]
        first, second = (self._late[index, :, device] for index in (before, before + 1))
        columns = (1 - share) * first + share * second
        return (columns * turn(offset, columns.shape[1])).T

    def decide(
        self,
        estimate: Estimate,
        received: ArrayLike,
        false_alarm: float = 1e-3,
        noise_var: ArrayLike | None = None,
        *,
        threads: int = 1,
    ) -> AsynchronousDecision:
        """Find the active devices of frames (B, L, M), their delays, offsets and channels.

        Parameters
        ----------
        estimate : Estimate
            Of an estimator set up for `book`.
        received, false_alarm, noise_var, threads
            As for `detection.decide`; the refinement of what it finds has one thread.
        """
        received = check_received(received, self.pilots.pilot_length)
        coarse = self._decide_coarsely(estimate, received, false_alarm, noise_var, threads)
        levels: list[float | None] = [None] * len(received)
        if noise_var is not None:
            levels = [float(level) for level in per_frame("noise_var", noise_var, len(received))]
        frames = [
            self._settle(frame, coarse, i, -np.log10(false_alarm), level)
            for i, (frame, level) in enumerate(zip(received.astype(np.complex128), levels, strict=True))
        ]
        activity, channel, score, *figures = map(np.array, zip(*frames, strict=True))
        channel = channel.astype(np.result_type(received, np.complex64))
        return AsynchronousDecision(activity, channel, score, -np.log10(false_alarm), *figures)

    def _decide_coarsely(
        self,
        estimate: Estimate,
        received: NDArray,
        false_alarm: float,
        noise_var: ArrayLike | None,
        threads: int,
    ) -> Decision:
        """The columns that are active; what the cells leave of their devices counts as noise."""
        false_alarm = false_alarm / self.n_columns
        if noise_var is not None:
            left = decide_rows(estimate, received, self.book, false_alarm, threads=threads).noise_var
            noise_var = np.maximum(per_frame("noise_var", noise_var, len(received)), left)
        return decide(estimate, received, self.book, false_alarm, noise_var, threads=threads)

    def decide_rows(
        self,
        estimate: Estimate,
        frames: ArrayLike,
        false_alarm: float = 1e-3,
        noise_var: ArrayLike | None = None,
        *,
        threads: int = 1,
    ) -> Rows:
        """What `decide` gives, of the active devices alone."""
        decision = self.decide(estimate, frames, false_alarm, noise_var, threads=threads)
        start, frame, device = active_rows(decision.activity)
        rows = (decision.channel, decision.score, decision.delay, decision.offset)
        channel, score, delay, offset = (values[frame, device] for values in rows)
        levels = decision.threshold, decision.noise_var, decision.snr_db
        return Rows(start, device, channel, score, *levels, delay=delay, carrier_offset=offset)

    def _settle(
        self, frame: NDArray, coarse: Decision, i: int, threshold: float, noise_var: float | None
    ) -> tuple[Any, ...]:
        """One frame (L, M): refine what the coarse decision found, and test it again."""
        shape = (self.pilots.n_devices, self.n_columns)
        device = np.flatnonzero(coarse.activity[i].reshape(shape).any(axis=1))
        rows = coarse.channel[i].reshape(*shape, -1)[device]
        columns = self.book.matrix.reshape(len(frame), *shape)[:, device]
        delay, offset = self._refine(frame, device, np.einsum("lkg,kgm->klm", columns, rows))
        score = np.maximum(coarse.score[i].reshape(shape).max(axis=1) - np.log10(self.n_columns), 0)
        while True:
            # A delay and an offset are two real numbers of each device.
            fit = JointFit.of(self.at(device, delay, offset), frame, n_fitted=len(device))
            evidence = fit.score(noise_var) - np.log10(self.n_columns)
            score[device] = np.maximum(evidence, 0)
            if not len(device) or evidence.min() >= threshold:
                break
            keep = np.arange(len(device)) != evidence.argmin()
            device, delay, offset = device[keep], delay[keep], offset[keep]
        return self._spread(device, delay, offset, fit, score, fit.noise_level(noise_var))

    def _spread(
        self,
        device: NDArray,
        delay: NDArray,
        offset: NDArray,
        fit: JointFit,
        score: NDArray,
        noise_var: float,
    ) -> tuple[Any, ...]:
        """The decision about one frame, over all devices."""
        n_devices = self.pilots.n_devices
        activity, delays, offsets = np.zeros(n_devices, bool), np.zeros(n_devices), np.zeros(n_devices)
        channel = np.zeros((n_devices, fit.channel.shape[1]), complex)
        activity[device], delays[device], offsets[device] = True, delay, offset
        channel[device], signal = fit.lmmse(noise_var)
        snr_db = ratio_db(signal, np.float64(noise_var) * fit.size)
        return activity, channel, score, noise_var, snr_db, delays, offsets

    def _refine(self, frame: NDArray, device: NDArray, parts: NDArray) -> tuple[NDArray, NDArray]:
        """Delays and offsets of devices (K,) whose parts (K, L, M) of the frame are roughly known."""
        delay, offset = np.zeros(len(device)), np.zeros(len(device))
        for _ in range(_REFINEMENT_ROUNDS):
            for k, n in enumerate(device):
                own = frame - parts.sum(axis=0) + parts[k]
                delay[k], offset[k] = self._best(n, own)
                column = self.at(device[k : k + 1], delay[k : k + 1], offset[k : k + 1])
                parts[k] = column @ (column.conj().T @ own) / max(np.vdot(column, column).real, TINY)
            columns = self.at(device, delay, offset)
            parts = columns.T[:, :, None] * JointFit.of(columns, frame).channel[:, None, :]
        return delay, offset

    def _best(self, device: int, own: NDArray) -> tuple[float, float]:
        """The delay and offset at which a device's pilot explains most of `own` (L, M)."""
        late = self._late[:, :, device]  # (J, L)
        turned = turn(-self._offsets, len(own))[:, :, None] * own  # (F, L, M)
        energy = sum_squares(late.conj() @ turned).T  # (J, F)
        energy = energy / np.maximum(sum_squares(late), TINY)[:, None]
        j, f = np.unravel_index(energy.argmax(), energy.shape)
        return _peak(self._delays, energy[:, f], j), _peak(self._offsets, energy[j], f)


def _cells(asynchrony: Asynchrony, length: int) -> Iterator[tuple[NDArray, NDArray]]:
    """(delays, offsets) of every cell, as tried in its decomposition."""
    width = 2 * asynchrony.max_offset
    n_offsets = max(1, int(np.ceil(2 * width * length)))
    edges = np.linspace(-width / 2, width / 2, n_offsets + 1)
    still = width * length < 0.05  # less than a twentieth of a turn in a pilot
    for centre in range(asynchrony.max_delay + 1):
        for low, high in pairwise(edges):
            offsets = [0.0] if still else np.linspace(low, high, _OFFSETS_PER_CELL)
            yield centre + np.linspace(-0.5, 0.5, _DELAYS_PER_SYMBOL + 1), np.array(offsets)


def _operators(delays: NDArray, offsets: NDArray, asynchrony: Asynchrony, length: int) -> NDArray:
    """The operators (D, L, L) that hold most of a cell's energy, each scaled to keep a pilot's."""
    operators = late(delays, length, asynchrony.roll_off, cyclic=asynchrony.cyclic)
    tried = (turn(offsets, length)[:, None, :, None] * operators).reshape(-1, length * length)
    values, vectors = np.linalg.eigh(tried.conj() @ tried.T)
    order = 1 + np.searchsorted(np.cumsum(values[::-1]) / values.sum(), _CELL_ENERGY_SHARE)
    main = vectors[:, ::-1][:, :order] / np.sqrt(values[::-1][:order])
    return np.sqrt(length) * (main.T @ tried).reshape(order, length, length)


def _peak(places: NDArray, values: NDArray, at: int) -> float:
    """Where the parabola through the largest value and its neighbours has its vertex."""
    if not 0 < at < len(values) - 1:
        return places[at]
    return places[at] + vertex_offset(*values[at - 1 : at + 2]) * (places[at + 1] - places[at])
