# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots with a structure: products A X and AᴴY by fast transforms, in O(N log N) operations a column.

Nothing here holds an array of size L × N, and all results keep the precision of what is given. Each
class has

* ``forward(X)``, (N, …) → A X (L, …), and ``adjoint(Y)``, (L, …) → AᴴY (N, …);
* ``columns(index)`` → (L, K) complex128, the pilots of some devices, and ``gram(left, right)`` →
  (K, K') complex128, their inner products;
* ``tight_bound``, c where A Aᴴ = c I, else None, and ``tight_extension()``, pilots with more devices
  for which there is one, and where in them these are, a (N,) int array;
* ``coherence()``, the largest |inner product| of two pilots, which all have unit norm.
"""

from functools import cached_property
from typing import Any

import numpy as np
import scipy  # which loads its parts where they are first used
from numpy.typing import ArrayLike


class MatrixPilots:
    """Any pilots, as a complex64 matrix (L, N): the same products by matrix multiplication."""

    tight_bound = None

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = {matrix.dtype: matrix}

    def forward(self, X: np.ndarray) -> np.ndarray:
        matrix = self._in(X.dtype)
        return (matrix @ X.reshape(len(X), -1)).reshape(len(matrix), *X.shape[1:])

    def adjoint(self, Y: np.ndarray) -> np.ndarray:
        matrix = self._in(Y.dtype)
        X = matrix.T @ Y.reshape(len(Y), -1).conj()  # conjugates what is small, not the matrix
        return np.conj(X, out=X).reshape(matrix.shape[1], *Y.shape[1:])

    def columns(self, index: np.ndarray) -> np.ndarray:
        return self._in(np.complex64)[:, index].astype(np.complex128)

    def gram(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return self.columns(left).conj().T @ self.columns(right)

    def _in(self, dtype):
        """The matrix in the precision of a product with `dtype`; each is kept."""
        dtype = np.result_type(dtype, np.complex64)
        if dtype not in self._matrix:
            self._matrix[dtype] = next(iter(self._matrix.values())).astype(dtype)
        return self._matrix[dtype]


class DftPilots:
    """Rows of the N-point DFT matrix, divided by √L."""

    def __init__(self, rows: ArrayLike, n_devices: int) -> None:
        self.rows, self.n_devices = np.asarray(rows, dtype=np.int64), n_devices
        self.tight_bound = n_devices / len(self.rows)

    def forward(self, X: np.ndarray) -> np.ndarray:
        return scipy.fft.fft(_as_complex(X), axis=0)[self.rows] * _scale(X, len(self.rows))

    def adjoint(self, Y: np.ndarray) -> np.ndarray:
        spread = _spread(self.n_devices, self.rows, Y) * _scale(Y, len(self.rows))
        return scipy.fft.ifft(spread, axis=0, norm="forward", overwrite_x=True)

    def tight_extension(self) -> tuple["DftPilots", np.ndarray]:
        return self, np.arange(self.n_devices)

    def columns(self, index: np.ndarray) -> np.ndarray:
        phase = np.outer(self.rows, index) % self.n_devices
        return np.exp(-2j * np.pi * phase / self.n_devices) / np.sqrt(len(self.rows))

    def gram(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return self._inner_products[np.subtract.outer(left, right) % self.n_devices]

    def coherence(self) -> float:
        return float(np.abs(self._inner_products[1:]).max(initial=0))

    @cached_property
    def _inner_products(self):
        """a_mᴴ a_n by m − n modulo N."""
        return self.adjoint(np.full(len(self.rows), 1 / np.sqrt(len(self.rows)), np.complex128))


class HadamardPilots:
    """Rows, and the first N columns, of the Sylvester-Hadamard matrix of order 2^k ≥ N, divided by √L."""

    def __init__(self, rows: ArrayLike, n_devices: int) -> None:
        self.rows, self.n_devices = np.asarray(rows, dtype=np.int64), n_devices
        self.order = hadamard_order(n_devices)
        self.tight_bound: float | None = n_devices / len(self.rows) if n_devices == self.order else None

    def forward(self, X: np.ndarray) -> np.ndarray:
        padded = _as_complex(X) if len(X) == self.order else _spread(self.order, slice(len(X)), X)
        return hadamard_transform(padded)[self.rows] * _scale(X, len(self.rows))

    def adjoint(self, Y: np.ndarray) -> np.ndarray:
        spread = _spread(self.order, self.rows, Y) * _scale(Y, len(self.rows))
        return hadamard_transform(spread)[: self.n_devices]

    def tight_extension(self) -> tuple["HadamardPilots", np.ndarray]:
        return HadamardPilots(self.rows, self.order), np.arange(self.n_devices)

    def columns(self, index: np.ndarray) -> np.ndarray:
        bits = np.bitwise_and.outer(self.rows, index)
        for shift in (32, 16, 8, 4, 2, 1):  # the parity of all bits ends in the lowest
            bits ^= bits >> shift
        return (1 - 2 * (bits & 1)) / np.sqrt(len(self.rows)) + 0j

    def gram(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return self._inner_products[np.bitwise_xor.outer(left, right)]

    def coherence(self) -> float:
        # Some two of the first N columns have any index but 0 as exclusive or: N > order/2.
        return float(np.abs(self._inner_products[1:]).max(initial=0))

    @cached_property
    def _inner_products(self):
        """a_mᴴ a_n by the exclusive or of m and n."""
        spread = _spread(self.order, self.rows, np.full(len(self.rows), 1 / len(self.rows), np.complex128))
        return hadamard_transform(spread)


class ZadoffChuPilots:
    """Cyclic shifts of Zadoff-Chu sequences; those of a root are an orthonormal basis, and FFTs correlate."""

    def __init__(self, roots: ArrayLike, shifts: ArrayLike, length: int, n_devices: int) -> None:
        device, shifts = np.arange(n_devices), np.asarray(shifts, dtype=np.int64)
        self.n_devices, self.root, self.shift = n_devices, device // len(shifts), shifts[device % len(shifts)]
        self.roots = np.asarray(roots, dtype=np.int64)[: self.root[-1] + 1]
        self.length, self.places = length, self.root * length + self.shift
        complete = n_devices == len(self.roots) * length
        self.tight_bound = float(len(self.roots)) if complete else None
        spectrum = scipy.fft.fft(self._sequences(), axis=1)
        mirrored = np.roll(spectrum[:, ::-1], 1, axis=1).conj()
        self._spectra = {dtype: (spectrum.astype(dtype), mirrored.astype(dtype)) for dtype in "FD"}

    def forward(self, X: np.ndarray) -> np.ndarray:
        spread = _spread(len(self.roots) * self.length, self.places, X.reshape(len(X), -1))
        spread = spread.reshape(len(self.roots), self.length, -1)
        spectra = scipy.fft.ifft(spread, axis=1, norm="forward", overwrite_x=True)
        total = np.einsum("rl,rlc->lc", self._spectra[spread.dtype.char][0], spectra)
        return scipy.fft.ifft(total, axis=0, overwrite_x=True).reshape(self.length, *X.shape[1:])

    def adjoint(self, Y: np.ndarray) -> np.ndarray:
        spectrum = scipy.fft.ifft(_as_complex(Y.reshape(self.length, -1)), axis=0, norm="forward")
        spectra = self._spectra[spectrum.dtype.char][1][:, :, None] * spectrum
        X = scipy.fft.ifft(spectra, axis=1, overwrite_x=True).reshape(len(self.roots) * self.length, -1)
        return X[self.places].reshape(len(self.places), *Y.shape[1:])

    def tight_extension(self) -> tuple["ZadoffChuPilots", np.ndarray]:
        count = len(self.roots) * self.length
        return ZadoffChuPilots(self.roots, np.arange(self.length), self.length, count), self.places

    def columns(self, index: np.ndarray) -> np.ndarray:
        symbol = np.arange(self.length)[:, None]
        return self._sequences()[self.root[index], (symbol + self.shift[index]) % self.length]

    def gram(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        out = np.empty((len(left), len(right)), np.complex128)
        for a in np.unique(self.root[left]):
            for b in np.unique(self.root[right]):
                rows, columns = np.flatnonzero(self.root[left] == a), np.flatnonzero(self.root[right] == b)
                lag = np.subtract.outer(self.shift[left][rows], self.shift[right][columns])
                out[np.ix_(rows, columns)] = self._correlation(a, b)[lag % self.length]
        return out

    def coherence(self) -> float:
        pairs = [(a, b) for a in range(len(self.roots)) for b in range(a)]
        return max(
            (float(np.abs(self._correlation(*pair))[self._lags(*pair)].max()) for pair in pairs), default=0.0
        )

    def _correlation(self, a, b):
        """a_mᴴ a_n of devices with roots a and b, by the shift of m less the shift of n."""
        spectra = self._spectra["D"][0]
        return scipy.fft.ifft(spectra[a] * spectra[b].conj()).conj()

    def _lags(self, a, b):
        """Which differences of shifts devices with roots a and b have."""
        used = np.zeros((2, self.length))
        for row, root in zip(used, (a, b), strict=True):
            row[self.shift[self.root == root]] = 1
        spectrum = scipy.fft.fft(used, axis=1)
        return scipy.fft.ifft(spectrum[0] * spectrum[1].conj()).real > 0.5

    def _sequences(self):
        symbol = np.arange(self.length)
        exponent = np.outer(self.roots, symbol * (symbol + self.length % 2)) % (2 * self.length)
        return np.exp(-1j * np.pi * exponent / self.length) / np.sqrt(self.length)


def eigenvalue_range(pilots: Any, pilot_length: int) -> tuple[float, float]:
    """Smallest and largest eigenvalue of A Aᴴ, by the Lanczos method, to four digits."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator(
        (pilot_length, pilot_length), lambda y: pilots.forward(pilots.adjoint(y.ravel())), dtype=np.complex128
    )
    start = np.random.default_rng(0).standard_normal(pilot_length) + 0j  # the same answer each time
    low, high = eigsh(operator, 2, which="BE", v0=start, tol=1e-5, return_eigenvectors=False)
    return float(low), float(high)


def hadamard_order(n_devices: int) -> int:
    """The smallest power of two that is at least N."""
    return 1 << max(n_devices - 1, 0).bit_length()


def hadamard_transform(X: np.ndarray) -> np.ndarray:
    """The Sylvester-Hadamard matrix of order len(X), a power of two, times X (order, …), real or complex.

    It is a Kronecker product of small ones. Each matrix product does one, and moves its axis from the
    first place to the last; so at the end the columns are first.
    """
    order, shape, dtype = len(X), X.shape, X.dtype
    real = np.ascontiguousarray(X).reshape(order, -1).view(_real(dtype))
    while order > 1:
        factor = min(order, 16)
        real = real.reshape(factor, -1).T @ _small_hadamard(factor, real.dtype)
        order //= factor
    return np.ascontiguousarray(real.reshape(-1, shape[0]).T).view(dtype).reshape(shape)


def _small_hadamard(order, dtype):
    matrix = np.ones((1, 1), dtype)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _spread(length, places, values):
    """Zeros (length, …), complex, but for `values` at the indices `places`."""
    spread = np.zeros((length, *values.shape[1:]), np.result_type(values, np.complex64))
    spread[places] = values
    return spread


def _as_complex(array):
    return array.astype(np.result_type(array, np.complex64), copy=False)


def _real(dtype):
    return np.zeros(0, dtype).real.dtype


def _scale(array, length):
    """1/√L in the precision of `array`, so that a product keeps it."""
    return _real(np.result_type(array, np.complex64)).type(1 / np.sqrt(length))
