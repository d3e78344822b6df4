# SPDX-License-Identifier: GPL-3.0-or-later
"""Occasions as antennas receive them in the conformance tests of TS 38.104 §8.4.2 and TS 38.141-1 §8.4.1.

The tapped delay line TDLC300-100 is that of TS 38.104 Annex G.2.1.1 (Table G.2.1.1-4, the same as in
TS 38.101-4 Annex B.2.1.1): a delay spread of 300 ns, a largest Doppler shift of 100 Hz, Jakes' spectrum, no
correlation between antennas ("low"). Its powers are taken to a sum of 1.
"""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..checks import check_choice, check_integer, check_number
from .occasions import Occasion

TDLC300_DELAYS_S = 1e-9 * np.array([0, 65, 70, 190, 195, 200, 240, 325, 520, 1045, 1510, 2595])
TDLC300_POWERS_DB = np.array([-6.9, 0, -7.7, -2.5, -2.4, -9.9, -8.0, -6.6, -7.1, -13.0, -14.2, -16.0])
TDLC300_DOPPLER_HZ = 100.0
CHANNELS = ("awgn", "tdlc300-100")
_RAYS = 16  # of a tap, from all directions
_KNOT_S = 1e-4  # between times at which taps are computed; between these they go straight


class Sent(NamedTuple):
    """What is sent in an occasion: preambles (K,), delays of their timing (K,), s, and offsets (K,), Hz."""

    preamble: NDArray
    delay: NDArray
    offset: NDArray


@dataclass(frozen=True)
class Air:
    """A channel from devices to M antennas, with noise.

    Parameters
    ----------
    occasion : Occasion
    n_antennas : int
    channel : {"awgn", "tdlc300-100"}
        One path of a random phase at every antenna; or the tapped delay line.
    snr_db : float
        Energy of a preamble on an antenna over that of the noise on its subcarriers, in the mean.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    occasion: Occasion
    n_antennas: int = 2
    _: KW_ONLY
    channel: str = "awgn"
    snr_db: float = 0.0

    def __post_init__(self) -> None:
        check_choice("channel", self.channel, CHANNELS)
        check_integer("n_antennas", self.n_antennas, 1)
        check_number("snr_db", self.snr_db, -300, 300)

    @property
    def strongest_delay(self) -> float:
        """Seconds from the timing of a device to the strongest path of the profile."""
        return 0.0 if self.channel == "awgn" else float(TDLC300_DELAYS_S[TDLC300_POWERS_DB.argmax()])

    def samples(self, sent: Sent, rng: Generator) -> NDArray:
        """The samples (T, M) complex64 of an occasion, of noise variance 1."""
        occasion = self.occasion
        noise = _normal(rng, (occasion.offset + occasion.body, self.n_antennas))
        amplitude = 10 ** (self.snr_db / 20) * np.sqrt(occasion.body / occasion.samples_per_symbol)
        for preamble, delay, offset in zip(*sent, strict=True):
            noise += amplitude * self._arriving(int(preamble), delay, offset, rng)
        return noise.astype(np.complex64)

    def noise(self, count: int, rng: Generator) -> NDArray:
        """Subcarriers (count, repetitions·L, M) complex64 of occasions in which nothing is sent."""
        preambles = self.occasion.preambles
        shape = count, preambles.repetitions * preambles.length, self.n_antennas
        return _normal(rng, shape).astype(np.complex64)

    def _arriving(self, preamble, delay, offset, rng):
        """A preamble of unit energy (T, M)."""
        occasion = self.occasion
        n_samples = occasion.offset + occasion.body
        time = np.arange(n_samples) / occasion.rate
        delays, gains = self._taps(time, rng)
        pilot = occasion.preambles.matrix[:, [preamble]]
        late = (delay + delays) * occasion.preambles.bandwidth
        bursts = occasion.bursts(np.repeat(pilot, len(late), axis=1), late)[:n_samples]
        turned = np.exp(2j * np.pi * offset * time)[:, None]
        return turned * np.einsum("tp,ptm->tm", bursts, gains)

    def _taps(self, time, rng):
        """Delays (P,), seconds, and gains (P, T, M)."""
        if self.channel == "awgn":
            phase = rng.uniform(-np.pi, np.pi, self.n_antennas)
            return np.zeros(1), np.broadcast_to(np.exp(1j * phase), (1, len(time), self.n_antennas))
        power = 10 ** (TDLC300_POWERS_DB / 10)
        knots = np.arange(int(time[-1] / _KNOT_S) + 2) * _KNOT_S
        at_knots = np.sqrt(power / power.sum())[:, None, None] * self._fading(knots, rng)
        place, share = np.divmod(time / _KNOT_S, 1)
        before, share = place.astype(int), share[:, None]
        return TDLC300_DELAYS_S, at_knots[:, before] * (1 - share) + at_knots[:, before + 1] * share

    def _fading(self, times, rng):
        """Rayleigh fading with Jakes' spectrum (P, times, M), of unit power."""
        shape = len(TDLC300_DELAYS_S), self.n_antennas, _RAYS
        doppler = TDLC300_DOPPLER_HZ * np.cos(rng.uniform(-np.pi, np.pi, shape))
        rays = _normal(rng, shape) / np.sqrt(_RAYS)
        turns = np.exp(2j * np.pi * doppler[:, None] * times[:, None, None])
        return np.sum(rays[:, None] * turns, axis=3)


def _normal(rng, shape):
    parts = rng.standard_normal((*shape, 2))
    return parts.view(complex)[..., 0] / np.sqrt(2)
