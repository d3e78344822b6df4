# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that were missed, found by their data in what all others leave of a slot.

A pilot is short, the data are long. Despread by the sequence of a device that is there, at its delay, the D
symbols z_j (M,) of what is left have a covariance R of one strong direction; by any other sequence they have
that of the chips, Ψ. So the largest eigenvalue λ of Ψ⁻¹R tells, without any knowledge of symbols or channel:
where no device is, it hardly exceeds (1 + √(M/D))², the edge of the eigenvalues of random covariances. The
pilot then gives the phase of the channel. Whether the device is there its check sum shows.
"""

from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from .filling import Device, Filling
from .slots import response

_DELAY_STEP = 0.5  # symbols
_OVER_EDGE = 1.12  # times the edge: eigenvalue from which a device is tried
_OVER_EDGE_OF_CHIPS = 1.08  # of their eigenvalues, below which nobody is looked for
_MOST = 2  # devices tried at once
_LEAST = 1e-9


class MissedSearch:
    """Looks for missed devices in what is left of slots.

    Parameters
    ----------
    filling : Filling
    max_delay : float
        Devices are late by within ± so many symbols.
    """

    def __init__(self, filling: Filling, max_delay: float) -> None:
        self._filling = filling
        count = 2 * ceil(max_delay / _DELAY_STEP) + 1
        self._delays = np.linspace(-max_delay, max_delay, count)
        devices = range(filling.pilots.n_devices)
        self._pilots = np.stack([filling.sent_by(device)[0] for device in devices])  # (N, L)
        spread = np.stack([filling.sent_by(device)[1] for device in devices])  # (N, D, S)
        self._conjugate = spread.conj() / np.sqrt(np.sum(np.abs(spread) ** 2, axis=2, keepdims=True))
        self._n_symbols = filling.format.n_symbols

    def find(self, rest: NDArray, known: list[set[int]]) -> list[list[Device]]:
        """Devices to be tried in slots, of what is left of them (B, T, M), whitened, but those known."""
        return [self._find(one, own) for one, own in zip(rest, known, strict=True)]

    def _find(self, rest: NDArray, known: set[int]) -> list[Device]:
        edge = _OVER_EDGE * (1 + sqrt(rest.shape[1] / self._n_symbols)) ** 2
        if not self._is_anything(rest):
            return []
        moved = self._earlier(rest)  # (F, T, M)
        root = [_inverse_root(one[self._pilots.shape[1] :]) for one in moved]
        value, direction = self._eigenvalues(moved, np.array(root))  # (N, F), (N, F, M)
        value[list(known)] = 0
        best = np.argsort(-value.max(axis=1))[:_MOST]
        places = [(n, int(value[n].argmax())) for n in best if value[n].max() > edge]
        return [self._device(n, f, moved[f], direction[n, f]) for n, f in places]

    def _is_anything(self, rest: NDArray) -> bool:
        """Whether the chips have a direction of their own; of one antenna they may."""
        chips = rest[self._pilots.shape[1] :]
        n_antennas = chips.shape[1]
        if n_antennas == 1:
            return True
        values = np.linalg.eigvalsh(chips.conj().T @ chips / len(chips))
        edge = (1 + sqrt(n_antennas / len(chips))) ** 2
        return bool(values[-1] > _OVER_EDGE_OF_CHIPS * edge * np.mean(values[:-1]))

    def _earlier(self, rest: NDArray) -> NDArray:
        """What is left, each delay taken back (F, T, M)."""
        size = len(rest)
        spectrum = np.fft.fft(rest, axis=0)
        back = response(self._delays, size, self._filling.roll_off).conj()
        return np.fft.ifft(spectrum * back[..., None], axis=1).astype(np.complex64)

    def _eigenvalues(self, moved: NDArray, root: NDArray) -> tuple[NDArray, NDArray]:
        """The largest λ of each device and delay (N, F), and the direction (N, F, M) of its channel."""
        n_symbols, n_chips = self._conjugate.shape[1:]
        chips = (moved @ root)[:, self._pilots.shape[1] :].reshape(len(moved), n_symbols, n_chips, -1)
        by_symbol = np.moveaxis(chips, 0, 2).reshape(n_symbols, n_chips, -1)
        symbols = np.swapaxes(self._conjugate, 0, 1) @ by_symbol  # (D, N, F·M)
        symbols = np.ascontiguousarray(symbols.reshape(n_symbols, -1, *root.shape[:2]).transpose(1, 2, 3, 0))
        covariance = _covariance(symbols)
        values, vectors = np.linalg.eigh(covariance)
        return values[..., -1], (vectors[..., -1].conj()[:, :, None] @ np.linalg.inv(root))[:, :, 0]

    def _device(self, number: int, which: int, moved: NDArray, direction: NDArray) -> Device:
        """A device whose channel has that direction; phase and size its pilot tells."""
        pilot = self._pilots[number]
        gain = pilot.conj() @ moved[: len(pilot)] / max(float(np.sum(np.abs(pilot) ** 2)), _LEAST)
        share = np.vdot(direction, gain) / max(float(np.sum(np.abs(direction) ** 2)), _LEAST)
        return Device(int(number), (share * direction)[None], self._delays[which : which + 1], 0.0)


def _covariance(symbols: NDArray) -> NDArray:
    """Covariances (…, M, M) of symbols (…, M, D); of one antenna without a product of matrices."""
    if symbols.shape[-2] == 1:
        return np.mean(np.abs(symbols) ** 2, axis=-1, keepdims=True)
    return symbols.conj() @ np.swapaxes(symbols, -1, -2) / symbols.shape[-1]


def _inverse_root(rows: NDArray) -> NDArray:
    """What whitens rows (R, M): rows @ it has the covariance I."""
    covariance = rows.conj().T @ rows / len(rows)
    return np.linalg.inv(np.linalg.cholesky(covariance + _LEAST * np.eye(len(covariance)))).conj().T
