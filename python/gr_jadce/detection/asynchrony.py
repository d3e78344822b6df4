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

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..checks import check_integer
from ..estimate import check_received, per_frame
from ..pilots.book import as_pilot_book
from ..waveform import late, turn
from .decide import decide
from .p_values import log10_p_known, log10_p_unknown
from .rows import Rows, active_rows

_HELD = 0.98  # share of a cell's energy that its operators hold at least
_GRID = 16  # delays tried in a symbol
_OFFSETS = 5  # offsets tried in a cell
_ROUNDS = 3  # of refinement
_TINY = np.finfo(float).tiny


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
        Of the pulse.

    Raises
    ------
    ValueError
        If an argument is out of range, or the delay is above 0 without a cyclic prefix.
    """

    max_delay: int = 0
    max_offset: float = 0.0
    cyclic: bool = False
    roll_off: float = 0.25

    def __post_init__(self):
        check_integer("max_delay", self.max_delay, 0, 2**16)
        if not 0 <= self.max_offset <= 0.5:
            raise ValueError(f"max_offset: expected 0 to 0.5 cycles a symbol, got {self.max_offset!r}")
        if not 0 < self.roll_off <= 1:
            raise ValueError(f"roll_off: expected a number above 0, at most 1, got {self.roll_off!r}")
        if self.max_delay and not self.cyclic:
            raise ValueError(f"max_delay: expected 0 without a cyclic prefix, got {self.max_delay}")


class AsynchronousDecision(NamedTuple):
    """As `detection.Decision`, and for active devices the delay and carrier offset.

    delay : (B, N) float, symbols; offset : (B, N) float, cycles a symbol; both 0 where inactive.
    """

    activity: np.ndarray
    channel: np.ndarray
    score: np.ndarray
    threshold: float
    noise_var: np.ndarray
    snr_db: np.ndarray
    delay: np.ndarray
    offset: np.ndarray


class Delayed:
    """A pilot book as it arrives: late, and off the carrier.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    asynchrony : Asynchrony

    Attributes
    ----------
    book : PilotBook
        The larger book; columns nG to nG + G − 1 are device n's.
    n_columns : int
        G.
    """

    def __init__(self, pilots, asynchrony):
        self.pilots, self.asynchrony = as_pilot_book(pilots), asynchrony
        length, n_devices = self.pilots.pilot_length, self.pilots.n_devices
        operators = np.concatenate(
            [_operators(*cell, asynchrony, length) for cell in _cells(asynchrony, length)]
        )
        self.n_columns = len(operators)
        columns = np.moveaxis(operators @ self.pilots.matrix, 0, 2)  # (L, N, G)
        self.book = as_pilot_book(columns.reshape(length, n_devices * self.n_columns))
        self._delays = np.arange(-_GRID // 2, (asynchrony.max_delay + 0.5) * _GRID + 1) / _GRID
        self._late = (
            late(self._delays, length, asynchrony.roll_off, cyclic=asynchrony.cyclic) @ self.pilots.matrix
        )  # (J, L, N)
        self._offsets = np.concatenate([offsets for _, offsets in _cells(asynchrony, length)])
        self._offsets = np.unique(self._offsets.round(12))

    def at(self, device, delay, offset) -> np.ndarray:
        """The pilots (L, K) of devices (K,) at their delays and offsets, both (K,)."""
        place = (np.asarray(delay, float) - self._delays[0]) * _GRID
        before = np.clip(place.astype(int), 0, len(self._delays) - 2)
        share = place - before
        columns = (1 - share[:, None]) * self._late[before, :, device] + share[:, None] * self._late[
            before + 1, :, device
        ]
        return (columns * turn(offset, columns.shape[1])).T

    def decide(
        self, estimate, received, false_alarm=1e-3, noise_var=None, *, threads=1
    ) -> AsynchronousDecision:
        """Find the active devices of frames (B, L, M), their delays, offsets and channels.

        Parameters
        ----------
        estimate : Estimate
            Of an estimator set up for `book`.
        received, false_alarm, noise_var, threads
            As for `detection.decide`.
        """
        received = check_received(received, self.pilots.pilot_length)
        known = None if noise_var is None else per_frame("noise_var", noise_var, len(received))
        coarse = decide(
            estimate, received, self.book, false_alarm / self.n_columns, noise_var, threads=threads
        )
        frames = [
            self._settle(frame, coarse, i, -np.log10(false_alarm), None if known is None else known[i])
            for i, frame in enumerate(received.astype(np.complex128))
        ]
        activity, channel, score, noise, snr_db, delay, offset = map(np.array, zip(*frames, strict=True))
        channel = channel.astype(np.result_type(received, np.complex64))
        return AsynchronousDecision(
            activity, channel, score, -np.log10(false_alarm), noise, snr_db, delay, offset
        )

    def decide_rows(self, estimate, frames, false_alarm=1e-3, noise_var=None, *, threads=1) -> Rows:
        """What `decide` gives, of the active devices alone."""
        decision = self.decide(estimate, frames, false_alarm, noise_var, threads=threads)
        start, frame, device = active_rows(decision.activity)
        rows = (decision.channel, decision.score, decision.delay, decision.offset)
        channel, score, delay, offset = (values[frame, device] for values in rows)
        levels = decision.threshold, decision.noise_var, decision.snr_db
        return Rows(start, device, channel, score, *levels, delay, offset)

    def _settle(self, frame, coarse, i, threshold, noise_var):
        """One frame (L, M): refine what the coarse decision found, and test it again."""
        shape = (self.pilots.n_devices, self.n_columns)
        device = np.flatnonzero(coarse.activity[i].reshape(shape).any(axis=1))
        rows = coarse.channel[i].reshape(*shape, -1)[device]
        columns = self.book.matrix.reshape(len(frame), *shape)[:, device]
        delay, offset = self._refine(frame, device, np.einsum("lkg,kgm->klm", columns, rows))
        score = np.maximum(coarse.score[i].reshape(shape).max(axis=1) - np.log10(self.n_columns), 0)
        while True:
            fit = _Fit.of(self.at(device, delay, offset), frame)
            evidence = fit.score(noise_var) - np.log10(self.n_columns)
            score[device] = np.maximum(evidence, 0)
            if not len(device) or evidence.min() >= threshold:
                break
            keep = np.arange(len(device)) != evidence.argmin()
            device, delay, offset = device[keep], delay[keep], offset[keep]
        return self._spread(device, delay, offset, fit, score, noise_var)

    def _spread(self, device, delay, offset, fit, score, noise_var):
        """What was found of one frame, over all devices."""
        n_devices = self.pilots.n_devices
        activity, delays, offsets = np.zeros(n_devices, bool), np.zeros(n_devices), np.zeros(n_devices)
        channel = np.zeros((n_devices, fit.channel.shape[1]), complex)
        noise_var = fit.noise_var if noise_var is None else noise_var
        activity[device], delays[device], offsets[device] = True, delay, offset
        channel[device], signal = fit.lmmse(noise_var)
        with np.errstate(divide="ignore", invalid="ignore"):
            snr_db = 10 * np.log10(signal / (noise_var * fit.size))
        return activity, channel, score, noise_var, snr_db, delays, offsets

    def _refine(self, frame, device, parts):
        """Delays and offsets of devices (K,) whose parts (K, L, M) of the frame are roughly known."""
        delay, offset = np.zeros(len(device)), np.zeros(len(device))
        for _ in range(_ROUNDS):
            for k, n in enumerate(device):
                own = frame - parts.sum(axis=0) + parts[k]
                delay[k], offset[k] = self._best(n, own)
                column = self.at(device[k : k + 1], delay[k : k + 1], offset[k : k + 1])
                parts[k] = column @ (column.conj().T @ own) / max(np.vdot(column, column).real, _TINY)
            columns = self.at(device, delay, offset)
            parts = columns.T[:, :, None] * _Fit.of(columns, frame).channel[:, None, :]
        return delay, offset

    def _best(self, device, own):
        """The delay and offset at which a device's pilot explains most of `own` (L, M)."""
        late = self._late[:, :, device]  # (J, L)
        turned = turn(-self._offsets, len(own))[:, :, None] * own  # (F, L, M)
        energy = np.sum(np.abs(late.conj() @ turned) ** 2, axis=2).T  # (J, F)
        energy = energy / np.maximum(np.sum(np.abs(late) ** 2, axis=1), _TINY)[:, None]
        j, f = np.unravel_index(energy.argmax(), energy.shape)
        return _peak(self._delays, energy[:, f], j), _peak(self._offsets, energy[j], f)


class _Fit(NamedTuple):
    """Least squares of a frame on the pilots of K devices."""

    channel: np.ndarray  # (K, M)
    gram: np.ndarray  # (K, K)
    target: np.ndarray  # (K, M)
    variance: np.ndarray  # (K,) of the channel, over σ²
    residual: float  # energy
    dof: int  # complex degrees of freedom left
    size: int  # L·M

    @classmethod
    def of(cls, columns, frame):
        gram, target = columns.conj().T @ columns, columns.conj().T @ frame
        inverse = np.linalg.pinv(gram, hermitian=True)
        channel = inverse @ target
        residual = float(np.sum(np.abs(frame - columns @ channel) ** 2))
        dof = max((len(frame) - columns.shape[1]) * frame.shape[1], 1)
        return cls(channel, gram, target, np.diagonal(inverse).real, residual, dof, frame.size)

    @property
    def noise_var(self):
        return self.residual / self.dof

    def score(self, noise_var):
        """−log10 p-value of each device, given the others."""
        energy, n_antennas = (
            np.sum(np.abs(self.channel) ** 2, axis=1) / np.maximum(self.variance, _TINY),
            self.channel.shape[1],
        )
        if noise_var is not None:
            return -log10_p_known(energy / noise_var, n_antennas)
        return -log10_p_unknown(energy, self.residual, n_antennas, self.dof)

    def lmmse(self, noise_var):
        """Channel (K, M) for a mean power common to the devices, and the energy it explains."""
        power = (
            np.mean(
                np.sum(np.abs(self.channel) ** 2, axis=1) / self.channel.shape[1] - self.variance * noise_var
            )
            if len(self.channel)
            else 1.0
        )
        ridge = noise_var / max(power, 1e-3 * noise_var + _TINY)
        rows = np.linalg.solve(self.gram + ridge * np.eye(len(self.gram)), self.target)
        return rows, np.sum((rows.conj() * (self.gram @ rows)).real)


def _cells(asynchrony, length):
    """(delays, offsets) of every cell, as tried in its decomposition."""
    width = 2 * asynchrony.max_offset
    n_offsets = max(1, int(np.ceil(2 * width * length)))
    edges = np.linspace(-width / 2, width / 2, n_offsets + 1)
    still = width * length < 0.05  # less than a twentieth of a turn in a pilot
    for centre in range(asynchrony.max_delay + 1):
        for low, high in pairwise(edges):
            offsets = [0.0] if still else np.linspace(low, high, _OFFSETS)
            yield centre + np.linspace(-0.5, 0.5, _GRID + 1), np.array(offsets)


def _operators(delays, offsets, asynchrony, length):
    """The operators (D, L, L) that hold most of a cell's energy, each scaled to keep a pilot's."""
    operators = late(delays, length, asynchrony.roll_off, cyclic=asynchrony.cyclic)
    tried = (turn(offsets, length)[:, None, :, None] * operators).reshape(-1, length * length)
    values, vectors = np.linalg.eigh(tried.conj() @ tried.T)
    order = 1 + np.searchsorted(np.cumsum(values[::-1]) / values.sum(), _HELD)
    main = vectors[:, ::-1][:, :order] / np.sqrt(values[::-1][:order])
    return np.sqrt(length) * (main.T @ tried).reshape(order, length, length)


def _peak(places, values, at):
    """Where the parabola through the largest value and its neighbours peaks."""
    if not 0 < at < len(values) - 1:
        return places[at]
    left, middle, right = values[at - 1 : at + 2]
    bend = left - 2 * middle + right
    return places[at] + (0.5 * (left - right) / bend if bend < 0 else 0.0) * (places[at + 1] - places[at])
