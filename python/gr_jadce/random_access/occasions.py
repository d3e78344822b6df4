# SPDX-License-Identifier: GPL-3.0-or-later
"""The samples of a random access occasion, and its subcarriers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_positive
from ..pilots.preambles import Preambles

MIDDLE = -(2**30)  # first subcarrier, of subcarriers in the middle
USUAL_RATES = (1.92e6, 3.84e6, 7.68e6, 15.36e6, 23.04e6, 30.72e6)


@dataclass(frozen=True)
class Occasion:
    """Where the preambles of a cell are in the samples of an antenna, and on which subcarriers.

    An occasion starts with the cyclic prefix; behind it, `repetitions` times the same symbol of `fft_size`
    samples. It is used like `waveform.Ofdm`, in the simulator and for transmitters; a symbol of these, of
    which there are L in an OFDM symbol, is 1/(L·Δf), the unit of delays.

    Parameters
    ----------
    preambles : Preambles
    rate : float
        Samples a second, a multiple of the subcarrier spacing; `USUAL_RATES` are, where they are fast enough.
    first_subcarrier : int
        Place of the first subcarrier from the carrier on. Default: −⌊L/2⌋, the middle is at the carrier.

    Raises
    ------
    ValueError
        If the subcarriers do not fit into the rate, or the durations are no whole numbers of samples.
    """

    preambles: Preambles
    rate: float
    first_subcarrier: int = MIDDLE

    roll_off: ClassVar[float] = 0.0  # as of OFDM
    span: ClassVar[int] = 0
    taps: ClassVar[NDArray] = np.ones(1)

    def __post_init__(self) -> None:
        preambles, rate = self.preambles, check_positive("rate", self.rate)
        first = check_integer("first_subcarrier", self.first_subcarrier, MIDDLE, -MIDDLE)
        first = -(preambles.length // 2) if first == MIDDLE else first
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "first_subcarrier", first)
        if max(-first, first + preambles.length) > self.fft_size // 2:
            raise ValueError(
                f"rate: expected at least {2 * max(-first, first + preambles.length) * preambles.spacing:g} "
                f"for subcarriers {first} to {first + preambles.length - 1} of {preambles.spacing:g} Hz, "
                f"got {rate:g}"
            )
        whole = all(
            abs(x - round(x)) < 1e-6 for x in (rate / preambles.spacing, rate * preambles.prefix_seconds)
        )
        if not whole:
            raise ValueError(
                f"rate: expected one at which {preambles.spacing:g} Hz and a prefix of "
                f"{preambles.prefix_seconds * 1e6:.2f} µs are whole numbers of samples, got {rate:g}"
            )

    @property
    def fft_size(self) -> int:
        """Samples of a symbol."""
        return round(self.rate / self.preambles.spacing)

    @property
    def offset(self) -> int:
        """Samples of the cyclic prefix: from the start of the occasion to its first symbol."""
        return round(self.rate * self.preambles.prefix_seconds)

    @property
    def body(self) -> int:
        """Samples of all symbols."""
        return self.preambles.repetitions * self.fft_size

    @property
    def samples_per_symbol(self) -> float:
        """Samples in 1/(L·Δf)."""
        return self.fft_size / self.preambles.length

    @property
    def cyclic_prefix(self) -> int:
        """Whole symbols of 1/(L·Δf) in the prefix."""
        return int(self.offset / self.samples_per_symbol)

    @property
    def places(self) -> NDArray:
        """Places (L,) of the subcarriers in an FFT."""
        return (np.arange(self.preambles.length) + self.first_subcarrier) % self.fft_size

    def n_samples(self, pilot_length: int) -> int:
        """Samples of an occasion, whose pilots have that length."""
        del pilot_length  # is told by the preambles
        return self.offset + self.body

    def times(self, n_samples: int) -> NDArray:
        """Of the first samples of an occasion: symbols of 1/(L·Δf) after the end of the prefix."""
        return (np.arange(n_samples) - self.offset) / self.samples_per_symbol

    def symbols(self, samples: NDArray) -> NDArray:
        """What is on the subcarriers (…, repetitions·L, M) in the samples (…, body, M) behind the prefix."""
        *before, _, n_antennas = samples.shape
        split = samples.reshape(*before, self.preambles.repetitions, self.fft_size, n_antennas)
        spectra = scipy.fft.fft(split, axis=-2, norm="ortho")[..., self.places, :]
        return spectra.reshape(*before, -1, n_antennas)

    def cut(self, samples: NDArray, starts: ArrayLike) -> NDArray:
        """The subcarriers (B, repetitions·L, M) of occasions that start at samples (B,) of a stream (T, M).

        Raises
        ------
        ValueError
            If an occasion is not within the stream.
        """
        samples, starts = np.asarray(samples), np.asarray(starts)
        ends = starts + self.offset + self.body
        if starts.size and (starts.min() < 0 or ends.max() > len(samples)):
            raise ValueError(
                f"starts: expected occasions of {self.offset + self.body} samples within {len(samples)}, "
                f"got from {starts.min()} to {ends.max()}"
            )
        index = starts[:, None] + self.offset + np.arange(self.body)
        return self.symbols(samples[index])

    def bursts(self, pilots: NDArray, delay: ArrayLike = 0.0) -> NDArray:
        """Occasions of pilots (repetitions·L, K), each late by its delay (K,): (n_samples + late, K).

        Delays are in symbols of 1/(L·Δf).
        """
        late = np.broadcast_to(delay, pilots.shape[1]) * self.samples_per_symbol
        turns = np.arange(self.preambles.length) + self.first_subcarrier
        spectrum = np.zeros((self.fft_size, pilots.shape[1]), complex)
        ramp = np.exp(-2j * np.pi * np.outer(turns, late) / self.fft_size)
        spectrum[self.places] = pilots[: self.preambles.length] * ramp  # all symbols are the same
        symbol = np.fft.ifft(spectrum, axis=0, norm="ortho")
        n_samples = self.offset + self.body
        time = np.arange(n_samples + int(np.ceil(max(late.max(initial=0), 0))))
        sent = (time[:, None] >= late) & (time[:, None] < late + n_samples)
        return np.where(sent, symbol[(time - self.offset) % self.fft_size], 0)
