# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform of a pilot on the air: shaped pulses, or the subcarriers of OFDM, with a cyclic prefix."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import check_integer, check_positive
from .numeric import sum_squares

_STEPS = np.arange(-8, 9) / 16  # symbols from a path, where a response may be strongest
_PULSES_AT_ONCE = 2**15  # of devices' paths: what is made of them stays in the cache


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

    def times(self, n_samples: int) -> NDArray:
        """Of the first samples of a burst: symbols after the pilot's first symbol."""
        return np.arange(n_samples) / self.samples_per_symbol - self.span - self.cyclic_prefix

    def bursts(self, pilots: NDArray, delay: ArrayLike = 0.0, data: NDArray | None = None) -> NDArray:
        """Bursts of pilots (L, K), each late by its delay (K,) in symbols: (n_samples + late, K).

        `data` (D, K): symbols behind them. The samples of all bursts begin with the slot. The array is as
        long as the latest delay asks for. A negative delay loses what would come before the slot.
        """
        delay = np.broadcast_to(delay, pilots.shape[1])
        late = int(np.ceil(max(delay.max(initial=0), 0) * self.samples_per_symbol))
        if self.cyclic_prefix > len(pilots):
            raise ValueError(
                f"cyclic_prefix: expected at most the pilot length {len(pilots)}, got {self.cyclic_prefix}"
            )
        parts = [pilots[len(pilots) - self.cyclic_prefix :], pilots]
        symbols = np.concatenate(parts if data is None else [*parts, data])
        bursts = np.zeros(
            (self.n_samples(len(symbols) - self.cyclic_prefix) + late, pilots.shape[1]), complex
        )
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


@dataclass(frozen=True)
class Ofdm:
    """How pilots are sent on the subcarriers of one OFDM symbol, and what is received of them.

    Symbol l of a pilot is sent on subcarrier l − ⌊L/2⌋ from the carrier; the FFT is so many times as long as
    the pilot as there are samples a symbol. A burst starts with its slot, and with the cyclic prefix. What is
    received is given back as symbols in time, by an inverse DFT over the L subcarriers: there a delay of d
    symbols (d·samples_per_symbol samples) is a cyclic shift of `sequences` by d, and the echoes of a
    channel stand side by side.

    Parameters
    ----------
    samples_per_symbol : int
        At least 2.
    cyclic_prefix : int
        Symbols.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    samples_per_symbol: int = 4
    _: KW_ONLY
    cyclic_prefix: int = 0

    roll_off: ClassVar[float] = 0.0  # its subcarriers have no excess bandwidth
    span: ClassVar[int] = 0  # there is no matched filter
    taps: ClassVar[NDArray] = np.ones(1)

    def __post_init__(self) -> None:
        for name, value in (
            ("samples_per_symbol", check_integer("samples_per_symbol", self.samples_per_symbol, 2, 2**10)),
            ("cyclic_prefix", check_integer("cyclic_prefix", self.cyclic_prefix, 0, 2**20)),
        ):
            object.__setattr__(self, name, value)

    @property
    def offset(self) -> int:
        """Samples from the start of a slot to the end of the prefix."""
        return self.cyclic_prefix * self.samples_per_symbol

    def n_samples(self, pilot_length: int) -> int:
        """Samples of a burst."""
        return (self.cyclic_prefix + pilot_length) * self.samples_per_symbol

    def times(self, n_samples: int) -> NDArray:
        """Of the first samples of a burst: symbols after the end of the prefix."""
        return np.arange(n_samples) / self.samples_per_symbol - self.cyclic_prefix

    def bursts(self, pilots: NDArray, delay: ArrayLike = 0.0) -> NDArray:
        """Bursts of pilots (L, K), each late by its delay (K,) in symbols, as `Waveform.bursts`."""
        length, step = len(pilots), self.samples_per_symbol
        late = np.broadcast_to(delay, pilots.shape[1]) * step
        size = length * step
        ramp = np.exp(-2j * np.pi * np.outer(subcarriers(length), late) / size)
        spectrum = np.zeros((size, pilots.shape[1]), complex)
        spectrum[subcarriers(length)] = pilots * ramp
        symbol = np.fft.ifft(spectrum, axis=0, norm="ortho")
        n_samples = self.n_samples(length) + int(np.ceil(max(late.max(initial=0), 0)))
        time = np.arange(n_samples)[:, None]
        sent = (time >= late) & (time < late + self.n_samples(length))
        return np.where(sent, symbol[(np.arange(n_samples) - self.offset) % size], 0)

    def symbols(self, samples: NDArray) -> NDArray:
        """What was received (…, L, M) in the samples (…, L·samples_per_symbol, M) behind the prefix."""
        size = samples.shape[-2]
        on = np.fft.fft(samples, axis=-2, norm="ortho")[..., subcarriers(size // self.samples_per_symbol), :]
        return in_time(on)

    def sequences(self, pilots: NDArray) -> NDArray:
        """What pilots (L, N) are in `symbols`."""
        return in_time(pilots)


def as_waveform(waveform: "Waveform | Ofdm | Mapping[str, Any] | None") -> "Waveform | Ofdm":
    """A waveform as it is, or of its arguments in a dictionary: an `Ofdm` if its `ofdm` is true."""
    if isinstance(waveform, Waveform | Ofdm):
        return waveform
    arguments = dict(waveform or {})
    return (Ofdm if arguments.pop("ofdm", False) else Waveform)(**arguments)


def subcarriers(length: int) -> NDArray:
    """Places (L,) of a pilot's symbols, from the carrier on."""
    return np.arange(length) - length // 2


def in_time(on_subcarriers: NDArray) -> NDArray:
    """Symbols in time (…, L, M) of values on subcarriers (…, L, M); energy stays."""
    placed = np.fft.ifftshift(on_subcarriers, axes=-2)
    return np.fft.ifft(placed, axis=-2, norm="ortho")


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
    singular = np.abs(np.abs(x) - 1) <= 1e-7
    bend = np.cos(np.pi * roll_off * time) / np.where(singular, 1, 1 - x**2)
    return np.sinc(time) * np.where(singular, np.pi / 4, bend)


def late(delay: ArrayLike, length: int, roll_off: float, *, prefix: int = 0) -> NDArray:
    """Operators (K, L, L) that delay a pilot by (K,) symbols, behind the matched filter.

    `prefix`: symbols of the pilot's cyclic prefix, which come before it. Nothing comes after it.
    With a `roll_off` of 0 it is `Ofdm.sequences` that is delayed, cyclically in any case; the operators are
    complex then.
    """
    delay = np.asarray(delay, float).reshape(-1, 1, 1)
    if not roll_off:
        return _late_subcarriers(delay, length)
    prefix = min(prefix, length)
    apart = np.arange(1 - length, length + prefix)  # of two symbols, one received and one sent
    pulse = raised_cosine(apart - delay[:, 0], roll_off)
    pulses = np.lib.stride_tricks.sliding_window_view(pulse, prefix + length, axis=-1)[..., ::-1]
    operators = pulses[:, :, prefix:].copy()
    operators[:, :, length - prefix :] += pulses[:, :, :prefix]
    return operators


def _late_subcarriers(delay, length):
    """Phase ramps over the subcarriers, seen in time (K, L, L)."""
    wave = in_time(np.eye(length))  # (time, subcarrier)
    ramp = np.exp(-2j * np.pi * delay * subcarriers(length) / length)  # (K, 1, L)
    return (wave * ramp) @ wave.conj().T


def turn(offset: ArrayLike, length: int) -> NDArray:
    """The carrier e^{2πiνl} (…, L) of offsets ν in cycles a symbol, 1 at the first symbol."""
    return np.exp(2j * np.pi * np.asarray(offset)[..., None] * np.arange(length))


def strongest_responses(
    gain: NDArray, delay: NDArray, start: NDArray, roll_off: float
) -> tuple[NDArray, NDArray]:
    """Values (D, M) and places (D,) of the largest responses of devices.

    The paths of device d, of gains (T, M) at delays (T,), are start[d] to start[d + 1] − 1. Their response
    is as the pulse behind the matched filter shows it: paths much closer than a symbol are one, as for a
    receiver. A single path is itself.
    """
    count = np.diff(start)
    value = np.empty((len(count), gain.shape[1]), np.result_type(gain, float))
    place = np.empty(len(count))
    for n_paths in np.unique(count):
        alike = np.flatnonzero(count == n_paths)
        at_once = max(1, _PULSES_AT_ONCE // (len(_STEPS) * n_paths**2))
        for first in range(0, len(alike), at_once):
            own = alike[first : first + at_once]
            paths = start[own, None] + np.arange(n_paths)
            value[own], place[own] = _strongest(gain[paths], delay[paths], roll_off)
    return value, place


def _strongest(gain: NDArray, delay: NDArray, roll_off: float) -> tuple[NDArray, NDArray]:
    """The same of devices of P paths each (D, P, M), (D, P)."""
    if delay.shape[1] == 1:
        return gain[:, 0], delay[:, 0]
    place = np.sort((delay[:, :, None] + _STEPS).reshape(len(delay), -1), axis=1)
    response = raised_cosine(place[:, :, None] - delay[:, None], roll_off) @ gain  # (D, places, M)
    best = np.arange(len(delay)), sum_squares(response).argmax(axis=1)
    return response[best], place[best]
