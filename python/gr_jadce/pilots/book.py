# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilot books: one pilot sequence for each device, made from a seed, saved and loaded."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from .archive import read_npz
from .structured import (
    DftPilots,
    HadamardPilots,
    MatrixPilots,
    ZadoffChuPilots,
    eigenvalue_range,
    hadamard_order,
)

PILOT_KINDS = ("gaussian", "qpsk", "dft", "hadamard", "zadoff_chu")
_MOST_ENTRIES = 2**27  # of a matrix: 1 GiB
_MOST_DEVICES = 2**24  # and symbols a pilot, of a structured book, which stores no matrix
_LONGEST_EIGEN = 2**12  # pilots for which A Aᴴ is decomposed: minutes, and 1 GiB with its work space
# Sizes L·N from which transforms were faster than matrix products, for one column and for many.
_FAST_FROM = {"dft": 2**16, "zadoff_chu": 2**18, "hadamard": 2**19}
# What a book of each kind stores; "custom" is any matrix of the user's own.
_FIELDS = {
    "gaussian": ("pilots",),
    "qpsk": ("pilots",),
    "custom": ("pilots",),
    "dft": ("rows",),
    "hadamard": ("rows",),
    "zadoff_chu": ("roots", "shifts"),
}


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
    pilots: np.ndarray | None = None
    rows: np.ndarray | None = None
    roots: np.ndarray | None = None
    shifts: np.ndarray | None = None
    device_id: np.ndarray | None = None

    def __post_init__(self):
        _check_size(self.kind, self.pilot_length, self.n_devices)
        for name in _FIELDS[self.kind]:
            if getattr(self, name) is None:
                raise ValueError(f"pilot book: kind {self.kind!r} needs {name!r}, which is missing")
        _CHECKS[self.kind](self)
        if self.device_id is not None:
            object.__setattr__(self, "device_id", _checked_names(self.device_id, self.n_devices))

    def __repr__(self):
        return f"PilotBook({self.kind!r}, pilot_length={self.pilot_length}, n_devices={self.n_devices})"

    @cached_property
    def matrix(self) -> np.ndarray:
        """The pilots as a read-only (L, N) complex64 array; column n is device n's.

        ValueError if that would take more than 1 GiB.
        """
        try:
            _check_total(self.pilot_length, self.n_devices)
        except ValueError as error:
            raise ValueError(f"this needs the pilots as a matrix, which is too large: {error}") from error
        structure = self._structure
        matrix = self.pilots if structure is None else structure.columns(np.arange(self.n_devices))
        matrix = np.array(matrix, dtype=np.complex64, order="C")
        matrix.setflags(write=False)
        return matrix

    @property
    def is_fast(self) -> bool:
        """Whether products go by fast transforms, as for large structured books; small ones are
        faster by matrix."""
        return self.pilot_length * self.n_devices >= _FAST_FROM.get(self.kind, np.inf)

    @property
    def tight_bound(self) -> float | None:
        """c where A Aᴴ = c I by construction, else None."""
        return None if self._structure is None else self._structure.tight_bound

    def forward(self, channel) -> np.ndarray:
        """A X for X (N, …): (L, …) complex, in the precision of X; see `is_fast`."""
        return self._products.forward(_rows("channel", channel, self.n_devices))

    def adjoint(self, received) -> np.ndarray:
        """AᴴY for Y (L, …): (N, …) complex, in the precision of Y; see `is_fast`."""
        return self._products.adjoint(_rows("received", received, self.pilot_length))

    def columns(self, index) -> np.ndarray:
        """The pilots of the devices `index`, an int array (K,), as an (L, K) complex64 array."""
        index = _indices(index, self.n_devices)
        return (self._structure or self._products).columns(index).astype(np.complex64)

    def gram(self, left, right) -> np.ndarray:
        """Inner products a_mᴴ a_n of the devices m in `left` (K,) and n in `right` (K',): complex128."""
        return self._products.gram(_indices(left, self.n_devices), _indices(right, self.n_devices))

    @cached_property
    def gram_eigen(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Eigenvalues (L,) float64, ascending, and eigenvectors (L, L) of A Aᴴ, computed once.

        The eigenvectors of a tight frame are None: the identity. ValueError if L is too large.
        """
        if self.tight_bound is not None:
            return np.full(self.pilot_length, self.tight_bound), None
        if self.pilot_length > _LONGEST_EIGEN:
            raise ValueError(
                f"pilot_length: expected at most {_LONGEST_EIGEN} where A Aᴴ is not a multiple of the "
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
        return float(self.n_devices if self.is_fast else np.sum(np.abs(self.matrix) ** 2, dtype=float))

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
        return float(10 * np.log10(np.max(power.max(axis=0) / power.mean(axis=0))))

    def tight_extension(self):
        """For a structured book: pilots with A Aᴴ = c I that contain these (see `structured`), and where."""
        return self._structure.tight_extension()

    @cached_property
    def _structure(self):
        return _STRUCTURES[self.kind](self) if self.kind in _STRUCTURES else None

    @cached_property
    def _products(self):
        return self._structure if self.is_fast else MatrixPilots(self.matrix)

    def save(self, path):
        """Write the book to an ``.npz`` file (no pickle); structured kinds store no matrix."""
        arrays = {name: getattr(self, name) for name in _FIELDS[self.kind]}
        if self.device_id is not None:
            arrays["device_id"] = np.asarray(self.device_id, dtype=str)
        with open(path, "wb") as file:
            np.savez(file, kind=self.kind, pilot_length=self.pilot_length, n_devices=self.n_devices, **arrays)


def make_pilots(kind, n_devices, pilot_length, seed=0, device_id=None) -> PilotBook:
    """Make a book of unit-norm pilots.

    Parameters
    ----------
    kind : {"gaussian", "qpsk", "dft", "hadamard", "zadoff_chu"}
        i.i.d. complex Gaussian; i.i.d. QPSK; random rows of a DFT matrix; random rows of a
        Hadamard matrix (±1); cyclic shifts of Zadoff-Chu sequences (best for a prime length).
    n_devices, pilot_length : int
        N and L.
    seed : int
        Equal seeds give equal books.

    Raises
    ------
    ValueError
        If the kind is unknown, or has no N different pilots of length L.
    """
    if kind not in PILOT_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(PILOT_KINDS)}, got {kind!r}")
    _check_size(kind, pilot_length, n_devices)
    if _FIELDS[kind] == ("pilots",):
        _check_total(pilot_length, n_devices)
    elif max(pilot_length, n_devices) > _MOST_DEVICES:
        raise ValueError(
            f"pilot book: expected at most {_MOST_DEVICES} devices, and symbols a pilot, "
            f"got {pilot_length} × {n_devices}"
        )
    rng = np.random.default_rng(_as_int("seed", seed, 0))
    fields = _MAKE[kind](rng, int(n_devices), int(pilot_length))
    return PilotBook(kind, int(pilot_length), int(n_devices), device_id=device_id, **fields)


def load_pilots(path) -> PilotBook:
    """Read a pilot book written by `PilotBook.save`, or any ``.npz`` with an array ``pilots``.

    Raises
    ------
    ValueError
        If the file is not such a book (corrupt, pickled, wrong shapes); the message says what.
    OSError
        If the file cannot be opened.
    """
    arrays = read_npz(path, "pilot book")
    try:
        return _book_from_arrays(arrays)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a pilot book: {error}") from error


def as_pilot_book(pilots) -> PilotBook:
    """`pilots` itself if it is a `PilotBook`, else a "custom" book of that (L, N) array."""
    if isinstance(pilots, PilotBook):
        return pilots
    array = np.asarray(pilots)
    if array.ndim != 2 or array.dtype.kind not in "fciu":
        raise ValueError(f"pilots: expected a numeric (L, N) array, got shape {array.shape} of {array.dtype}")
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        return PilotBook("custom", *array.shape, pilots=array.astype(np.complex64))


def _book_from_arrays(arrays):
    if "kind" not in arrays and "pilots" in arrays:
        book = as_pilot_book(arrays["pilots"])
        return PilotBook(
            "custom", book.pilot_length, book.n_devices, pilots=book.pilots, device_id=arrays.get("device_id")
        )
    for name in ("kind", "pilot_length", "n_devices"):
        if name not in arrays or arrays[name].ndim:
            raise ValueError(f"expected a single value {name!r}, got fields {sorted(arrays)}")
    kind = str(arrays["kind"])
    if kind not in _FIELDS:
        raise ValueError(f"kind: expected one of {', '.join(_FIELDS)}, got {kind!r}")
    fields = {name: arrays.get(name) for name in (*_FIELDS[kind], "device_id")}
    sizes = (arrays[name].item() for name in ("pilot_length", "n_devices"))
    return PilotBook(kind, *sizes, **fields)


def _as_int(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")
    return int(value)


def _check_size(kind, pilot_length, n_devices):
    if kind not in _FIELDS:
        raise ValueError(f"kind: expected one of {', '.join(_FIELDS)}, got {kind!r}")
    _as_int("pilot_length", pilot_length, 1)
    _as_int("n_devices", n_devices, 1)


def _check_total(pilot_length, n_devices):
    if pilot_length * n_devices > _MOST_ENTRIES:
        raise ValueError(
            f"pilot book: expected at most {_MOST_ENTRIES} symbols of all pilots together, "
            f"got {pilot_length} × {n_devices}"
        )


def _checked_names(names, n_devices):
    if np.shape(names) != (n_devices,):
        raise ValueError(
            f"device_id: expected one name for each of {n_devices} devices, got shape {np.shape(names)}"
        )
    names = np.asarray(names, dtype=str)
    try:
        "".join(names.tolist()).encode()
    except (UnicodeError, SystemError) as error:
        raise ValueError(f"device_id: expected names that UTF-8 can write: {error}") from error
    return names


def _check_dense(book):
    shape, array = (book.pilot_length, book.n_devices), np.asarray(book.pilots)
    if array.shape != shape or array.dtype.kind not in "fc":
        raise ValueError(
            f"pilots: expected a complex array of shape {shape}, got {array.shape} of {array.dtype}"
        )
    if not np.all(np.isfinite(array)):
        raise ValueError("pilots: expected finite values, got NaN or Inf")
    if not np.all(np.any(array != 0, axis=0)):
        raise ValueError("pilots: expected non-zero pilots, got a device whose pilot is all zero")


def _check_rows(book):
    points = book.n_devices if book.kind == "dft" else hadamard_order(book.n_devices)
    _check_indices("rows", book.rows, book.pilot_length, points)


def _check_zadoff_chu(book):
    length = book.pilot_length
    _check_indices("roots", book.roots, None, length)
    _check_indices("shifts", book.shifts, None, length)
    if any(gcd(int(root), length) != 1 for root in book.roots):
        raise ValueError(f"roots: expected values coprime to the pilot length {length}, got {book.roots}")
    if len(book.roots) * len(book.shifts) < book.n_devices:
        raise ValueError(
            f"zadoff_chu: {len(book.roots)} roots × {len(book.shifts)} shifts do not give "
            f"{book.n_devices} devices a pilot each"
        )


def _check_indices(name, values, count, below):
    values = np.asarray(values)
    good = values.ndim == 1 and values.dtype.kind in "iu" and values.size > 0
    if not good or (count is not None and values.size != count):
        raise ValueError(f"{name}: expected {count or 'some'} integers in one row, got shape {values.shape}")
    if values.min() < 0 or values.max() >= below or np.unique(values).size != values.size:
        raise ValueError(f"{name}: expected different integers from 0 to {below - 1}, got {values}")


def _make_gaussian(rng, n_devices, pilot_length):
    shape = (pilot_length, n_devices)
    pilots = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return {"pilots": (pilots / np.linalg.norm(pilots, axis=0)).astype(np.complex64)}


def _make_qpsk(rng, n_devices, pilot_length):
    signs = rng.choice([-1.0, 1.0], size=(2, pilot_length, n_devices))
    return {"pilots": ((signs[0] + 1j * signs[1]) / np.sqrt(2 * pilot_length)).astype(np.complex64)}


def _make_dft(rng, n_devices, pilot_length):
    if pilot_length > n_devices:
        raise ValueError(f"pilot_length: a dft book has at most N = {n_devices} rows, got {pilot_length}")
    return {"rows": np.sort(rng.choice(n_devices, pilot_length, replace=False))}


def _make_hadamard(rng, n_devices, pilot_length):
    # Row 0 and the rows 1, 2, 4, … tell any two columns apart, up to a factor; the rest is random.
    order = hadamard_order(n_devices)
    needed = np.array([0, *(1 << bit for bit in range(order.bit_length() - 1))])
    if not needed.size <= pilot_length <= order:
        raise ValueError(
            f"pilot_length: a hadamard book of {n_devices} devices takes {needed.size} to {order}, "
            f"got {pilot_length}"
        )
    others = np.setdiff1d(np.arange(order), needed)
    chosen = rng.choice(others, pilot_length - needed.size, replace=False)
    return {"rows": np.sort(np.concatenate([needed, chosen]))}


def _make_zadoff_chu(rng, n_devices, pilot_length):
    roots = [root for root in range(1, max(pilot_length, 2)) if gcd(root, pilot_length) == 1]
    needed = -(-n_devices // pilot_length)
    if needed > len(roots):
        raise ValueError(
            f"n_devices: zadoff_chu of length {pilot_length} has {len(roots) * pilot_length} pilots, "
            f"got {n_devices}"
        )
    return {"roots": np.sort(rng.permutation(roots)[:needed]), "shifts": np.arange(pilot_length)}


def _rows(name, array, count):
    array = np.asarray(array)
    if array.ndim < 1 or len(array) != count or array.dtype.kind not in "fc":
        raise ValueError(
            f"{name}: expected floating-point rows ({count}, …), got shape {array.shape} of {array.dtype}"
        )
    return array


def _indices(index, n_devices):
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


_MAKE = {
    "gaussian": _make_gaussian,
    "qpsk": _make_qpsk,
    "dft": _make_dft,
    "hadamard": _make_hadamard,
    "zadoff_chu": _make_zadoff_chu,
}
_STRUCTURES = {
    "dft": lambda book: DftPilots(book.rows, book.n_devices),
    "hadamard": lambda book: HadamardPilots(book.rows, book.n_devices),
    "zadoff_chu": lambda book: ZadoffChuPilots(book.roots, book.shifts, book.pilot_length, book.n_devices),
}
_CHECKS = {
    "gaussian": _check_dense,
    "qpsk": _check_dense,
    "custom": _check_dense,
    "dft": _check_rows,
    "hadamard": _check_rows,
    "zadoff_chu": _check_zadoff_chu,
}
