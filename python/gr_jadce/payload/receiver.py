# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver of packets: who is active is known from the pilots, what they say is demodulated jointly.

In each round all devices that are not decoded yet are equalised together (`joint.equalizer`), the phases of
their carriers tracked (`joint.decisions`), their packets decoded. Then channels, phases and delays are
refined by all that is known of what was sent (`joint.refinement`): the symbols of packets whose check sum
holds, and soft decisions on the others. The next round begins with what decoded devices leave of the slot;
there, the pilots are searched again for devices that were missed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_number
from ..pilots.book import PilotBook, as_pilot_book
from .format import PayloadFormat
from .joint.filling import Filling, devices_of, whitener_of
from .joint.missed import MissedSearch
from .joint.rounds import Rounds
from .packet import Packet


class Reception(NamedTuple):
    """What was received in a slot, of its K devices: those of the decision, behind them those found later.

    device (K,) int. packets: K of `Packet`. channel (K, M), at the pilot's first symbol and over the
    strongest path, delay (K,), symbols, and carrier_offset (K,), cycles a symbol, as refined.
    later (K,) bool: found after decoded devices were subtracted.
    """

    device: NDArray
    packets: list[Packet]
    channel: NDArray
    delay: NDArray
    carrier_offset: NDArray
    later: NDArray


class PayloadReceiver:
    """Decodes the packets of active devices.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    format : PayloadFormat
    roll_off : float
        Of the pulse.
    max_offset : float
        Carriers are off by up to so many cycles a symbol; 0 if the decision tells them exactly.
    rounds : int
        At most so many times devices are demodulated, decoded and subtracted.
    refined : bool
        Whether channels are refined by data; else they stay as the decision has them.
    max_delay : float, optional
        Devices that were missed are looked for within ± so many symbols, in what decoded ones leave of the
        data (`joint.missed`); None for no such search.
    search : callable, optional
        ``search(pilots)`` gives the rows of a decision on what is left of pilots (B, L, M) after subtraction:
        devices that were missed.
    backend : {"auto", "numpy", "kernel"}
    threads : int
        Threads over the slots of a batch, of the equaliser.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        pilots: PilotBook | ArrayLike,
        format: PayloadFormat,
        *,
        roll_off: float = 0.25,
        max_offset: float = 1e-3,
        rounds: int = 6,
        refined: bool = True,
        max_delay: float | None = 0.5,
        search: Callable[[NDArray], Any] | None = None,
        backend: str = "auto",
        threads: int = 1,
    ) -> None:
        self.pilots, self.format = as_pilot_book(pilots), format
        roll_off = check_number("roll_off", roll_off, 0, 1)
        self._turn_var = (2 * np.pi * check_number("max_offset", max_offset, 0, 0.5)) ** 2 / 3
        self._filling = Filling(self.pilots, format, roll_off, self._turn_var)
        self._threads = check_integer("threads", threads, 1)
        self._rounds = check_integer("rounds", rounds, 1)
        self._missed = None if max_delay is None else MissedSearch(self._filling, max_delay)
        self._refined, self._search, self._backend = refined, search, backend

    @property
    def frame_length(self) -> int:
        """Symbols of a frame: the pilot's and the payload's."""
        return self.pilots.pilot_length + self.format.n_chips

    def receive(self, frames: ArrayLike, decision: Any) -> list[Reception]:
        """Decode the packets of slots.

        Parameters
        ----------
        frames : (B, L + n_chips, M) array
        decision : detection.rows.Rows, or sequence of B reports.report.Report
            What was decided on their pilots.

        Raises
        ------
        ValueError
            If the frames have another length, or are not as many as decisions.
        """
        frames = np.asarray(frames)
        count = len(decision.start) - 1 if hasattr(decision, "start") else len(decision)
        if frames.ndim != 3 or frames.shape[:2] != (count, self.frame_length):
            raise ValueError(f"frames: expected ({count}, {self.frame_length}, M), got {frames.shape}")
        whitener = whitener_of(decision, frames.shape[2])
        slots = self._filling.slots(frames @ np.swapaxes(whitener, 1, 2), devices_of(decision, whitener))
        rounds = Rounds(slots, self._filling, self._turn_var, self._backend, self._threads)
        receptions: dict[int, Reception] = {}
        places = np.arange(count)
        for number in range(self._rounds):
            is_last = number == self._rounds - 1
            self._run(rounds, whitener[places], is_last)
            done = np.full(len(places), True) if is_last else ~rounds.is_waiting
            finished = _receptions(rounds.take(np.flatnonzero(done)), whitener[places[done]])
            receptions.update(zip(places[done].tolist(), finished, strict=True))
            places, rounds = places[~done], rounds.take(np.flatnonzero(~done))
            if not len(places):
                break
        return [receptions[place] for place in range(count)]

    def _run(self, rounds: Rounds, whitener: NDArray, is_last: bool) -> None:
        """A round, at the end of which devices that were missed are added."""
        rounds.decode()
        if self._refined:
            rounds.refine()
        if is_last:
            return
        if self._missed is not None:
            rounds.add(rounds.missed(self._missed))
        if self._search is not None:
            rounds.add(devices_of(self._search(rounds.left_of_pilots(whitener)), whitener))


def _receptions(rounds: Rounds, whitener: NDArray) -> list[Reception]:
    slots = rounds.slots
    strongest = np.sum(np.abs(slots.gain) ** 2, axis=3).argmax(axis=2)[..., None]
    gain = np.take_along_axis(slots.gain, strongest[..., None], axis=2)[:, :, 0]
    gain = gain * np.exp(1j * slots.phase[:, :, :1])
    gain = gain @ np.swapaxes(np.linalg.inv(whitener), 1, 2)
    delay = np.take_along_axis(slots.delay, strongest, axis=2)[..., 0]
    last = slots.phase.shape[2] - 1
    offset = (slots.phase[..., last] - slots.phase[..., 0]) / (2 * np.pi * last)
    receptions = []
    for b, there in enumerate(slots.device >= 0):
        own = np.flatnonzero(there)
        packets = [rounds.packet(b, k) for k in own]
        fields = (field[b, own] for field in (gain, delay, offset, slots.later))
        receptions.append(Reception(slots.device[b, own], packets, *fields))
    return receptions
