# SPDX-License-Identifier: GPL-3.0-or-later
"""The few powers of most evidence: descents from several starts, then exchanges of single devices.

Descents end at local optima. The first starts from the powers that are given, under the whole penalty. Where
it makes others active, or σ² is unknown, a second one lets nearly all devices join first; where the two
do not agree, others start from no powers. Then devices are exchanged that this makes likelier, or nearly, and
where it did so once more.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .exchanges import Exchanges
from .power_descent import Powers, Start, evidence

_AGREEMENT = 0.02  # of ln p(Y): two descents that differ by less have ended alike
_ACTIVE_PER_CHANGE = 20  # a descent that changes no more than one of so many has started well
_EXCHANGE_ROUNDS = 2
_EXCHANGES = 3  # tried in a round
_MIN_GAIN = -3.0  # of ln p(Y): the other powers may make up for so much

_Tuple = TypeVar("_Tuple", Start, Powers)


class Path(NamedTuple):
    """How a descent goes.

    noise_share : of the frame's energy, σ² to start from where it is unknown.
    ramp : shares of the penalty, round by round.
    held : rounds that an unknown σ² is held for.
    """

    noise_share: float
    ramp: tuple[float, ...]
    held: int


_JOINING = (0.25, 0.25, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # first nearly all devices may join
_SOON = (0.25, 0.25, 0.25, 0.5, 0.75, 1.0)
_WHOLE = (1.0,)
# Of σ² known, and unknown: two from the start, the others from no powers. From all of the energy as σ² too
# few devices join at heavy load, from little of it too many do in noise alone.
_KNOWN = (
    Path(1.0, _WHOLE, 0),
    Path(1.0, (0.0, 0.0, 0.0, 0.25, 0.375, 0.5, 0.75, 1.0), 0),
    Path(1.0, _JOINING, 0),
    Path(1.0, (*(0.0,) * 8, *_JOINING), 0),
)
_UNKNOWN = (Path(0.1, _WHOLE, 0), Path(0.1, _JOINING, 2), Path(0.1, _SOON, 2))

Descend: TypeAlias = Callable[[NDArray, Start, tuple[float, ...], int | None], Powers]
FindExchanges: TypeAlias = Callable[[NDArray, Powers, NDArray, int, float], Exchanges]


class Search(NamedTuple):
    """What a search computes with.

    descend : from frames, a start, a ramp and the rounds that σ² is held for (None: always).
    find_exchanges : from frames, their powers, who may enter, how many, and the least gain.
    """

    descend: Descend
    find_exchanges: FindExchanges

    def run(self, frames: NDArray, first: Start, *, known: bool) -> Powers:
        """The powers of most evidence, from `first` on; its σ² is known, or that of all energy."""
        earlier, later, *from_none = _KNOWN if known else _UNKNOWN
        best = self._go(frames, first, earlier, known)
        unsure = np.flatnonzero(_changes(first, best)) if known else np.arange(len(frames))
        if not unsure.size:
            return best
        part, start, before = frames[unsure], _of(first, unsure), evidence(_of(best, unsure), known)
        other = self._go(part, start, later, known)
        _keep_better(best, other, unsure, known)
        differ = np.abs(before - evidence(other, known)) > _AGREEMENT
        if differ.any():
            start = _of(start, differ)._replace(power=np.zeros((differ.sum(), start.power.shape[1])))
            for path in from_none:
                _keep_better(best, self._go(part[differ], start, path, known), unsure[differ], known)
        left = unsure if known else unsure[differ]
        for _ in range(_EXCHANGE_ROUNDS):
            if not left.size:
                break
            before = evidence(_of(best, left), known)
            self._exchange(frames, best, first, left, known)
            left = left[evidence(_of(best, left), known) > before + _AGREEMENT]  # others would try the same
        return best

    def _go(self, frames: NDArray, start: Start, path: Path, known: bool) -> Powers:
        if known:
            return self.descend(frames, start, path.ramp, None)
        start = start._replace(noise_var=path.noise_share * start.noise_var)
        return self.descend(frames, start, path.ramp, path.held)

    def _exchange(self, frames: NDArray, best: Powers, first: Start, unsure: NDArray, known: bool) -> None:
        """Try the likeliest exchanges in these frames, and keep what they gain in `best`."""
        old, allowed = _of(best, unsure), first.allowed[unsure]
        found = self.find_exchanges(frames[unsure], old, allowed, _EXCHANGES, _MIN_GAIN)
        for gain, leaves, enters, power in zip(*(field.T for field in found), strict=True):
            tried = np.flatnonzero(gain > _MIN_GAIN)
            if not tried.size:
                break
            powers, chosen = old.power[tried], np.arange(len(tried))
            powers[chosen, leaves[tried]], powers[chosen, enters[tried]] = 0, power[tried]
            where = unsure[tried]
            start = Start(powers, old.noise_var[tried], first.allowed[where], first.floor[where])
            _keep_better(best, self.descend(frames[where], start, _WHOLE, None if known else 0), where, known)


def _of(values: _Tuple, frames: NDArray) -> _Tuple:
    """Of some frames."""
    return type(values)(*(field[frames] for field in values))


def _changes(start: Start, fit: Powers) -> NDArray:
    """Where a fit has not nearly the active devices of its start (B,)."""
    active = fit.power > 0
    changed = np.count_nonzero(active != (start.power > 0), axis=1)
    return changed > np.maximum(np.count_nonzero(active, axis=1) / _ACTIVE_PER_CHANGE - 0.5, 0)


def _keep_better(best: Powers, fit: Powers, frames: NDArray, known: bool) -> None:
    """Put into `best` what a fit to these frames has of more evidence; its rounds and updates count, too."""
    better = evidence(fit, known) > evidence(_of(best, frames), known)
    for field, values in zip(best[:4], fit[:4], strict=True):
        field[frames[better]] = values[better]
    best.n_iter[frames] += fit.n_iter
    best.n_updates[frames] += fit.n_updates
