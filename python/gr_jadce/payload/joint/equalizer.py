# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear equaliser of least mean square error, of all symbols of all devices of a slot together.

With h_kj what symbol j of device k puts into the slot (its signature: antennas × the chips over which the
pulse spreads it), y what the antennas have without the pilots, in noise of variance 1,

    x̂ = P Hᴴy    P = (I + HᴴH)⁻¹.

A signature reaches into the neighbouring block of symbols at most, so HᴴH is block tridiagonal, with
blocks A_i beside C_i, and P is found by elimination forward and substitution backward:

    Δ_i = A_i − C_{i−1}ᴴ Δ_{i−1}⁻¹ C_{i−1}      v_i = z_i − C_{i−1}ᴴ Δ_{i−1}⁻¹ v_{i−1}
    x̂_i = Δ_i⁻¹ (v_i − C_i x̂_{i+1})            P_ii = Δ_i⁻¹ + Δ_i⁻¹ C_i P_{i+1,i+1} C_iᴴ Δ_i⁻¹

x̂ is (1 − p) times the symbol, p its place on P's diagonal, so x̂/(1 − p) is unbiased, of variance p/(1 − p).
"""

from math import ceil

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...backend import kernel_for
from ...waveform import raised_cosine
from .slots import Slots, carrier

_REACH = 4  # chips from its middle to which a pulse is taken
_SLACK = 0.75  # chips: by which a pulse may be late before its window reaches further
_MOST_COMPILED = 64  # symbols of a block
_LEAST = 1e-6  # of 1 − p


def equalized(
    slots: Slots, rest: NDArray, *, backend: str = "auto", threads: int = 1
) -> tuple[NDArray, NDArray]:
    """Unbiased symbols (B, K, D) and their variances of the devices that are not decoded.

    `rest` (B, T, M): the frames without pilots and decoded devices.
    """
    symbols = np.empty((*slots.device.shape, slots.spread.shape[2]), np.complex64)
    variance = np.empty(symbols.shape, np.float32)
    reach = np.stack([slots.delay.min(axis=(1, 2), initial=0), slots.delay.max(axis=(1, 2), initial=0)])
    reach = np.ceil(np.abs(reach) - _SLACK).clip(0).astype(int)  # (2, B)
    for one in np.unique(reach, axis=1).T:  # slots alike: most have no delay beyond the slack
        own = np.flatnonzero((reach == one[:, None]).all(axis=0))
        part = slots if len(own) == len(rest) else slots.part(own)
        symbols[own], variance[own] = _equalized(part, rest[own], one, backend, threads)
    return symbols, variance


def _equalized(
    slots: Slots, rest: NDArray, reach: NDArray, backend: str, threads: int
) -> tuple[NDArray, NDArray]:
    gain = np.where(slots.decoded[:, :, None, None], 0, slots.gain)
    solution, variance = solved(*_signatures(slots, gain, rest, reach), backend=backend, threads=threads)
    n_symbols = slots.spread.shape[2]
    shape = (*slots.device.shape, -1)
    symbols, p = (
        np.moveaxis(part.reshape(*part.shape[:2], shape[1], -1), 2, 1).reshape(shape)[..., :n_symbols]
        for part in (solution, variance)
    )
    kept = np.maximum(1 - p, _LEAST)
    return symbols / kept, p / kept


def solved(
    signatures: NDArray, windows: NDArray, overlap: int, *, backend: str = "auto", threads: int = 1
) -> tuple[NDArray, NDArray]:
    """x̂ (B, I, n) and the diagonal of P (B, I, n), of what `_signatures` gives."""
    kernel = kernel_for(backend)
    if kernel is None or signatures.shape[2] > _MOST_COMPILED:
        return tridiagonal(*_normal(signatures, windows, overlap))
    return kernel.equalize(signatures, np.ascontiguousarray(windows), overlap, threads)


def _signatures(slots: Slots, gain: NDArray, rest: NDArray, reach: NDArray) -> tuple[NDArray, NDArray, int]:
    """Signatures (B, I, K·g, W·M) of I blocks of g symbols, what is received there (B, I, W·M), and how
    many values two of these share.

    A block's window of W symbols begins `before` ahead of it; `reach`: chips by which devices are earlier,
    and later, than a window without them allows for.
    """
    n_slots, n_devices, n_symbols, n_chips = slots.spread.shape
    before, after = _REACH + int(reach[0]), _REACH + int(reach[1])
    size = ceil((before + after - _REACH) / n_chips)  # symbols of a block
    count = ceil(n_symbols / size)
    chips = np.zeros((n_slots, n_devices, count * size, n_chips), np.complex64)
    chips[:, :, :n_symbols] = slots.spread
    chips = chips.reshape(n_slots, n_devices, count, size, n_chips)
    width, step = before + size * n_chips + after, size * n_chips
    first, beyond = slots.n_pilot - before, max(count * step + after - n_symbols * n_chips, 0)
    ends = ((0, 0), (max(-first, 0), beyond), (0, 0))
    window = _windows(np.pad(rest, ends), max(first, 0), width, step, count)  # (B, I, M, W)
    turn = np.pad(np.swapaxes(carrier(slots.phase), 1, 2), ends)  # nothing is heard beyond the slot
    late = _late(slots, chips, before, width)
    late *= _windows(turn, max(first, 0), width, step, count)[:, :, :, None, None]
    own = _through(late, gain.astype(np.complex64))
    shape = (n_slots, count, n_devices * size, -1)
    return (
        own.reshape(shape),
        np.swapaxes(window, 2, 3).reshape(n_slots, count, -1),
        (before + after) * gain.shape[3],
    )


def _late(slots: Slots, chips: NDArray, before: int, width: int) -> NDArray:
    """What chips (B, K, I, g, S) are over each path (B, I, K, g, P, W), but for gains and carriers."""
    n_slots, n_devices, _, size, n_chips = chips.shape
    time = np.arange(width) - before - np.arange(size * n_chips)[:, None]
    pulse = raised_cosine(time - slots.delay[..., None, None], slots.roll_off).astype(np.complex64)
    pulse = np.moveaxis(pulse.reshape(n_slots, n_devices, -1, size, n_chips, width), 2, 4)
    by_chip = pulse.reshape(n_slots, n_devices, size, n_chips, -1)
    late = np.swapaxes(chips, 2, 3) @ by_chip  # (B, K, g, I, P·W)
    late = late.reshape(*late.shape[:4], -1, width)
    return np.ascontiguousarray(late.transpose(0, 3, 1, 2, 4, 5))


def _through(late: NDArray, gain: NDArray) -> NDArray:
    """Signatures (B, I, K, g, W, M) of what comes over each path (B, I, K, g, P, W)."""
    if gain.shape[2] == 1:
        return np.swapaxes(late, 4, 5) * gain[:, None, :, None]
    return np.swapaxes(late, 4, 5) @ gain[:, None, :, None]


def _windows(series: NDArray, first: int, width: int, step: int, count: int) -> NDArray:
    """Windows (B, I, C, W) of a series (B, T, C)."""
    return sliding_window_view(series, width, axis=1)[:, first::step][:, :count]


def _normal(signatures: NDArray, windows: NDArray, overlap: int) -> tuple[NDArray, NDArray, NDArray]:
    """A (B, I, n, n), C (B, I − 1, n, n) and z (B, I, n) of the normal equations, of overlapping windows."""
    conjugate = signatures.conj()
    diagonal = conjugate @ np.swapaxes(signatures, 2, 3) + np.eye(signatures.shape[2], dtype=np.complex64)
    beside = conjugate[:, :-1, :, -overlap:] @ np.swapaxes(signatures[:, 1:, :, :overlap], 2, 3)
    return diagonal, beside, (conjugate @ windows[..., None])[..., 0]


def tridiagonal(diagonal: NDArray, beside: NDArray, right: NDArray) -> tuple[NDArray, NDArray]:
    """x (B, I, n) of the block tridiagonal system, and the diagonal (B, I, n) of its inverse."""
    count = diagonal.shape[1]
    inverse, left = np.empty_like(diagonal), right[..., None].copy()
    for i in range(count):
        block = diagonal[:, i]
        if i:
            gone = np.swapaxes(beside[:, i - 1], 1, 2).conj() @ inverse[:, i - 1]
            block = block - gone @ beside[:, i - 1]
            left[:, i] -= gone @ left[:, i - 1]
        inverse[:, i] = np.linalg.inv(block)
    variance = np.empty(right.shape, np.float32)
    covariance = inverse[:, -1]
    for i in range(count - 1, -1, -1):
        if i < count - 1:
            step = inverse[:, i] @ beside[:, i]
            covariance = inverse[:, i] + step @ covariance @ np.swapaxes(step, 1, 2).conj()
            left[:, i] -= beside[:, i] @ left[:, i + 1]
        left[:, i] = inverse[:, i] @ left[:, i]
        variance[:, i] = np.diagonal(covariance, axis1=1, axis2=2).real
    return left[..., 0], variance
