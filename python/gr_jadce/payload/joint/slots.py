# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the devices of a batch of slots, and what arrives of them.

Device k of a slot sends x_k, pilot and chips. Over its paths p it arrives as

    r(t, m) = Σ_p e^{jφ_k(t)} h_kpm (q ∗ x_k)(t − τ_kp),

q the pulse behind the matched filter. Arrays are padded to the largest number of devices: those that are not
there have no gain.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_MARGIN = 32  # symbols beside a slot, so that a delay does not come round


PER_DEVICE = ("device", "gain", "delay", "phase", "sent", "spread", "doubt", "decoded", "later", "result")


@dataclass
class Slots:
    """B slots of K devices each, P paths a device, T symbols a slot of which the first L are the pilot's.

    frames (B, T, M), whitened: noise of variance 1. device (B, K) int, −1 where none is. gain (B, K, P, M),
    delay (B, K, P) and phase (B, K, T) of the carrier, radians. sent (B, K, T): what is known or expected of
    x. spread (B, K, D, S): what a symbol of 1 sends. doubt (B, K, D): variance of the symbols, 0 where they
    are decoded. decoded (B, K) bool. later (B, K) bool: found in what others leave. result (B, K): what
    was decoded last, as `filling.result_type` has it.
    """

    frames: NDArray
    device: NDArray
    gain: NDArray
    delay: NDArray
    phase: NDArray
    sent: NDArray
    spread: NDArray
    doubt: NDArray
    decoded: NDArray
    later: NDArray
    result: NDArray
    roll_off: float

    @property
    def n_pilot(self) -> int:
        """L."""
        return self.sent.shape[2] - self.spread.shape[2] * self.spread.shape[3]

    def put(self, symbols: NDArray, doubt: NDArray) -> None:
        """Data symbols (B, K, D) of which so much is in doubt; those of decoded devices stay."""
        chips = (symbols[..., None] * self.spread).reshape(*symbols.shape[:2], -1)
        keep = self.decoded[:, :, None]
        self.sent[:, :, self.n_pilot :] = np.where(keep, self.sent[:, :, self.n_pilot :], chips)
        self.doubt = np.where(keep, self.doubt, doubt)

    def put_exact(self, place: tuple[NDArray, NDArray], symbols: NDArray) -> None:
        """Data symbols (J, D) of devices at `place` (of B, of K) that are decoded."""
        chips = (symbols[..., None] * self.spread[place]).reshape(
            len(symbols), self.sent.shape[2] - self.n_pilot
        )
        self.sent[:, :, self.n_pilot :][place] = chips
        self.doubt[place], self.decoded[place] = 0, True

    def take(self, index: NDArray) -> "Slots":
        """Some of the slots, of as many devices as the fullest of them has."""
        count = np.count_nonzero(self.device[index] >= 0, axis=1).max(initial=0)
        own = np.argsort(self.device[index] < 0, axis=1, kind="stable")[:, :count]
        taken = {name: getattr(self, name)[index[:, None], own] for name in PER_DEVICE}
        return Slots(frames=self.frames[index], roll_off=self.roll_off, **taken)

    def part(self, index: NDArray) -> "Slots":
        """Some of the slots, of as many devices as all."""
        taken = {name: getattr(self, name)[index] for name in PER_DEVICE}
        return Slots(frames=self.frames[index], roll_off=self.roll_off, **taken)

    def waves(self) -> NDArray:
        """What arrives over each path of gain 1 (B, K, P, T)."""
        late = delayed(self.sent, self.delay, self.roll_off)
        return late * carrier(self.phase)[:, :, None]

    def rest(self, waves: NDArray) -> NDArray:
        """What the devices leave of the frames (B, T, M)."""
        n_slots, n_symbols, n_antennas = self.frames.shape
        flat = waves.reshape(n_slots, -1, n_symbols)
        return self.frames - np.swapaxes(flat, 1, 2) @ self.gain.reshape(n_slots, -1, n_antennas)


def delayed(sent: NDArray, delay: NDArray, roll_off: float) -> NDArray:
    """Symbols (B, K, T), late by delays (B, K, P) behind the matched filter: (B, K, P, T)."""
    n_symbols = sent.shape[2]
    size = scipy.fft.next_fast_len(n_symbols + _MARGIN)
    spectrum = scipy.fft.fft(sent, size)
    late = scipy.fft.ifft(spectrum[:, :, None] * response(delay, size, roll_off), overwrite_x=True)
    return late[..., :n_symbols]


def response(delay: NDArray, size: int, roll_off: float) -> NDArray:
    """Spectra (…, size) complex64 of the raised-cosine pulse, late by delays (…), taken once a symbol.

    Where its band goes beyond half a cycle a symbol, the frequencies f and f ∓ 1 fall together.
    """
    frequency = np.fft.fftfreq(size, 1.0).astype(np.float32)
    beyond = (
        np.clip((np.abs(frequency) - (1 - roll_off) / 2) / roll_off, 0, None) if roll_off else frequency * 0
    )
    share = (0.5 * (1 - np.cos(np.pi * beyond))).astype(np.float32)  # of what is heard at the other frequency
    angle = (2 * np.pi * np.asarray(delay)[..., None]).astype(np.float32)
    ramp = carrier(-angle * frequency)
    edge = share > 0
    ramp[..., edge] *= 1 - share[edge] + share[edge] * carrier(angle * np.sign(frequency[edge]))
    return ramp


def carrier(phase: NDArray) -> NDArray:
    """e^{jφ} as complex64."""
    angle = phase.astype(np.float32)
    wave = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=wave.real)
    np.sin(angle, out=wave.imag)
    return wave
