# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices send: who is active in which slot, and the samples of a slot's burst."""

import json

import numpy as np

from ..pilots.book import as_pilot_book
from ..slots.framer import check_integer
from .simulation import MOST_SEED


class RandomActivity:
    """Each device transmits in each slot with a probability, independently; slot k depends on seed and k.

    Parameters
    ----------
    activity_rate : float
        Probability.
    seed : int
    """

    def __init__(self, activity_rate, seed=0):
        if not 0 <= activity_rate <= 1:
            raise ValueError(f"activity_rate: expected a probability, got {activity_rate!r}")
        self.activity_rate = float(activity_rate)
        self.seed = check_integer("seed", seed, 0, MOST_SEED)

    def active(self, slot, devices) -> np.ndarray:
        """Which of the devices (K,) transmit in a slot; the draws of a device do not depend on the others."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, slot]))
        return devices[rng.random(devices.max(initial=0) + 1)[devices] < self.activity_rate]


class PeriodicActivity:
    """Each device transmits once in `every` slots; device n in those with (slot + n) a multiple of it."""

    def __init__(self, every):
        self.every = check_integer("every", every, 1)

    def active(self, slot, devices) -> np.ndarray:
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

    def __init__(self, lines, n_devices):
        self._slots = {}
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

    def active(self, slot, devices) -> np.ndarray:
        """Which of the devices (K,) transmit in a slot."""
        return np.intersect1d(self._slots.get(slot, np.empty(0, int)), devices)


class Bursts:
    """The bursts of some devices, ready to be added up.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    waveform : Waveform
    devices : sequence of int
        Those that this transmitter sends for.
    backoff_db : float
        Each burst's mean power is so far below that of a full-scale carrier.

    Raises
    ------
    ValueError
        If a device is not in the book, or the burst of one device alone would clip.
    """

    def __init__(self, pilots, waveform, devices, backoff_db):
        book = as_pilot_book(pilots)
        self.devices = np.unique([check_integer("devices", n, 0, book.n_devices - 1) for n in devices])
        if not 0 <= backoff_db <= 120:
            raise ValueError(f"backoff_db: expected 0 to 120 dB, got {backoff_db!r}")
        bursts = waveform.bursts(book.columns(self.devices))
        length = (waveform.cyclic_prefix + book.pilot_length) * waveform.samples_per_symbol
        rms = np.sqrt(np.sum(np.abs(bursts) ** 2, axis=0) / length)
        self.gain = 10 ** (-backoff_db / 20) / np.maximum(rms, np.finfo(float).tiny)
        self._bursts = bursts * self.gain
        peak = np.abs(self._bursts.view(float)).max(initial=0)
        if peak > 1:
            least = backoff_db + 20 * np.log10(peak)
            raise ValueError(
                f"backoff_db: expected at least {least:.1f} dB or bursts clip, got {backoff_db!r}"
            )

    def __len__(self):
        return len(self._bursts)

    def of(self, active) -> tuple[np.ndarray, float]:
        """The sum of the bursts of active devices, and by what share (1 or less) it had to be scaled."""
        burst = self._bursts[:, np.searchsorted(self.devices, active)].sum(axis=1)
        share = 1 / max(np.abs(burst.view(float)).max(initial=0), 1)
        return (burst * share).astype(np.complex64), share

    def gains(self, active) -> np.ndarray:
        """Amplitudes of active devices: what a pilot of the book is multiplied by."""
        return self.gain[np.searchsorted(self.devices, active)]


def _scripted(line, n_devices):
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError(f"expected a JSON object, got {line.strip()[:40]!r}")
    slot, devices = check_integer("frame_id", entry.get("frame_id"), 0), entry.get("device")
    if not isinstance(devices, list):
        raise ValueError(f"device: expected a list, got {devices!r}")
    return slot, np.unique(np.array([check_integer("device", n, 0, n_devices - 1) for n in devices], int))
