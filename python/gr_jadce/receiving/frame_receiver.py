# SPDX-License-Identifier: GPL-3.0-or-later
"""From frames to reports: estimate, decide and report a batch, whatever is in it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from itertools import pairwise
from math import log10
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer, check_number, check_probability
from ..detection.asynchrony import Delayed
from ..detection.decide import decide_rows
from ..detection.noise.covariance import Whitener
from ..detection.noise.rounds import Noise, check_noise, restored
from ..detection.rows import Rows
from ..detection.settling.early import EarlyDecider, may_settle
from ..estimate import Estimate, check_book, takes_noise_var
from ..pilots.book import PilotBook
from ..random_access.search import PreambleSearch
from ..reports.report import Report
from .antennas import alike, coloured_noise, spread
from .samples import survey
from .taps import optional_fields

_PATH_SEARCH, _PREAMBLE_SEARCH = "path_search", "preamble_search"  # what finds devices out of step

Stamp = tuple[int, tuple[int, float]]  # frame_id and rx_time of a frame


class _Hint(NamedTuple):
    """What is known of the noise from before: its variance, or 0, and what whitens it."""

    noise_var: float
    whitener: Whitener | None = None


@dataclass(frozen=True)
class FrameReceiver:
    """Answers every frame with a report; a frame's report does not depend on its batch.

    An antenna that has no signal at all in a frame, nothing but zeros, is left out of its estimate and
    decision: it would make the noise of the others look lower than it is. Its channels are reported as
    zero, and the report names it.

    Parameters
    ----------
    pilots : PilotBook
    estimator : callable, optional
        ``estimator(received)`` gives an Estimate; it gets `noise_var`, too, if it takes that argument. None
        for devices out of step.
    name : str
        Name of the estimator, for the reports.
    false_alarm : float
        Wanted false-alarm probability of a device, in (0, 1).
    noise_var : float
        Noise variance of a received sample; 0 if unknown.
    noise : {"auto", "white", "antennas", "spatial"}
        What is taken for the covariance of the noise over the antennas, as in `detection.decide`: frames
        whose noise is not white are whitened, estimated and decided again, and their reports tell the noise
        of each antenna. Devices out of step are decided in white noise.
    clip_level : float
        A frame with a real or imaginary part of at least this magnitude is reported "clipped";
        0 for no such level.
    delayed : Delayed or PreambleSearch, optional
        For devices out of step, which it finds itself: there, `estimator` is not used. With a
        `PreambleSearch`, `false_alarm` is that of a whole occasion.
    threads : int
        Threads over the frames of a batch, of the decisions.

    Raises
    ------
    ValueError
        If a number is out of range, the estimator was set up for other pilots, or one is needed and missing.
    """

    pilots: PilotBook
    estimator: Callable[..., Estimate] | None
    name: str
    _: KW_ONLY
    false_alarm: float = 1e-3
    noise_var: float = 0.0
    noise: Noise = "auto"
    clip_level: float = 0.0
    delayed: Delayed | PreambleSearch | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        self.__dict__.update(  # a frozen dataclass has no other way to set them
            false_alarm=check_probability("false_alarm", self.false_alarm),
            noise_var=check_number("noise_var", self.noise_var, 0),
            clip_level=check_number("clip_level", self.clip_level, 0),
            threads=check_integer("threads", self.threads, 1),
        )
        check_noise(self.noise, is_known=self.noise_var > 0)
        if self.delayed is not None:
            searched = isinstance(self.delayed, PreambleSearch)
            self.__dict__.update(name=_PREAMBLE_SEARCH if searched else _PATH_SEARCH)
        if self.delayed is not None and self.noise not in ("auto", "white"):
            raise ValueError(f"noise: expected 'white' or 'auto' for devices out of step, got {self.noise!r}")
        if self.delayed is None:
            check_book(self._solver, self.pilots)

    def solve(
        self,
        frames: NDArray,
        stamps: list[Stamp],
        *,
        frames_dropped: int = 0,
        noise_var_hint: float = 0.0,
        noise_cov: NDArray | None = None,
    ) -> tuple[list[Report], Exception | None]:
        """One report a frame; nothing that is in a frame, and no estimator, makes it raise.

        Parameters
        ----------
        frames : (B, L, M) complex64 array
        stamps : list of B (frame_id, rx_time)
        frames_dropped : int
            Total to tell in the reports.
        noise_var_hint : float
            What the estimator gets where the noise variance is unknown; 0 for nothing. Decisions
            measure that of each frame all the same: they have to count missed devices as noise.
        noise_cov : (M, M) complex array, optional
            Covariance of the antennas where nobody transmits, measured on so many samples that it is taken
            for known but for a factor: frames with all their antennas are whitened by it before anything
            else, unless `noise` says that theirs is other, or `noise_var` how loud it is.

        Returns
        -------
        reports : list of B Report
            With the status "bad_input" where a frame has NaN or Inf, or could not be solved.
        error : Exception or None
            One of those that the estimator raised, if it did.
        """
        good, clipped = survey(frames, self.clip_level)
        hint, error = _Hint(noise_var_hint, self._whitener(noise_cov)), None
        heads = self._heads(frames, clipped, stamps, frames_dropped)
        reports: list[Any] = [None if ok else _bad_report(head) for ok, head in zip(good, heads, strict=True)]
        for index, antennas in alike(frames, good):
            part = frames if index is None else frames[index]
            places: Sequence[int] = range(len(frames)) if index is None else list(index)
            solved, raised = self._solve_or_halve(part, antennas, [heads[place] for place in places], hint)
            error = error or raised
            for place, report in zip(places, solved, strict=True):
                reports[place] = report
        return reports, error

    def _heads(
        self, frames: NDArray, clipped: NDArray, stamps: list[Stamp], frames_dropped: int
    ) -> list[dict[str, Any]]:
        """The fields of each frame's report that are known before it is solved."""
        common = {
            "n_devices": self.pilots.n_devices,
            "n_antennas": frames.shape[2],
            "threshold": -log10(self.false_alarm),
            "estimator": self.name,
            "frames_dropped": frames_dropped,
        }
        return [
            {"frame_id": frame_id, "rx_time": rx_time, "status": "clipped" if clip else "ok", **common}
            for (frame_id, rx_time), clip in zip(stamps, clipped.tolist(), strict=True)
        ]

    def _solve_or_halve(
        self, frames: NDArray, antennas: NDArray | None, heads: list[dict], hint: _Hint
    ) -> tuple[list[Report], Exception | None]:
        """The report of each frame, a bad one where solving it raises even alone."""
        try:
            return self._solve(frames, antennas, heads, hint), None
        except Exception as error:
            if len(frames) == 1:
                return [_bad_report(heads[0])], error
        half = len(frames) // 2
        first, error = self._solve_or_halve(frames[:half], antennas, heads[:half], hint)
        second, other = self._solve_or_halve(frames[half:], antennas, heads[half:], hint)
        return first + second, error or other

    def _solve(
        self, frames: NDArray, antennas: NDArray | None, heads: list[dict], hint: _Hint
    ) -> list[Report]:
        began = perf_counter()
        samples = frames if antennas is None else np.ascontiguousarray(frames[:, :, antennas])
        rows, iterations = self._decide(samples, hint if antennas is None else _Hint(hint.noise_var))
        if not (np.isfinite(rows.channel).all() and rows.channel.shape[1] == samples.shape[2]):
            raise ValueError(
                f"estimator {self.name!r}: expected finite channels of {samples.shape[2]} antennas"
            )
        n_iter = np.broadcast_to(iterations, len(frames)).tolist()
        solve_time = (perf_counter() - began) / len(frames)
        more = {} if antennas is None else {"antennas_dead": np.flatnonzero(~antennas).astype(np.uint32)}
        noise_fields = coloured_noise(rows, antennas)
        rows = rows._replace(channel=spread(rows.channel, antennas))
        if rows.tap_gain is not None:
            rows = rows._replace(tap_gain=spread(rows.tap_gain, antennas))
        return [
            Report.unchecked(**head, **found, n_iter=count, solve_time=solve_time, **more, **noise)
            for head, found, count, noise in zip(heads, self._fields(rows), n_iter, noise_fields, strict=True)
        ]

    def _estimate(self, samples: NDArray, noise_var_hint: float) -> Estimate:
        if not self._takes_noise_var:
            return self._solver(samples)
        return self._solver(samples, noise_var=self.noise_var or noise_var_hint or None)

    @cached_property
    def _solver(self) -> Callable[..., Estimate]:
        if self.estimator is None:
            raise ValueError("estimator: expected one for devices in step, got None")
        return self.estimator

    @cached_property
    def _takes_noise_var(self) -> bool:
        return takes_noise_var(self._solver)

    def _whitener(self, noise_cov: NDArray | None) -> Whitener | None:
        """By the noise of the guards, where frames are not told another."""
        if noise_cov is None or self.noise_var or self.delayed is not None:
            return None
        return Whitener.of(noise_cov[None]) if self.noise in ("auto", "spatial") else None

    def _decide(self, samples: NDArray, hint: _Hint) -> tuple[Rows, NDArray]:
        """The rows of active devices, and the iterations that the estimator took of each frame."""
        noise_var = self.noise_var or None
        if self.delayed is not None:
            rows = self.delayed.decide_rows(samples, self.false_alarm, noise_var, threads=self.threads)
            return rows, np.zeros((), int)
        whitener = hint.whitener
        if whitener is None or whitener.factor.shape[1] != samples.shape[2]:
            return self._decide_in_step(samples, hint.noise_var)
        rows, n_iter = self._decide_in_step(whitener.whiten(samples), hint.noise_var)
        kinds = np.full(len(samples), "spatial")
        return restored(rows, whitener, self.pilots)._replace(noise_kind=kinds), n_iter

    def _decide_in_step(self, samples: NDArray, noise_var_hint: float) -> tuple[Rows, NDArray]:
        noise_var, again = self.noise_var or None, partial(self._estimate, noise_var_hint=0.0)
        if may_settle(self.estimator, self.pilots, samples.shape[2], self.noise):
            return self._early.decide(samples, noise_var or noise_var_hint or None, noise_var, again)
        estimate = self._estimate(samples, noise_var_hint)
        rows = decide_rows(
            estimate, samples, self.pilots, self.false_alarm, noise_var, noise=self.noise, estimator=again,
            threads=self.threads,
        )  # fmt: skip
        return rows, estimate.n_iter

    @cached_property
    def _early(self) -> EarlyDecider:
        noise: Noise = "white" if self.noise_var > 0 else self.noise
        return EarlyDecider(self.estimator, self.pilots, self.false_alarm, noise, self.threads)

    def _fields(self, rows: Rows) -> Iterator[dict[str, Any]]:
        """The fields of each frame's report that were decided."""
        per_device = {
            "device": rows.device,
            "channel": rows.channel.astype(np.complex64, copy=False),
            "score": rows.score.astype(np.float32),
        }
        for name in ("delay", "carrier_offset"):
            if getattr(rows, name) is not None:
                per_device[name] = getattr(rows, name).astype(np.float32)
        parts = [slice(*edges) for edges in pairwise(rows.start.tolist())]
        for part, noise_var, snr_db in zip(parts, rows.noise_var.tolist(), rows.snr_db.tolist(), strict=True):
            fields = {name: values[part] for name, values in per_device.items()} | optional_fields(rows, part)
            yield {"noise_var": noise_var, "snr_db": snr_db, "device_id": self._names(fields), **fields}

    def _names(self, fields: dict[str, Any]) -> tuple[str, ...] | None:
        names = self.pilots.device_id
        return None if names is None else tuple(np.asarray(names)[fields["device"]].tolist())


def name_of(estimator: Callable) -> str:
    """What an estimator is called in reports: its own ``name``, or that of the function or class."""
    if isinstance(estimator, partial):
        return name_of(estimator.func)
    names = (getattr(estimator, attribute, None) for attribute in ("name", "__name__"))
    return next((name for name in names if isinstance(name, str)), type(estimator).__name__)


def _bad_report(head: dict[str, Any]) -> Report:
    """The report of a frame that was not solved."""
    nothing = {
        "device": np.empty(0, np.uint32),
        "channel": np.empty((0, head["n_antennas"]), np.complex64),
        "score": np.empty(0, np.float32),
        "noise_var": np.nan,
        "snr_db": np.nan,
        "n_iter": 0,
        "solve_time": 0.0,
    }
    return Report.unchecked(**head | nothing | {"status": "bad_input"})
