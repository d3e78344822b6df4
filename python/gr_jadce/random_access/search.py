# SPDX-License-Identifier: GPL-3.0-or-later
"""Which preambles are in an occasion, by one explanation of all of it.

The strongest span of delays in any window is taken for a preamble if noise alone would reach it in fewer than
the wanted share of occasions (`law`); its strongest path joins those found before, all are fitted again, and
what they leave is looked at anew: more paths of a preamble found, or another preamble. So what a preamble
leaves at the delays of others, of the same root or of another one, is explained before it is taken for one of
them; and the noise is what all of them leave. At the end every preamble has to pass the test once more, all
others but not itself taken off.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_number, check_probability
from ..detection.rows import Rows
from ..estimate import at_unit_power, check_received, per_frame
from ..numeric import decibels, sum_squares
from ..pilots.preambles import Preambles
from ..waveform import strongest_responses
from .explanation import Explanation
from .law import SPANS, Law
from .profile import Peak, Profile

_LOG10_PATH = -2.0  # of the probability of one more path in a window, of noise alone
_MAX_PATHS = 24  # of a preamble
_MAX_SHARE = 0.5  # of the dimensions of a symbol that paths may take
_MODEL_ERROR = 1e-3  # of a sample's mean power: what paths may leave without being noise
_CHUNK = 64  # occasions at once
MAX_OFFSET_HZ = 400.0  # as in the conformance tests of TS 38.104


class _Found(NamedTuple):
    """What is added to an explanation next: a path of a preamble."""

    preamble: int
    delay: float
    offset: float
    energy: float
    score: float


class _Span(NamedTuple):
    """A span of delays: log10 p of a window, the window, which span of it, and its length."""

    log10_p: float
    window: int
    which: int
    length: int


class PreambleSearch:
    """Finds the preambles of a cell in its occasions.

    Parameters
    ----------
    preambles : Preambles
    max_offset : float
        Carrier offsets that are looked for, ± Hz.

    Raises
    ------
    ValueError
        If the offset is so large that preambles of long sequences cannot be told from others.
    """

    def __init__(self, preambles: Preambles, max_offset: float = MAX_OFFSET_HZ) -> None:
        self.preambles = preambles
        self.max_offset = check_number("max_offset", max_offset, 0, preambles.spacing / 2)
        self.profile, self.law = Profile(preambles, self.max_offset), Law(preambles, self.max_offset)
        self._spans = [span for span in SPANS if self.profile.usable(span)]

    def decide_rows(
        self,
        received: ArrayLike,
        false_alarm: float = 1e-3,
        noise_var: ArrayLike | None = None,
        *,
        threads: int = 1,
    ) -> Rows:
        """The preambles in occasions, with delays, carrier offsets and paths.

        Parameters
        ----------
        received : (B, repetitions·L, M) array
            Subcarriers of all symbols (`Occasion.symbols`).
        false_alarm : float
            Wanted probability that anything is found in an occasion of noise alone, as TS 38.104 counts.
        noise_var : float or (B,) array, optional
            σ², if it is known: the rest counts as noise in any case, this is the least that it is.
        threads : int
            Not used; as other decisions have it.
        """
        del threads
        received = check_received(received, self.preambles.repetitions * self.preambles.length)
        false_alarm = check_probability("false_alarm", false_alarm)
        level = None if noise_var is None else per_frame("noise_var", noise_var, len(received))
        frames, power = at_unit_power(np.asarray(received, np.complex64))
        least = (
            np.full(len(frames), _MODEL_ERROR) if level is None else np.maximum(level / power, _MODEL_ERROR)
        )
        explained = []
        for start in range(0, len(frames), _CHUNK):
            part = slice(start, start + _CHUNK)
            explained += self._explain(frames[part], least[part], np.log10(false_alarm))
        return self._rows(explained, power, frames.shape[2], false_alarm)

    def _explain(self, frames: NDArray, least: NDArray, log10_alarm: float) -> list[tuple[Explanation, dict]]:
        """Explanations of occasions, and the scores of their preambles."""
        found = [Explanation(self.profile, frame, self.max_offset) for frame in frames]
        scores: list[dict[int, float]] = [{} for _ in frames]
        open_ones = list(range(len(frames)))
        while open_ones:
            nexts = self._next([found[b] for b in open_ones], least[open_ones], log10_alarm)
            open_ones = [
                b for b, new in zip(open_ones, nexts, strict=True) if new and _add(found[b], scores[b], new)
            ]
        return [
            self._confirmed(explanation, own, level, log10_alarm)
            for explanation, own, level in zip(found, scores, least, strict=True)
        ]

    def _next(self, found: list[Explanation], least: NDArray, log10_alarm: float) -> list[_Found | None]:
        """What explanations lack most; None of those that lack nothing."""
        looked = _Look(self.profile, self.law, found, least)
        active, full = looked.active
        new = looked.best(active, self._spans, log10_alarm - self.law.log10_chances)
        more = looked.best(~active | full, SPANS[:1], _LOG10_PATH)
        limit = _MAX_SHARE * self.preambles.length
        return [
            self._chosen(looked, b, new[b], more[b], log10_alarm) if len(found[b].paths) < limit else None
            for b in range(len(found))
        ]

    def _chosen(self, looked: "_Look", b: int, new: _Span, more: _Span, log10_alarm: float) -> _Found | None:
        """A new preamble, or one more path of another: whichever is stronger, of those that are sure."""
        score = -(new.log10_p + self.law.log10_chances)
        sure = [
            _Found(span.window, *looked.place(b, span), score if span is new else 0.0)
            for span, is_sure in ((new, score >= -log10_alarm), (more, more.log10_p <= _LOG10_PATH))
            if is_sure and span.window >= 0
        ]
        return max(sure, key=lambda one: one.energy, default=None)

    def _confirmed(
        self, explanation: Explanation, scores: dict[int, float], least: float, log10_alarm: float
    ) -> tuple[Explanation, dict[int, float]]:
        """The same without preambles that the others explain, and all scores anew."""
        while len(scores) > 1:
            scores = self._scores(explanation, scores, least, -log10_alarm)
            weakest = min(scores, key=lambda n: scores[n])
            if scores[weakest] >= -log10_alarm:
                break
            explanation = explanation.without(weakest)
            del scores[weakest]
        return explanation, scores

    def _scores(
        self, explanation: Explanation, scores: dict[int, float], least: float, threshold: float
    ) -> dict[int, float]:
        """What each preamble scores beside all others: by its strongest path or, where that is not enough,
        in what the others leave."""
        energies, own = explanation.energies(), explanation.own()
        energy = np.array([energies[own[n]].max() for n in scores])
        total = energy + sum_squares(explanation.rest, axis=None)
        n_paths = np.full(len(energy), len(explanation.paths) - 1)
        n_antennas = explanation.rest.shape[1]
        log10_p = self.law.log10_p(energy, total, 1, n_antennas, n_paths, np.full(len(energy), least))
        strongest = dict(zip(scores, -(log10_p + self.law.log10_chances), strict=True))
        return {
            n: float(score) if score >= threshold else self._score_without(explanation, n, least)
            for n, score in strongest.items()
        }

    def _score_without(self, explanation: Explanation, preamble: int, least: float) -> float:
        """The score of a preamble in what all others leave."""
        looked = _Look(self.profile, self.law, [explanation.without(preamble)], np.array([least]))
        barred = np.ones((1, self.preambles.n_preambles), bool)
        barred[0, preamble] = False
        return -(looked.best(barred, self._spans, 0.0)[0].log10_p + self.law.log10_chances)

    def _rows(self, explained, power, n_antennas, false_alarm) -> Rows:
        """The rows of explanations of occasions that had a mean energy of a sample (B,) in place of 1."""
        symbol_rate = self.preambles.bandwidth
        columns: dict[str, list] = {name: [] for name in ("device", "score", "offset", "tap_delay")}
        start, tap_start, tap_gains = [0], [0], [np.empty((0, n_antennas), np.complex64)]
        noise_var, snr_db = np.empty(len(explained)), np.empty(len(explained))
        for b, (explanation, scores) in enumerate(explained):
            gains = explanation.gains() * np.sqrt(power[b])
            for preamble, places in explanation.own().items():
                paths = [explanation.paths[place] for place in places]
                strongest = paths[int(sum_squares(gains[places]).argmax())]
                columns["device"].append(preamble)
                columns["score"].append(scores[preamble])
                columns["offset"].append(strongest.offset / symbol_rate)
                columns["tap_delay"].extend(path.delay for path in paths)
                tap_gains.append(gains[places])
                tap_start.append(len(columns["tap_delay"]))
            start.append(len(columns["device"]))
            noise_var[b], snr_db[b] = self._levels(explanation, power[b])
        tap_gain, tap_delay = np.concatenate(tap_gains), np.array(columns["tap_delay"], float)
        channel, delay = strongest_responses(tap_gain, tap_delay, np.array(tap_start), 0.0)
        return Rows(
            np.array(start),
            np.array(columns["device"], np.uint32),
            channel.astype(np.complex64),
            np.array(columns["score"], float),
            -np.log10(false_alarm),
            noise_var,
            snr_db,
            delay=delay,
            carrier_offset=np.array(columns["offset"], float),
            tap_start=np.array(tap_start),
            tap_delay=tap_delay,
            tap_gain=tap_gain,
        )

    def _levels(self, explanation, power):
        """Noise variance, and the energy explained over that of the noise, dB."""
        rest = float(sum_squares(explanation.rest, axis=None))
        rows, n_antennas = explanation.rest.shape
        noise_var = rest / ((rows - len(explanation.paths)) * n_antennas)
        signal = float(sum_squares(explanation.received - explanation.rest, axis=None))
        tiny = np.finfo(float).tiny
        return noise_var * power, decibels(signal / max(noise_var * rows * n_antennas, tiny))


class _Look:
    """A look at what explanations leave."""

    def __init__(self, profile: Profile, law: Law, found: list[Explanation], least: NDArray) -> None:
        rests = np.stack([explanation.rest for explanation in found])
        self._profile, self._law, self._found, self._least = profile, law, found, least
        self._n_paths = np.array([len(explanation.paths) for explanation in found])
        self._n_antennas = rests.shape[2]
        share = 1 - self._n_paths / profile.preambles.length  # of a correlation that paths leave
        self._energies = profile.energies(rests) / share[:, None, None, None].astype(np.float32)
        self._peaks: dict[int, Peak] = {}
        self._total = sum_squares(rests, axis=(1, 2)).astype(float)

    @property
    def active(self) -> tuple[NDArray, NDArray]:
        """Which preambles (B, N) are found, and which of them have all the paths they may have."""
        active, full = np.zeros((2, len(self._found), self._profile.preambles.n_preambles), bool)
        for b, explanation in enumerate(self._found):
            for preamble, places in explanation.own().items():
                active[b, preamble], full[b, preamble] = True, len(places) >= _MAX_PATHS
        return active, full

    def best(self, barred: NDArray, spans: Sequence[int], log10_least: float) -> list[_Span]:
        """Of each occasion the span that noise reaches least likely, in windows not barred (B, N).

        Any, where none has that log10 p or less.
        """
        best = [_Span(0.0, -1, 0, 1)] * len(self._found)
        for length in spans:
            if length not in self._peaks:
                self._peaks[length] = self._profile.peaks(self._energies, length)
            peak = self._peaks[length]
            energy = np.where(barred, 0.0, peak.energy)
            window = energy.argmax(axis=1)
            rows = np.arange(len(window))
            top, which = energy[rows, window].astype(float), peak.which[rows, window]
            of = top, self._total, length, self._n_antennas, self._n_paths, self._least
            if not self._law.may_reach(log10_least, *of):
                continue
            log10_p = self._law.log10_p(*of)
            best = [
                _Span(float(log10_p[b]), int(window[b]), int(which[b]), length)
                if log10_p[b] < best[b].log10_p
                else best[b]
                for b in rows
            ]
        return best

    def place(self, b: int, span: _Span) -> tuple[float, float, float]:
        """Delay, carrier offset and energy of the strongest delay of a span of an occasion."""
        return self._profile.place(self._energies[b], span.window, span.which, span.length)


def _add(explanation: Explanation, scores: dict[int, float], new: _Found) -> bool:
    """Add what was found to an explanation; whether that explains any more."""
    preamble, delay = new.preamble, new.delay
    if preamble not in scores:
        preamble = explanation.beside(preamble, delay)
        delay += float(explanation.shift_from(new.preamble, preamble))
    if not explanation.add(preamble, delay, new.offset):
        return False
    scores.setdefault(preamble, new.score)
    return True
