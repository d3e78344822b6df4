# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilot books: one pilot sequence for each device, saved and loaded; `kinds` makes them."""

import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..files import PathLike
from ..numeric import decibels, sum_squares
from .archive import read_npz, write_npz
from .fields import CHECKS, FIELDS, book_fields, check_names, check_size, check_symbols, check_total
from .preambles import Preambles, preambles_of
from .structured import DftPilots, HadamardPilots, MatrixPilots, ZadoffChuPilots, eigenvalue_range

_MAX_EIGEN_LENGTH = (
    2**12
)  # symbols of pilots for which A Aᴴ is decomposed: minutes, and 1 GiB with its work space
# Sizes L·N from which transforms were faster than matrix products, for one column and for many.
_FAST_FROM = {"dft": 2**16, "zadoff_chu": 2**18, "hadamard": 2**19}


@dataclass(frozen=True, eq=False, repr=False)
class PilotBook:
    """The pilots of all devices: the columns of a (pilot_length, n_devices) matrix.

    Parameters
    ----------
    kind : str
        One of `PILOT_KINDS`, or "custom".
    pilot_length, n_devices : int
        L symbols a pilot, N devices.
    pilots : (L, N) complex64 array, optional
        The pilots themselves (kinds "gaussian", "qpsk", "custom").
    rows : (L,) int array, optional
        Rows kept of the N-point DFT matrix ("dft") or of the Sylvester-Hadamard matrix of
        the next power of two ("hadamard").
    roots, shifts : int arrays, optional
        Device n uses the Zadoff-Chu sequence of root ``roots[n // len(shifts)]``, cyclically
        shifted by ``shifts[n % len(shifts)]`` ("zadoff_chu").
    preamble_format, spacing, logical_root, cyclic_shift : optional
        Those of `preambles.Preambles`, on the subcarriers of all symbols ("nr_prach").
    device_id : (N,) str array, optional
        Names of the devices, carried into the reports.

    Raises
    ------
    ValueError
        If a field that the kind needs is missing or has a wrong shape or value.
    """

    kind: str
    pilot_length: int
    n_devices: int
    _: KW_ONLY
    pilots: np.ndarray | None = None
    rows: np.ndarray | None = None
    roots: np.ndarray | None = None
    shifts: np.ndarray | None = None
    preamble_format: str | None = None
    spacing: float | None = None
    logical_root: int | None = None
    cyclic_shift: int | None = None
    device_id: np.ndarray | None = None

    def __post_init__(self) -> None:
        pilot_length, n_devices = check_size(self.kind, self.pilot_length, self.n_devices)
        object.__setattr__(self, "pilot_length", pilot_length)
        object.__setattr__(self, "n_devices", n_devices)
        for name in FIELDS[self.kind]:
            if getattr(self, name) is None:
                raise ValueError(f"pilot book: kind {self.kind!r} needs {name!r}, which is missing")
        CHECKS[self.kind](self)
        if self.device_id is not None:
            object.__setattr__(self, "device_id", check_names(self.device_id, self.n_devices))

    def __repr__(self) -> str:
        return f"PilotBook({self.kind!r}, pilot_length={self.pilot_length}, n_devices={self.n_devices})"

    @cached_property
    def matrix(self) -> np.ndarray:
        """The pilots as a read-only (L, N) complex64 array; column n is device n's.

        ValueError if that would take more than 1 GiB.
        """
        try:
            check_total(self.pilot_length, self.n_devices)
        except ValueError as error:
            raise ValueError(f"this needs the pilots as a matrix, which is too large: {error}") from error
        structure, own = self._structure, self.preambles.matrix if self.preambles else self.pilots
        matrix = own if structure is None else structure.columns(np.arange(self.n_devices))
        matrix = np.array(matrix, dtype=np.complex64, order="C")
        matrix.setflags(write=False)
        return matrix

    @cached_property
    def preambles(self) -> Preambles | None:
        """The preambles of a book of kind "nr_prach", else None."""
        return preambles_of(self) if self.kind == "nr_prach" else None

    @property
    def is_fast(self) -> bool:
        """Whether products go by fast transforms, as for large structured books; small ones are
        faster by matrix."""
        return self.pilot_length * self.n_devices >= _FAST_FROM.get(self.kind, np.inf)

    @property
    def tight_bound(self) -> float | None:
        """c where A Aᴴ = c I by construction, else None."""
        return None if self._structure is None else self._structure.tight_bound

    def forward(self, channel: ArrayLike) -> np.ndarray:
        """A X for X (N, …): (L, …) complex, in the precision of X; see `is_fast`."""
        return self._products.forward(_rows("channel", channel, self.n_devices))

    def adjoint(self, received: ArrayLike) -> np.ndarray:
        """AᴴY for Y (L, …): (N, …) complex, in the precision of Y; see `is_fast`."""
        return self._products.adjoint(_rows("received", received, self.pilot_length))

    def columns(self, index: ArrayLike) -> np.ndarray:
        """The pilots of the devices `index`, an int array (K,), as an (L, K) complex64 array."""
        index = _indices(index, self.n_devices)
        return (self._structure or self._products).columns(index).astype(np.complex64)

    def gram(self, left: ArrayLike, right: ArrayLike) -> np.ndarray:
        """Inner products a_mᴴ a_n of the devices m in `left` (K,) and n in `right` (K',): complex128."""
        return self._products.gram(_indices(left, self.n_devices), _indices(right, self.n_devices))

    @cached_property
    def gram_eigen(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Eigenvalues (L,) float64, ascending, and eigenvectors (L, L) of A Aᴴ, computed once.

        The eigenvectors of a tight frame are None: the identity. ValueError if L is too large.
        """
        if self.tight_bound is not None:
            return np.full(self.pilot_length, self.tight_bound), None
        if self.pilot_length > _MAX_EIGEN_LENGTH:
            raise ValueError(
                f"pilot_length: expected at most {_MAX_EIGEN_LENGTH} where A Aᴴ is not a multiple of the "
                f"identity, got {self.pilot_length}; dft books, hadamard books of 2^k devices and "
                f"zadoff_chu books with all shifts of each root may be longer"
            )
        return np.linalg.eigh(self._gram())

    def _gram(self):
        """A Aᴴ, a part at a time where A is no matrix."""
        if not self.is_fast:
            matrix = self.matrix.astype(np.complex128)
            return matrix @ matrix.conj().T
        units = np.eye(self.pilot_length, dtype=np.complex128)
        parts = np.array_split(units, -(-self.pilot_length // 64), axis=1)
        return np.concatenate([self.forward(self.adjoint(part)) for part in parts], axis=1)

    @cached_property
    def energy(self) -> float:
        """Σ ‖a_n‖², over all devices."""
        return float(
            self.n_devices if self.is_fast else np.sum(sum_squares(self.matrix, axis=0), dtype=float)
        )

    @cached_property
    def coherence(self) -> float:
        """Largest normalised inner product of two different pilots (0 orthogonal, 1 equal)."""
        if self._structure is not None:
            return self._structure.coherence()
        unit = self.matrix / np.linalg.norm(self.matrix, axis=0)
        blocks = (slice(i, i + 1024) for i in range(0, self.n_devices, 1024))
        return max(_largest_off_diagonal(unit, block) for block in blocks)

    @property
    def frame_bounds(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of A Aᴴ; both are Σ‖a_n‖²/L for a tight frame."""
        if self.is_fast and self.tight_bound is None:
            return eigenvalue_range(self._structure, self.pilot_length)
        eigenvalues = self.gram_eigen[0]
        return max(float(eigenvalues[0]), 0.0), float(eigenvalues[-1])

    @property
    def papr_db(self) -> float:
        """Largest peak-to-average power ratio of any pilot, in dB, at one sample a symbol."""
        if self._structure is not None:
            return 0.0  # all symbols have the same magnitude
        power = np.abs(self.matrix) ** 2
        return float(decibels(max(np.max(power.max(axis=0) / power.mean(axis=0)), 1)))

    def tight_extension(self) -> tuple[Any, np.ndarray]:
        """For a structured book: pilots with A Aᴴ = c I that contain these (see `structured`), and where."""
        return self._structure.tight_extension()

    @cached_property
    def _structure(self):
        return _STRUCTURES[self.kind](self) if self.kind in _STRUCTURES else None

    @cached_property
    def _products(self):
        return self._structure if self.is_fast else MatrixPilots(self.matrix)

    def save(self, path: PathLike) -> None:
        """Write the book to an ``.npz`` file (no pickle), at once; structured kinds store no matrix.

        Raises
        ------
        OSError
            If it cannot be written; a file that was there before is as it was.
        """
        sizes = {"kind": self.kind, "pilot_length": self.pilot_length, "n_devices": self.n_devices}
        arrays = {name: getattr(self, name) for name in FIELDS[self.kind]}
        if self.device_id is not None:
            arrays["device_id"] = np.asarray(self.device_id, dtype=str)
        write_npz(path, sizes | arrays)


def load_pilots(path: PathLike) -> PilotBook:
    """Read a pilot book written by `PilotBook.save`, or any ``.npz`` with an array ``pilots``.

    An array alone does not say which of its axes is the devices': one with more rows than columns, which
    is a book of pilots longer than there are devices, is taken with a warning.

    Raises
    ------
    ValueError
        If the file is not such a book (corrupt, pickled, wrong shapes); the message says what.
    OSError
        If the file cannot be opened.
    """
    arrays = read_npz(path, "pilot book")
    try:
        return _book_from_arrays(arrays, path)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a pilot book: {error}") from error


def as_pilot_book(pilots: PilotBook | ArrayLike) -> PilotBook:
    """`pilots` itself if it is a `PilotBook`, else a "custom" book of that (L, N) array."""
    if isinstance(pilots, PilotBook):
        return pilots
    array = np.asarray(pilots)
    if array.ndim != 2 or array.dtype.kind not in "fciu":
        raise ValueError(f"pilots: expected a numeric (L, N) array, got shape {array.shape} of {array.dtype}")
    check_symbols(array)
    length, count = array.shape
    return PilotBook("custom", length, count, pilots=array.astype(np.complex64))


def _book_from_arrays(arrays: dict[str, np.ndarray], path: PathLike) -> PilotBook:
    if "kind" in arrays or "pilots" not in arrays:
        return PilotBook(**book_fields(arrays))
    book, names = as_pilot_book(arrays["pilots"]), arrays.get("device_id")
    rows, columns = book.pilot_length, book.n_devices
    if names is not None and names.shape == (rows,) != (columns,):
        raise ValueError(
            f"pilots: expected (L, N), one column for each of {rows} names in device_id, got ({rows}, "
            f"{columns}), which is transposed"
        )
    named = PilotBook("custom", rows, columns, pilots=book.pilots, device_id=names)
    if rows > columns:
        warnings.warn(
            f"{path}: pilots of shape ({rows}, {columns}) are taken as {rows} symbols of {columns} devices; "
            'if they are those of that many devices, save the transpose (pilots=A.T); kind="custom", '
            f"pilot_length={rows} and n_devices={columns} beside them say that this is meant",
            stacklevel=3,
        )
    return named


def _rows(name: str, array: ArrayLike, count: int) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim < 1 or len(array) != count or array.dtype.kind not in "fc":
        raise ValueError(
            f"{name}: expected floating-point rows ({count}, …), got shape {array.shape} of {array.dtype}"
        )
    return array


def _indices(index: ArrayLike, n_devices: int) -> np.ndarray:
    index = np.asarray(index)
    if index.ndim != 1 or index.dtype.kind not in "iu" or np.any((index < 0) | (index >= n_devices)):
        raise ValueError(
            f"index: expected integers from 0 to {n_devices - 1} in one row, got {index.dtype} {index.shape}"
        )
    return index.astype(np.int64)


def _largest_off_diagonal(unit, block):
    products = np.abs(unit[:, block].conj().T @ unit)
    products[np.arange(len(products)), np.arange(block.start, block.start + len(products))] = 0
    return float(products.max())


_STRUCTURES: dict[str, Callable[[Any], Any]] = {
    "dft": lambda book: DftPilots(book.rows, book.n_devices),
    "hadamard": lambda book: HadamardPilots(book.rows, book.n_devices),
    "zadoff_chu": lambda book: ZadoffChuPilots(book.roots, book.shifts, book.pilot_length, book.n_devices),
}
