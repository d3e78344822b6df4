# SPDX-License-Identifier: GPL-3.0-or-later
"""Correlations of occasions with all preambles, at all delays and carrier offsets, by FFTs.

With x_u the spectrum of a root's sequence and y_r what an antenna has on the L subcarriers of symbol r,

    c_{u,ν}(τ) = Σ_k x_u(k)* e^{2πikτ/L} Σ_r e^{−2πiνTr} y_r(k) / √R,

T the duration of a symbol, R symbols. Preamble v of the root, late by d, is at τ = d − C_v modulo L; so
the windows of all preambles of a root lie side by side. A carrier offset also turns within a symbol, which
matters where symbols are long: there it is taken off in time.
"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..numeric import sum_squares, vertex_offset
from ..pilots.preambles import Preambles

_STEPS = 2  # delays in a sample of 1/(L·Δf), or a little more
_TURN = 0.05  # cycles in a symbol from which they are taken off in time
_OFFSET_STEP = 0.3  # cycles in an occasion from one offset that is looked for to the next
EARLIEST = -0.5  # samples: a window reaches from here to this before that of the next preamble


class Peak(NamedTuple):
    """The spans of most energy of occasions, of each window: energy (B, N), and which (B, N) of F·delays."""

    energy: NDArray
    which: NDArray


class Profile:
    """Correlates occasions with the preambles of a cell.

    Parameters
    ----------
    preambles : Preambles
    max_offset : float
        Carrier offsets looked for, ± Hz.

    Attributes
    ----------
    offsets : (F,) float
        Those that are looked for, Hz.
    symbols : (N, L) complex
        What each preamble puts on the subcarriers, of unit energy.
    """

    def __init__(self, preambles: Preambles, max_offset: float) -> None:
        self.preambles = preambles
        self._size = scipy.fft.next_fast_len(_STEPS * preambles.length)
        self.step = preambles.length / self._size
        duration = preambles.repetitions / preambles.spacing
        count = max(1, int(np.ceil(2 * max_offset * duration / _OFFSET_STEP)))
        self.offsets = max_offset * (2 * np.arange(count) + 1 - count) / count
        turns = -self.offsets / preambles.spacing
        self._between = turn_between(turns, preambles.repetitions)
        is_within = np.abs(turns).max() > _TURN
        self._within = turn_within(turns, preambles.length) if is_within else None
        self._conjugate = preambles.root_spectra.conj().astype(np.complex64)[:, None, :]
        number = np.arange(preambles.n_preambles)
        self.symbols = np.ascontiguousarray(preambles.symbols(number).T)
        first = np.round((EARLIEST - preambles.shift_of(number)) / self.step).astype(int)
        self._delay_of_first = first * self.step + preambles.shift_of(number)
        self._n_delays = int(preambles.window / self.step)
        place = (first[:, None] + np.arange(self._n_delays)) % self._size
        self._places = preambles.root_of(number)[:, None] * self._size + place  # (N, delays)

    def energies(self, received: NDArray) -> NDArray:
        """Energies (B, F, N, delays) over all antennas of occasions (B, repetitions·L, M)."""
        combined = self._combined(received)
        product = combined[:, :, :, None, :] * self._conjugate[:, 0, :]  # (B, F, M, roots, L)
        profile = scipy.fft.ifft(product, n=self._size, axis=-1, norm="forward", overwrite_x=True)
        energy = sum_squares(profile, axis=()).sum(axis=2)
        return energy.reshape(*energy.shape[:2], -1)[:, :, self._places]

    def peaks(self, energies: NDArray, span: int) -> Peak:
        """The spans of most energy of each occasion and window, of energies (B, F, N, delays).

        The energy is that between the steps, by a parabola.
        """
        total = np.moveaxis(_spans(energies, span), 1, 2)  # (B, N, F, delays)
        length = total.shape[3]
        flat = total.reshape(*total.shape[:2], -1)
        which = flat.argmax(axis=2)
        start = which % length
        inside = (start > 0) & (start < length - 1)
        at = np.arange(which.size).reshape(which.shape) * flat.shape[2] + which
        top, before, after = (flat.take(at + step) for step in (0, -1 * inside, 1 * inside))
        bend = np.maximum(2 * top - before - after, np.finfo(np.float32).tiny)
        return Peak(top + (before - after) ** 2 / (8 * bend), which)

    def place(self, energies: NDArray, window: int, which: int, span: int) -> tuple[float, float, float]:
        """Delay (samples), carrier offset (Hz) and energy of a span's strongest delay, of (F, N, delays)."""
        offset, start = divmod(which, self._n_delays - _STEPS * (span - 1))
        steps = start + _STEPS * np.arange(span)
        own = energies[offset, window]
        step = int(steps[own[steps].argmax()])
        between = vertex_offset(*own[step - 1 : step + 2]) if 0 < step < self._n_delays - 1 else 0.0
        delay = self._delay_of_first[window] + (step + between) * self.step
        return float(delay), float(self.offsets[offset]), float(energies[offset, window, step])

    def usable(self, span: int) -> bool:
        """Whether a window is long enough for a span."""
        return _STEPS * (span - 1) < self._n_delays

    def _combined(self, received):
        """All symbols of occasions together, by offset (B, F, M, L); their noise is that of one."""
        preambles = self.preambles
        symbols = received.reshape(len(received), preambles.repetitions, preambles.length, -1)
        symbols = np.swapaxes(symbols, 2, 3) / np.float32(np.sqrt(preambles.repetitions))
        if self._within is None:
            return np.einsum("fr,brml->bfml", self._between, symbols)
        time = scipy.fft.ifft(symbols, axis=3)
        turned = np.einsum("fr,brml->bfml", self._between, time) * self._within[:, None]
        return scipy.fft.fft(turned, axis=3, overwrite_x=True)


def _spans(energies, span):
    """Energies of so many delays, a sample from one to the next."""
    length = energies.shape[-1] - _STEPS * (span - 1)
    parts = [energies[..., i * _STEPS : i * _STEPS + length] for i in range(span)]
    return parts[0] if span == 1 else np.sum(parts, axis=0)


def turn_within(turns: NDArray, length: int) -> NDArray:
    """Carriers of so many cycles (F,) in a symbol at its L samples in time (F, L), 1 in its middle."""
    return np.exp(2j * np.pi * turns[:, None] * (np.arange(length) / length - 0.5)).astype(np.complex64)


def turn_between(turns: NDArray, repetitions: int) -> NDArray:
    """The same at the middle of each symbol (F, repetitions), 1 at that of the first."""
    return np.exp(2j * np.pi * turns[:, None] * np.arange(repetitions)).astype(np.complex64)
