# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is active in which slot: at random, in turn, or as a script says."""

import json
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer, check_number
from .simulation import MAX_SEED


class RandomActivity:
    """Each device transmits in each slot with a probability, independently; slot k depends on seed and k.

    Parameters
    ----------
    activity_rate : float
        Probability.
    seed : int
    """

    def __init__(self, activity_rate: float, seed: int = 0) -> None:
        self.activity_rate = check_number("activity_rate", activity_rate, 0, 1)
        self.seed = check_integer("seed", seed, 0, MAX_SEED)

    def active(self, slot: int, devices: NDArray) -> NDArray:
        """Which of the devices (K,) transmit in a slot; the draws of a device do not depend on the others."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, slot]))
        return devices[rng.random(devices.max(initial=0) + 1)[devices] < self.activity_rate]


class PeriodicActivity:
    """Each device transmits once in `every` slots; device n in those with (slot + n) a multiple of it."""

    def __init__(self, every: int) -> None:
        self.every = check_integer("every", every, 1)

    def active(self, slot: int, devices: NDArray) -> NDArray:
        """Which of the devices (K,) transmit in a slot."""
        return devices[(slot + devices) % self.every == 0]


class ScriptedActivity:
    """Who transmits is written down: lines of JSON with ``frame_id`` and ``device``, as a truth log has.

    Parameters
    ----------
    lines : iterable of str
    n_devices : int

    Raises
    ------
    ValueError
        If a line is malformed, a device is not in the book or a slot comes twice; the message
        tells the line.
    """

    def __init__(self, lines: Iterable[str], n_devices: int) -> None:
        self._slots: dict[int, NDArray] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                slot, devices = _scripted(line, n_devices)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"script, line {number}: {error}") from error
            if slot in self._slots:
                raise ValueError(f"script, line {number}: expected each slot once, got {slot} again")
            self._slots[slot] = devices

    @property
    def n_slots(self) -> int:
        """Slots up to the last that is written down."""
        return 1 + max(self._slots, default=-1)

    def active(self, slot: int, devices: NDArray) -> NDArray:
        """Which of the devices (K,) transmit in a slot."""
        return np.intersect1d(self._slots.get(slot, np.empty(0, int)), devices)


def _scripted(line, n_devices):
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError(f"expected a JSON object, got {line.strip()[:40]!r}")
    slot, devices = check_integer("frame_id", entry.get("frame_id"), 0), entry.get("device")
    if not isinstance(devices, list):
        raise ValueError(f"device: expected a list, got {devices!r}")
    return slot, np.unique(np.array([check_integer("device", n, 0, n_devices - 1) for n in devices], int))
