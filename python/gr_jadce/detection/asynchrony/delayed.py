# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions about devices out of step: which are active, at what delay and offset, over which paths.

The frame is searched for devices one after another (`search`), the covariance of those found fitted by
likelihood (`cluster_fit`); no estimate is needed. At the end each device has to pass a test: its
statistic t at its strongest pilot, the device taken out of Σ, against the distribution of the maximum of
t over all delays and offsets that are searched (`maximum`); over several paths, that or a test whether it
arrives as the others do (`last_look`). What its clusters leave of such a device is found last (`diffuse`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...backend import complex_frames, kernel_for
from ...checks import check_integer, check_probability
from ...estimate import at_unit_power, check_received, per_frame
from ...numeric import decibels
from ...pilots.book import PilotBook, as_pilot_book
from ...pilots.delays import check_delays
from ...waveform import strongest_responses
from ..rows import Rows
from . import diffuse, last_look, moves, search
from .asynchrony import Asynchrony
from .diffuse import Taps, taps_of_clusters, with_weak_echoes
from .last_look import LastLook
from .maximum import Rule
from .pilot_table import MARGIN, STEPS, STRIDE, PilotTable
from .search import Search


class AsynchronousDecision(NamedTuple):
    """As `detection.Decision`, and for active devices the delay and carrier offset.

    activity : (B, N) bool. channel : (B, N, M) complex, where the response of all paths is strongest.
    score : (B, N) float, −log10 of the p-value of active devices, 0 of others. threshold : float.
    noise_var : (B,) float, what the active devices leave over, at least the σ² given. snr_db : (B,) float.
    delay : (B, N) float, symbols, of that response; offset : (B, N) float, cycles a symbol; 0 where inactive.
    """

    activity: NDArray
    channel: NDArray
    score: NDArray
    threshold: float
    noise_var: NDArray
    snr_db: NDArray
    delay: NDArray
    offset: NDArray


class _Found(NamedTuple):
    """What is found in a batch: of each frame, of each device (row), of each path (tap) of a row."""

    start: NDArray  # (B + 1,) of rows
    noise_var: NDArray  # (B,)
    signal: NDArray  # (B,) energy explained
    device: NDArray  # (ΣK,)
    score: NDArray
    offset: NDArray
    tap_start: NDArray  # (ΣK + 1,)
    tap_delay: NDArray  # (ΣT,)
    tap_gain: NDArray  # (ΣT, M)

    def at_powers(self, power: NDArray) -> "_Found":
        """The same of frames that had a mean energy of a sample (B,) in place of 1."""
        taps = np.diff(self.tap_start[self.start])
        gain = self.tap_gain * np.repeat(np.sqrt(power), taps)[:, None]
        return self._replace(noise_var=self.noise_var * power, signal=self.signal * power, tap_gain=gain)


class Delayed:
    """A pilot book whose devices are out of step.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    asynchrony : Asynchrony
    backend : {"auto", "numpy", "kernel"}
        The compiled search is many times faster than the plain one.

    Raises
    ------
    ValueError
        If a delay makes one pilot another's: such devices cannot be told apart.

    Attributes
    ----------
    table : PilotTable
        The pilots at all delays.
    """

    def __init__(
        self, pilots: PilotBook | ArrayLike, asynchrony: Asynchrony, *, backend: str = "auto"
    ) -> None:
        self.pilots, self.asynchrony = as_pilot_book(pilots), asynchrony
        check_delays(self.pilots, asynchrony.max_delay)
        self.table = PilotTable(self.pilots, asynchrony)
        kernel, table = kernel_for(backend), self.table
        self._kernel: Any = kernel and kernel.PathSearch(
            table.table, table.first, STEPS, MARGIN, STRIDE, table.offsets.tolist()
        )

    def decide(
        self,
        received: ArrayLike,
        false_alarm: float = 1e-3,
        noise_var: ArrayLike | None = None,
        *,
        threads: int = 1,
    ) -> AsynchronousDecision:
        """Find the active devices of frames, their delays, offsets and channels.

        Parameters
        ----------
        received : (B, L, M) array
        false_alarm : float
            Wanted false-alarm probability of a device over the whole range of delays and offsets.
        noise_var : float or (B,) array, optional
            σ², if it is known; what an approximate model leaves of strong devices counts as noise on top.
        threads : int
            Threads over the frames.

        Raises
        ------
        ValueError
            If an argument has the wrong shape or is out of range.
        """
        rows = self.decide_rows(received, false_alarm, noise_var, threads=threads)
        shape = len(rows.noise_var), self.pilots.n_devices
        activity, (score, delay, offset) = np.zeros(shape, bool), np.zeros((3, *shape))
        channel = np.zeros((*shape, rows.channel.shape[1]), rows.channel.dtype)
        place = rows.frame, rows.device
        activity[place], channel[place], score[place] = True, rows.channel, rows.score
        delay[place], offset[place] = rows.delay, rows.carrier_offset
        return AsynchronousDecision(
            activity, channel, score, rows.threshold, rows.noise_var, rows.snr_db, delay, offset
        )

    def decide_rows(
        self,
        received: ArrayLike,
        false_alarm: float = 1e-3,
        noise_var: ArrayLike | None = None,
        *,
        threads: int = 1,
    ) -> Rows:
        """What `decide` gives, of the active devices alone, and their paths."""
        received = check_received(received, self.pilots.pilot_length)
        false_alarm = check_probability("false_alarm", false_alarm)
        rule = Rule.of(self.asynchrony, self.table.extent, false_alarm, received.shape[2])
        levels = (
            np.zeros(len(received)) if noise_var is None else per_frame("noise_var", noise_var, len(received))
        )
        searched = self._searched if self._kernel is None else self._searched_compiled
        frames, power = at_unit_power(received)
        found = searched(frames, rule, levels / power, check_integer("threads", threads, 1))
        found = found.at_powers(power)
        found = found._replace(noise_var=np.maximum(found.noise_var, levels))  # but for rounding it is
        return self._rows(found, received, rule)

    def _searched_compiled(self, received: NDArray, rule: Rule, levels: NDArray, threads: int) -> _Found:
        asynchrony = rule.asynchrony
        return _Found(
            *self._kernel.search(
                complex_frames(received),
                levels,
                threshold=-np.log10(rule.false_alarm),
                device_limit=rule.device_limit,
                path_limit=rule.path_limit,
                extent=rule.extent,
                bounds=asynchrony.bounds,
                max_offset=asynchrony.max_offset,
                max_paths=asynchrony.max_paths,
                rounds=search.RULE,
                moves=moves.RULE,
                look=last_look.RULE,
                echoes=diffuse.RULE,
                threads=threads,
            )
        )

    def _searched(self, received: NDArray, rule: Rule, levels: NDArray, threads: int) -> _Found:
        searches: list[Search] = []
        for frame, level in zip(received.astype(np.complex128), levels, strict=True):
            searches.append(LastLook(self.table, rule, frame, level or None))
            searches[-1].run()
        return _gathered(searches, received.shape[2])

    def _rows(self, found: _Found, received: NDArray, rule: Rule) -> Rows:
        channel, delay = strongest_responses(
            found.tap_gain, found.tap_delay, found.tap_start, self.asynchrony.roll_off
        )
        channel = channel.astype(np.result_type(received, np.complex64), copy=False)
        size = received.shape[1] * received.shape[2]
        snr_db = decibels(found.signal / np.maximum(found.noise_var * size, np.finfo(float).tiny))
        return Rows(
            found.start, found.device.astype(np.uint32), channel, found.score, -np.log10(rule.false_alarm),
            found.noise_var, snr_db, delay=delay, carrier_offset=found.offset,
            tap_start=found.tap_start, tap_delay=found.tap_delay, tap_gain=found.tap_gain,
        )  # fmt: skip


def _gathered(searches: list[Search], n_antennas: int) -> _Found:
    """What plain searches found."""
    own = [search.fit.own() for search in searches]
    taps = [_taps(search, numbers) for search, numbers in zip(searches, own, strict=True)]
    counts = [np.unique(part.device, return_counts=True)[1] for part in taps]
    found = [
        (n, search.scores[n], search.fit.clusters[numbers[0]].offset)
        for search, part in zip(searches, own, strict=True)
        for n, numbers in part.items()
    ]
    device, score, offset = np.array(found, float).reshape(-1, 3).T
    return _Found(
        start=np.cumsum([0, *map(len, own)]),
        noise_var=np.array([part.noise_var for part in taps]),
        signal=np.array([part.signal for part in taps]),
        device=device.astype(int),
        score=score,
        offset=offset,
        tap_start=np.cumsum(np.concatenate([[0], *counts])),
        tap_delay=np.concatenate([np.empty(0), *(part.delay for part in taps)]),
        tap_gain=np.concatenate([np.empty((0, n_antennas)), *(part.gain for part in taps)]),
    )


def _taps(search: Search, own: dict[int, list[int]]) -> Taps:
    weak = None
    if own and search.rule.asynchrony.max_paths != 1:
        weak = with_weak_echoes(search.fit, own, search.told)
    return weak or taps_of_clusters(search.fit, own)
