# SPDX-License-Identifier: GPL-3.0-or-later
"""The rounds of a receiver of packets: demodulate, decode, subtract, and look again."""

import numpy as np
from numpy.typing import NDArray

from ...numeric import decibels
from ..coding import decode, encode
from ..modulation import qpsk, soft_bits
from ..packet import Packet
from .decisions import follow, soft_symbols
from .equalizer import equalized
from .filling import Device, Filling, joined
from .missed import MissedSearch
from .phase import Prior
from .refinement import refine
from .slots import Slots

_LEAST = 1e-9


class Rounds:
    """The state of a batch of slots between the rounds.

    Attributes
    ----------
    slots : Slots
    """

    def __init__(self, slots: Slots, filling: Filling, turn_var: float, backend: str, threads: int) -> None:
        self.slots, self._filling = slots, filling
        self._turn_var, self._backend, self._threads = turn_var, backend, threads

    def take(self, index: NDArray) -> "Rounds":
        """The same of some of the slots."""
        return Rounds(self.slots.take(index), self._filling, self._turn_var, self._backend, self._threads)

    @property
    def is_waiting(self) -> NDArray:
        """Whether a slot (B,) has packets that are not decoded."""
        return np.asarray(self._waiting.any(axis=1))

    @property
    def _waiting(self) -> NDArray:
        return (self.slots.device >= 0) & ~self.slots.decoded

    @property
    def _prior(self) -> Prior:
        """The phases are known from the pilots."""
        slots = self.slots
        energy = np.sum(np.abs(slots.gain) ** 2, axis=(2, 3))
        energy = energy * np.sum(np.abs(slots.sent[:, :, : slots.n_pilot]) ** 2, axis=2)
        return Prior((slots.n_pilot - 1) / 2, 0.5 / np.maximum(energy, _LEAST), self._turn_var)

    def decode(self) -> None:
        """Demodulate and decode the devices that are not decoded yet."""
        slots = self.slots
        waiting = self._waiting
        if not waiting.any():
            return
        symbols, variance = equalized(
            slots, self._without_data(), backend=self._backend, threads=self._threads
        )
        symbols = follow(slots, symbols, variance, self._prior)
        slots.put(*soft_symbols(symbols, variance))
        place = np.nonzero(waiting)
        self._decode(place, symbols[place], variance[place])

    def _without_data(self) -> NDArray:
        """The frames without pilots and without decoded devices."""
        slots = self.slots
        data = slots.sent[:, :, slots.n_pilot :]
        slots.sent[:, :, slots.n_pilot :] = np.where(slots.decoded[:, :, None], data, 0)
        return slots.rest(slots.waves())

    def _decode(self, place: tuple[NDArray, ...], symbols: NDArray, variance: NDArray) -> None:
        slots, format = self.slots, self._filling.format
        devices = slots.device[place]
        llr = soft_bits(symbols, np.maximum(variance, _LEAST))
        packets, passed = decode(format, llr, devices, backend=self._backend)
        sent = qpsk(encode(format, packets, devices))
        hard = qpsk((llr < 0).astype(np.uint8))
        wanted = np.where(passed[:, None], sent, hard)
        result = np.zeros(len(devices), slots.result.dtype)
        result["data"] = packets
        result["evm_db"] = decibels(np.mean(np.abs(symbols - wanted) ** 2, axis=1))
        result["snr_db"] = decibels(np.mean(1 / np.maximum(variance, _LEAST), axis=1))
        slots.result[place] = result
        now = place[0][passed], place[1][passed]
        slots.put_exact(now, sent[passed])

    def refine(self) -> None:
        """Refine channels, phases and delays by all that is known of what was sent."""
        if not self.slots.device.size:
            return
        refine(self.slots, self._prior)

    def missed(self, search: MissedSearch) -> list[list[Device]]:
        """Devices that were missed, to be tried."""
        known = [set(devices[devices >= 0].tolist()) for devices in self.slots.device]
        return search.find(self.slots.rest(self.slots.waves()), known)

    def left_of_pilots(self, whitener: NDArray) -> NDArray:
        """What all devices leave of the pilots (B, L, M), at the antennas."""
        slots = self.slots
        rest = slots.rest(slots.waves())[:, : slots.n_pilot]
        return rest @ np.swapaxes(np.linalg.inv(whitener), 1, 2)

    def add(self, found: list[list[Device]]) -> None:
        """Devices that were found later."""
        new = [
            [one for one in devices if one.number not in own]
            for devices, own in zip(found, self.slots.device, strict=True)
        ]
        if any(new):
            self.slots = joined(self.slots, self._filling.slots(self.slots.frames, new, later=True))

    def packet(self, b: int, k: int) -> Packet:
        """The packet of a device."""
        data, evm_db, snr_db = self.slots.result[b, k]
        passed = bool(self.slots.decoded[b, k])
        return Packet(int(self.slots.device[b, k]), data.tobytes(), passed, float(evm_db), float(snr_db))
