# SPDX-License-Identifier: GPL-3.0-or-later
"""QPSK symbols of coded bits, spread by each device's own sequence."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..pilots.book import PilotBook
from .coding import encode
from .format import PayloadFormat

_HALF = np.float32(np.sqrt(0.5))
_CHIPS_A_NUMBER = 32  # two bits each


def modulate(format: PayloadFormat, packets: ArrayLike, devices: ArrayLike) -> NDArray:
    """Chips (K, n_chips) complex64 of packets (K, n_bytes), of magnitude 1.

    Raises
    ------
    ValueError
        If the packets are not of the format, or not one for each device.
    """
    symbols = qpsk(encode(format, packets, devices))
    return (np.repeat(symbols, format.spreading, axis=1) * sequences(format, devices)).astype(np.complex64)


def qpsk(bits: NDArray) -> NDArray:
    """Gray-coded symbols (…, n/2) of bits (…, n): the first of two signs the real part, 0 as +."""
    signs = 1 - 2 * bits.astype(np.float32)
    return _HALF * (signs[..., 0::2] + 1j * signs[..., 1::2])


def soft_bits(symbols: NDArray, noise_var: NDArray) -> NDArray:
    """ln P(0)/P(1) (…, 2n) of the bits of symbols (…, n), received with noise of that variance."""
    scale = 4 * _HALF / noise_var
    return np.stack([symbols.real * scale, symbols.imag * scale], axis=-1).reshape(*symbols.shape[:-1], -1)


def sequences(format: PayloadFormat, devices: ArrayLike) -> NDArray:
    """The spreading sequences (K, n_chips) complex64 of devices: QPSK chips that no two symbols share.

    Chip i of device n is ((1 or −1) + (1 or −1)j)/√2 by bits 2i and 2i + 1, 0 for 1, of the bits of the
    Philox 4x64 generator of the key (seed, n), from the least of each number on.
    """
    n_numbers = -(-format.n_chips // _CHIPS_A_NUMBER)
    raw = [
        np.random.Philox(key=[format.seed, int(device)]).random_raw(n_numbers)
        for device in np.asarray(devices).reshape(-1)
    ]
    numbers = np.array(raw, "<u8").reshape(-1, n_numbers)
    bits = np.unpackbits(numbers.view(np.uint8), axis=1, bitorder="little")
    return qpsk(bits)[:, : format.n_chips]


def slot_symbols(pilots: PilotBook, format: PayloadFormat, packets: ArrayLike, devices: ArrayLike) -> NDArray:
    """What devices send in a slot (L + n_chips, K): the pilot, then the packet at the pilot's mean power."""
    columns = pilots.columns(np.asarray(devices, int))
    rms = np.sqrt(np.mean(np.abs(columns) ** 2, axis=0))
    return np.concatenate([columns, modulate(format, packets, devices).T * rms]).astype(np.complex64)
