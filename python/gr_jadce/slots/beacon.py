# SPDX-License-Identifier: GPL-3.0-or-later
"""A beacon that the base station repeats, and how a device keeps time by it.

The device knows neither when a beacon comes nor how far its carrier and its clock are off. The
sequence is cut into segments short enough for any carrier offset in range; the correlations with
the segments, Fourier-transformed from segment to segment, add up coherently at the offset. Where
their share of the received energy passes a threshold is a beacon. An expanding, then fading,
memory filter of two states (time of the next beacon, beacon period) turns the times into a grid.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import fft, next_fast_len

from ..checks import check_integer
from ..numeric import vertex_offset
from ..pilots.book import PilotBook, as_pilot_book
from ..waveform import Waveform

_SEGMENT_SYMBOLS = 8  # symbols: carrier offsets within ± 1/16 cycle a symbol
_MAX_DIRECT_PLACES = 64  # places at which a Fourier transform would take longer
_FREQUENCIES_PER_SEGMENT = 4  # frequencies tried for each segment
_MIN_SHARE = 0.15  # of the energy in a burst's span; at 0 dB a beacon holds about half
_MEMORY_BEACONS = 50  # beacons that the filter remembers, at most
_WINDOW_SYMBOLS = 1.5  # symbols around the predicted time that are searched when locked
_CONFIRMATIONS = 2  # beacons that follow the first one for a lock
_MAX_MISSED_BEACONS = 20  # beacons missed in a row until the lock is lost


class Sighting(NamedTuple):
    """A beacon seen: its first sample (may lie between samples), carrier offset and quality."""

    position: float  # samples
    offset: float  # cycles a sample
    share: float  # of the received energy that it explains, 0 to 1

    @property
    def snr_db(self) -> float:
        """Its mean power over that of the noise, dB; beyond 15 dB too low, for it may lie between samples."""
        return float(10 * np.log10(max(self.share, 1e-12) / max(1 - self.share, 1e-12)))


class Beacon:
    """The beacon as it is sent and looked for: a maximum-length sequence in a waveform's pulses.

    Parameters
    ----------
    waveform : Waveform
    order : int
        The sequence has 2**order − 1 symbols, 5 to 12.
    """

    def __init__(self, waveform: Waveform | None = None, order: int = 8) -> None:
        from scipy.signal import max_len_seq  # takes a fifth of a second to import, which few programs need

        self.waveform = Waveform() if waveform is None else waveform
        sequence = max_len_seq(check_integer("order", order, 5, 12))[0].astype(float)
        self.symbols = (1 - 2 * sequence) / np.sqrt(len(sequence))
        self.samples = self.waveform.bursts(self.symbols[:, None].astype(complex))[:, 0]
        self._segments = self._cut(_SEGMENT_SYMBOLS * self.waveform.samples_per_symbol)

    @property
    def book(self) -> PilotBook:
        """The beacon as the only device of a pilot book, for `blocks.uplink_transmitter`."""
        return as_pilot_book(self.symbols[:, None])

    def __len__(self) -> int:
        return len(self.samples)

    def find(self, samples: ArrayLike) -> Sighting | None:
        """The strongest beacon that lies wholly in samples (T,), if there is one; NaN-free input."""
        samples = np.asarray(samples, np.complex64)
        if len(samples) < len(self):
            return None
        spectrum = self._spectrum(samples)  # (F, T')
        power = spectrum.real**2 + spectrum.imag**2
        share = power / np.maximum(self._energies(samples), np.finfo(np.float32).tiny)
        f, at = np.unravel_index(share.argmax(), share.shape)
        if share[f, at] < _MIN_SHARE:
            return None
        position = at + _vertex(np.sqrt(power[f]), at)
        near = _signed(f + _vertex_cyclic(np.sqrt(power[:, at]), f), len(power))
        offset, share = self._refine(samples[at : at + len(self)], near)
        return Sighting(float(position), float(offset), min(float(share), 1.0))

    def _cut(self, length):
        """The conjugate burst in segments (S, length), padded with zeros."""
        count = -(-len(self) // length)
        padded = np.zeros(count * length, np.complex64)
        padded[: len(self)] = self.samples.conj() / np.linalg.norm(self.samples)
        return padded.reshape(count, length)

    def _spectrum(self, samples):
        """Correlations (F, T') with the burst at F carrier offsets and T' places."""
        parts = (
            self._correlate(samples)
            if len(samples) < len(self) + _MAX_DIRECT_PLACES
            else self._convolve(samples)
        )
        return fft(parts, _FREQUENCIES_PER_SEGMENT * len(parts), axis=0)

    def _correlate(self, samples):
        """Correlations (S, T') with the segments, directly: few places."""
        padded = np.pad(samples, (0, self._segments.size - len(self)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self._segments.size)
        return np.einsum("tsl,sl->st", windows.reshape(len(windows), *self._segments.shape), self._segments)

    def _convolve(self, samples):
        """The same, by Fourier transforms: many places."""
        count, length = self._segments.shape
        places = len(samples) - len(self) + 1
        size = next_fast_len(places + count * length)
        transformed = np.fft.fft(np.pad(samples, (0, size - len(samples))))
        parts = np.empty((count, places), np.complex64)
        for i, segment in enumerate(self._segments):
            kernel = np.fft.fft(segment.conj(), size).conj()
            parts[i] = np.roll(np.fft.ifft(transformed * kernel), -i * length)[:places]
        return parts

    def _energies(self, samples):
        total = np.concatenate([[0.0], np.cumsum(np.abs(samples.astype(np.complex128)) ** 2)])
        return total[len(self) :] - total[: -len(self)]

    def _refine(self, samples, bin_):
        """The offset near a fractional frequency bin, in cycles a sample, and its share of the energy."""
        product = samples * self.samples.conj()
        step, time = 1 / (_FREQUENCIES_PER_SEGMENT * self._segments.size), np.arange(len(product))
        for width in (0.5, 0.1):
            tried = (bin_ + width * np.linspace(-1, 1, 9)) * step
            power = np.abs(np.exp(-2j * np.pi * np.outer(tried, time)) @ product) ** 2
            best = int(power.argmax())
            bin_ = (tried[best] + _vertex(power, best) * (tried[1] - tried[0])) / step
        energy = np.sum(np.abs(samples) ** 2) * np.sum(np.abs(self.samples) ** 2)
        return bin_ * step, power[best] / energy


class GridTracker:
    """The time and period of beacons from when they were seen, in samples of the device's own clock.

    Parameters
    ----------
    period : float
        Nominal, in samples.
    """

    def __init__(self, period: float) -> None:
        self.period, self.position, self._seen = float(period), 0.0, 0

    def start(self, position: float) -> None:
        """Start over from a first beacon."""
        self.position, self._seen = float(position), 1

    def predict(self, count: int = 1) -> float:
        """When the beacon `count` after the last one is due."""
        return self.position + count * self.period

    def update(self, position: float | None, count: int = 1) -> None:
        """The beacon `count` after the last one was seen at `position`; None if it was missed."""
        self.position = predicted = self.predict(count)
        if position is None:
            return
        n = min(self._seen, _MEMORY_BEACONS)
        error = position - predicted
        self.position += 2 * (2 * n + 1) / ((n + 1) * (n + 2)) * error
        self.period += 6 / ((n + 1) * (n + 2)) * error / count
        self._seen += 1


class BeaconReceiver:
    """Finds the beacon in a stream of samples, locks on to it and keeps the grid.

    Parameters
    ----------
    beacon : Beacon
    period : int
        Samples from beacon to beacon, by the nominal rate.

    Attributes
    ----------
    locked : bool
    tracker : GridTracker
        Its positions count the samples pushed.
    offset : float
        Carrier offset, cycles a sample, smoothed.
    sighting : Sighting or None
        The last beacon seen.
    """

    def __init__(self, beacon: Beacon, period: int) -> None:
        self.beacon = beacon
        self.period = check_integer("period", period, len(beacon), 2**28)
        self.tracker, self.offset, self.locked = GridTracker(period), 0.0, False
        self.sighting: Sighting | None = None
        self._buffer, self._first, self._streak, self._missed = np.empty(0, np.complex64), 0, 0, 0

    def push(self, samples: NDArray) -> int:
        """Take the next samples (T,); the number of beacons by which the grid has moved on."""
        self._buffer = np.concatenate([self._buffer, np.nan_to_num(samples)]).astype(np.complex64)
        moved = 0
        while (step := self._track() if self._streak else self._acquire()) is not None:
            moved += step
        return moved

    def skip(self, count: int) -> None:
        """Say that `count` samples were lost after those pushed."""
        self._drop(len(self._buffer))
        self._first += count

    def restart(self) -> None:
        """Forget the beacon: nothing is known of the time between the samples pushed and the next ones."""
        self._drop(len(self._buffer))
        self.locked, self._streak, self._missed = False, 0, 0

    def _acquire(self):
        """Search a stretch that holds a whole beacon for sure; None when there is too little."""
        if len(self._buffer) < self.period + len(self.beacon):
            return None
        sighting = self.beacon.find(self._buffer[: self.period + len(self.beacon)])
        if sighting is None:
            self._drop(self.period)
            return 0
        self.tracker = GridTracker(self.period)
        self.tracker.start(self._first + sighting.position)
        self.sighting, self.offset, self._streak, self._missed = sighting, sighting.offset, 1, 0
        return 1

    def _track(self):
        """Look for the next beacon where it is due."""
        reach = _WINDOW_SYMBOLS * self.beacon.waveform.samples_per_symbol
        if not self.locked:
            reach += self.period * 1e-4  # the clock may be off by so much
        low = int(np.floor(self.tracker.predict() - reach)) - self._first
        high = int(np.ceil(self.tracker.predict() + reach)) - self._first + len(self.beacon) + 1
        if low < 0:  # it was lost with the samples skipped
            return self._account(None)
        if len(self._buffer) < high:
            return None
        sighting = self.beacon.find(self._buffer[low:high])
        if sighting is not None:
            sighting = sighting._replace(position=sighting.position + low + self._first)
        return self._account(sighting)

    def _account(self, sighting):
        self.tracker.update(None if sighting is None else sighting.position)
        if sighting is not None:
            self.offset += (sighting.offset - self.offset) / min(self._streak + 1, _MEMORY_BEACONS)
            self.sighting, self._missed = sighting, 0
            self._streak += 1
            self.locked |= self._streak > _CONFIRMATIONS
        else:
            self._missed += 1
            if self._missed > (_MAX_MISSED_BEACONS if self.locked else 0):
                self.locked, self._streak = False, 0
        self._drop(max(0, int(self.tracker.predict() - self.period / 2) - self._first))
        return 1

    def _drop(self, count):
        count = min(count, len(self._buffer))
        self._buffer, self._first = self._buffer[count:], self._first + count


def _vertex(values, at):
    """Where, from `at`, the parabola through a largest value and its neighbours peaks."""
    return float(vertex_offset(*values[at - 1 : at + 2])) if 0 < at < len(values) - 1 else 0.0


def _vertex_cyclic(values, at):
    return _vertex(np.take(values, [at - 1, at, at + 1], mode="wrap"), 1)


def _signed(bin_, count):
    return bin_ - count if bin_ > count / 2 else bin_
