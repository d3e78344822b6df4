# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform of a pilot on the air: a cyclic prefix, root-raised-cosine pulses, samples."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import check_integer, check_positive

_REACH = 12  # symbols to where a raised cosine has died away


@dataclass(frozen=True)
class Waveform:
    """How pilot symbols become samples, and where a slot's pilot is behind the matched filter.

    A burst starts with its slot. Its first symbol is that of the cyclic prefix, if there is one,
    and peaks `span` symbols after the start.

    Parameters
    ----------
    samples_per_symbol : int
        At least 2.
    roll_off : float
        Excess bandwidth of the root-raised-cosine pulse, above 0 and at most 1.
    span : int
        Symbols from the peak of a pulse to either end.
    cyclic_prefix : int
        Last symbols of the pilot that are sent before it, so that a delay of up to as many
        symbols shifts the pilot cyclically.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    samples_per_symbol: int = 4
    roll_off: float = 0.25
    _: KW_ONLY
    span: int = 8
    cyclic_prefix: int = 0

    def __post_init__(self) -> None:
        for name, value in (
            ("samples_per_symbol", check_integer("samples_per_symbol", self.samples_per_symbol, 2, 2**10)),
            ("roll_off", check_positive("roll_off", self.roll_off, 1)),
            ("span", check_integer("span", self.span, 1, 2**10)),
            ("cyclic_prefix", check_integer("cyclic_prefix", self.cyclic_prefix, 0, 2**20)),
        ):
            object.__setattr__(self, name, value)

    @cached_property
    def taps(self) -> NDArray:
        """The pulse, and so the matched filter: 2·span·samples_per_symbol + 1 taps of unit energy,
        but for what `span` cuts off."""
        half = self.span * self.samples_per_symbol
        return self._pulse(np.arange(-half, half + 1) / self.samples_per_symbol)

    @property
    def offset(self) -> int:
        """Samples from the start of a slot to the pilot's first symbol, behind the matched filter."""
        return (2 * self.span + self.cyclic_prefix) * self.samples_per_symbol

    def n_samples(self, pilot_length: int) -> int:
        """Samples of a burst."""
        return (self.cyclic_prefix + pilot_length - 1 + 2 * self.span) * self.samples_per_symbol + 1

    def bursts(self, pilots: NDArray, delay: ArrayLike = 0.0) -> NDArray:
        """Bursts of pilots (L, K), each late by its delay (K,) in symbols: (n_samples + late, K).

        The samples of all bursts begin with the slot. The array is as long as the latest delay
        asks for. A negative delay loses what would come before the slot.
        """
        delay = np.broadcast_to(delay, pilots.shape[1])
        late = int(np.ceil(max(delay.max(initial=0), 0) * self.samples_per_symbol))
        if self.cyclic_prefix > len(pilots):
            raise ValueError(
                f"cyclic_prefix: expected at most the pilot length {len(pilots)}, got {self.cyclic_prefix}"
            )
        symbols = np.concatenate([pilots[len(pilots) - self.cyclic_prefix :], pilots])
        bursts = np.zeros((self.n_samples(len(pilots)) + late, pilots.shape[1]), complex)
        for burst, column, by in zip(bursts.T, symbols.T, delay * self.samples_per_symbol, strict=True):
            self._shape(burst, column, by)
        return bursts

    def _shape(self, burst, symbols, late):
        """Write the burst of `symbols`, late by so many samples; what would come before the slot is lost."""
        from scipy.signal import upfirdn  # takes a fifth of a second to import, which few programs need

        whole = int(np.floor(late))
        half = self.span * self.samples_per_symbol
        time = (np.arange(-half, half + 2) - (late - whole)) / self.samples_per_symbol
        shaped = upfirdn(self._pulse(time), symbols, up=self.samples_per_symbol)[max(-whole, 0) :]
        shaped = shaped[: len(burst) - max(whole, 0)]
        burst[max(whole, 0) : max(whole, 0) + len(shaped)] = shaped

    def _pulse(self, time):
        near = np.abs(time) <= self.span
        scale = np.sqrt(self.samples_per_symbol)  # samples of unit energy, but for what `span` cuts off
        return np.where(near, root_raised_cosine(time, self.roll_off), 0) / scale


def root_raised_cosine(time: ArrayLike, roll_off: float) -> NDArray:
    """The root-raised-cosine pulse of unit energy at times in symbols."""
    time = np.asarray(time, float)
    x = 4 * roll_off * time
    singular = np.isclose(np.abs(x), 1, rtol=0, atol=1e-7)
    safe, x = np.where(time == 0, 1, time), np.where(singular | (time == 0), 0, x)
    angle = np.pi * safe
    value = np.sin(angle * (1 - roll_off)) + x * np.cos(angle * (1 + roll_off))
    value = value / (angle * (1 - x**2))
    edge = np.pi / (4 * roll_off)
    at_edge = (1 + 2 / np.pi) * np.sin(edge) + (1 - 2 / np.pi) * np.cos(edge)
    value = np.where(singular, roll_off / np.sqrt(2) * at_edge, value)
    return np.where(time == 0, 1 + roll_off * (4 / np.pi - 1), value)


def raised_cosine(time: ArrayLike, roll_off: float) -> NDArray:
    """The pulse behind the matched filter, 1 at its peak, at times in symbols."""
    time = np.asarray(time, float)
    x = 2 * roll_off * time
    singular = np.isclose(np.abs(x), 1, rtol=0, atol=1e-7)
    bend = np.cos(np.pi * roll_off * time) / np.where(singular, 1, 1 - x**2)
    return np.sinc(time) * np.where(singular, np.pi / 4, bend)


def late(delay: ArrayLike, length: int, roll_off: float, *, cyclic: bool = False) -> NDArray:
    """Operators (K, L, L) that delay a pilot by (K,) symbols, behind the matched filter.

    `cyclic`: the pilot has a cyclic prefix at least as long as the delay.
    """
    delay = np.asarray(delay, float)
    lag = np.arange(length)[:, None] - np.arange(length) - delay[:, None, None]
    if not cyclic:
        return raised_cosine(lag, roll_off)
    wraps = -(-int(_REACH + np.abs(delay).max(initial=0)) // length)
    return np.sum([raised_cosine(lag + w * length, roll_off) for w in range(-wraps, wraps + 1)], axis=0)


def turn(offset: ArrayLike, length: int) -> NDArray:
    """The carrier e^{2πiνl} (…, L) of offsets ν in cycles a symbol, 1 at the first symbol."""
    return np.exp(2j * np.pi * np.asarray(offset)[..., None] * np.arange(length))
