# SPDX-License-Identifier: GPL-3.0-or-later
"""The code of a packet: CRC-32, convolutional code of constraint length 7 and rate ½, interleaver.

The code is that of `fec.cc_encoder` (polynomials 133 and 171, octal; terminated), and the tests compare both.
The decoder there belongs to GNU Radio, and this package has to run from a wheel without it; Debian's other
libraries with one (VOLK, liquid, IT++) have no Python bindings there. So `viterbi` is our own.
"""

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .format import CRC_BITS, TAIL_BITS, PayloadFormat
from .viterbi import POLYNOMIALS, viterbi

_INTERLEAVER = 2**64 - 1  # second half of its key; of sequences it is the device


def encode(format: PayloadFormat, packets: ArrayLike, devices: ArrayLike) -> NDArray:
    """Coded and interleaved bits of packets.

    Parameters
    ----------
    format : PayloadFormat
    packets : (K, n_bytes) uint8 array
    devices : (K,) int array
        Whose packets they are: their numbers are in the check sums, so that a packet passes for its own
        device only.

    Returns
    -------
    (K, n_bits) uint8 array

    Raises
    ------
    ValueError
        If the packets are not of the format, or not one for each device.
    """
    packets, devices = checked_packets(format, packets, devices)
    sums = [check_sum(row.tobytes(), number) for row, number in zip(packets, devices.tolist(), strict=True)]
    whole = np.concatenate([packets, np.array(sums, ">u4").reshape(-1, 1).view(np.uint8)], axis=1)
    bits = np.unpackbits(whole, axis=1)
    return convolved(bits)[:, interleaver(format)]


def decode(
    format: PayloadFormat, llr: ArrayLike, devices: ArrayLike, *, backend: str = "auto"
) -> tuple[NDArray, NDArray]:
    """Packets of the likeliest code words, and whether their check sums hold.

    Parameters
    ----------
    format : PayloadFormat
    llr : (K, n_bits) array
        ln P(bit = 0) / P(bit = 1) of each coded bit, as `encode` gives them; a common factor does not matter.
    devices : (K,) int array
    backend : {"auto", "numpy", "kernel"}

    Returns
    -------
    packets : (K, n_bytes) uint8 array
    crc_ok : (K,) bool array

    Raises
    ------
    ValueError
        If `llr` has the wrong shape.
    """
    llr, devices = np.asarray(llr, np.float32), np.asarray(devices, np.int64).reshape(-1)
    if llr.shape != (len(devices), format.n_bits):
        raise ValueError(f"llr: expected the shape ({len(devices)}, {format.n_bits}), got {llr.shape}")
    coded = np.empty_like(llr)
    coded[:, interleaver(format)] = llr
    bits = viterbi(coded, backend=backend)[:, :-TAIL_BITS]
    whole = np.packbits(bits, axis=1)
    packets = np.ascontiguousarray(whole[:, : -CRC_BITS // 8])
    sums = np.ascontiguousarray(whole[:, -CRC_BITS // 8 :]).view(">u4")[:, 0]
    passed = [
        check_sum(row.tobytes(), int(number)) == int(found)
        for row, number, found in zip(packets, devices, sums, strict=True)
    ]
    return packets, np.array(passed, bool)


def check_sum(data: bytes, device: int) -> int:
    """CRC-32 (that of zlib) of the device's number, four bytes with the least first, and of the data."""
    return zlib.crc32(data, zlib.crc32(device.to_bytes(4, "little")))


def convolved(bits: NDArray) -> NDArray:
    """Code words (K, 2(n + 6)) of bits (K, n): of every bit one of each polynomial, zeros at the end."""
    padded = np.pad(bits, ((0, 0), (TAIL_BITS, TAIL_BITS)))
    n_steps = bits.shape[1] + TAIL_BITS
    coded = np.zeros((len(bits), n_steps, 2), np.uint8)
    for number, polynomial in enumerate(POLYNOMIALS):
        for age in range(TAIL_BITS + 1):
            if polynomial >> age & 1:
                start = TAIL_BITS - age
                coded[:, :, number] ^= padded[:, start : start + n_steps]
    return coded.reshape(len(bits), 2 * n_steps)


def interleaver(format: PayloadFormat) -> NDArray:
    """Which coded bit (n_bits,) is sent at each place: the order of random numbers of the seed."""
    key = np.array([format.seed, _INTERLEAVER], np.uint64)
    numbers = np.random.Philox(key=key).random_raw(format.n_bits)
    return np.argsort(numbers, kind="stable")


def checked_packets(format: PayloadFormat, packets: ArrayLike, devices: ArrayLike) -> tuple[NDArray, NDArray]:
    """Packets (K, n_bytes) and devices (K,) as arrays; ValueError if they are not of the format."""
    packets, devices = np.asarray(packets), np.asarray(devices, np.int64).reshape(-1)
    expected = len(devices), format.n_bytes
    if packets.shape != expected or packets.dtype != np.uint8:
        raise ValueError(f"packets: expected {expected} of uint8, got {packets.shape} of {packets.dtype}")
    if devices.size and not (0 <= devices.min() and devices.max() < 2**32):
        raise ValueError(f"devices: expected numbers from 0 to {2**32 - 1}, got {devices}")
    return np.ascontiguousarray(packets), devices
