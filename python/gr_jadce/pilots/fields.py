# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pilot book of each kind stores, and what that has to be."""

from collections.abc import Callable, Mapping
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import check_choice, check_integer
from .preambles import FIELDS as PREAMBLE_FIELDS
from .preambles import preambles_of
from .structured import hadamard_order

_MAX_ENTRIES = 2**27  # of a matrix: 1 GiB
_MIN_PEAK, _MAX_PEAK = 1e-10, 1e10  # of a pilot's largest symbol: single precision squares it twice
# What a book of each kind stores; "custom" is any matrix of the user's own.
FIELDS = {
    "gaussian": ("pilots",),
    "qpsk": ("pilots",),
    "custom": ("pilots",),
    "dft": ("rows",),
    "hadamard": ("rows",),
    "zadoff_chu": ("roots", "shifts"),
    "nr_prach": PREAMBLE_FIELDS,
}


def check_size(kind: str, pilot_length: Any, n_devices: Any) -> tuple[int, int]:
    """Pilot length and number of devices as ints; ValueError if they, or the kind, cannot be."""
    check_choice("kind", kind, FIELDS)
    return check_integer("pilot_length", pilot_length, 1), check_integer("n_devices", n_devices, 1)


def check_total(pilot_length: int, n_devices: int) -> None:
    """ValueError if the pilots are too many for a matrix."""
    if pilot_length * n_devices > _MAX_ENTRIES:
        raise ValueError(
            f"pilot book: expected at most {_MAX_ENTRIES} symbols of all pilots together, "
            f"got {pilot_length} × {n_devices}"
        )


def check_names(names: ArrayLike, n_devices: int) -> np.ndarray:
    """The names of the devices as an array of str, (N,); ValueError if they are no such."""
    if np.shape(names) != (n_devices,):
        raise ValueError(
            f"device_id: expected one name for each of {n_devices} devices, got shape {np.shape(names)}"
        )
    names = np.asarray(names, dtype=str)
    try:
        "".join(map(str, names)).encode()
    except (UnicodeError, SystemError) as error:
        raise ValueError(f"device_id: expected names that UTF-8 can write: {error}") from error
    return names


def check_symbols(pilots: ArrayLike) -> None:
    """ValueError if pilots (L, N) are not finite, or one of them has symbols too small or large to square."""
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        magnitude = np.abs(pilots)
    if not np.all(np.isfinite(magnitude)):
        raise ValueError("pilots: expected finite values, got NaN or Inf")
    peak = magnitude.max(axis=0, initial=0)
    if magnitude.size and not np.all(peak):
        raise ValueError("pilots: expected non-zero pilots, got a device whose pilot is all zero")
    outside = np.flatnonzero((0 < peak) & (peak < _MIN_PEAK) | (peak > _MAX_PEAK))
    if len(outside):
        raise ValueError(
            f"pilots: expected pilots whose largest symbol is from {_MIN_PEAK:g} to {_MAX_PEAK:g}, got "
            f"{peak[outside[0]]:.3g} for device {outside[0]}; scale the book, best to unit norm"
        )


def book_fields(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of a `PilotBook` from the arrays of its file; ValueError if they do not say."""
    for name in ("kind", "pilot_length", "n_devices"):
        if name not in arrays or arrays[name].ndim:
            raise ValueError(
                'expected an array "pilots" of shape (L, N), one column a device, or the fields of a book '
                f"made by jadce-pilots with a single value {name!r}; got {_contents(arrays)}"
            )
    kind = check_choice("kind", str(arrays["kind"]), FIELDS)
    sizes = {name: arrays[name].item() for name in ("pilot_length", "n_devices")}
    return {"kind": kind, **sizes, **{name: arrays.get(name) for name in (*FIELDS[kind], "device_id")}}


def _contents(arrays: Mapping[str, np.ndarray]) -> str:
    shapes = [f"{name!r} of shape {array.shape}" for name, array in sorted(arrays.items())]
    return ", ".join(shapes[:5]) + (" …" if len(shapes) > 5 else "") or "no array"


def _check_dense(book):
    shape, array = (book.pilot_length, book.n_devices), np.asarray(book.pilots)
    if array.shape != shape or array.dtype.kind not in "fc":
        raise ValueError(
            f"pilots: expected a complex array of shape {shape}, got {array.shape} of {array.dtype}"
        )
    check_symbols(array)


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


def _check_preambles(book):
    preambles = preambles_of(book)
    length = preambles.repetitions * preambles.length
    if book.pilot_length != length:
        raise ValueError(
            f"pilot_length: expected {length} of preamble format {preambles.preamble_format}, "
            f"got {book.pilot_length}"
        )


def _check_indices(name, values, count, below):
    values = np.asarray(values)
    good = values.ndim == 1 and values.dtype.kind in "iu" and values.size > 0
    if not good or (count is not None and values.size != count):
        raise ValueError(f"{name}: expected {count or 'some'} integers in one row, got shape {values.shape}")
    if values.min() < 0 or values.max() >= below or np.unique(values).size != values.size:
        raise ValueError(f"{name}: expected different integers from 0 to {below - 1}, got {values}")


CHECKS: dict[str, Callable[[Any], None]] = {
    "gaussian": _check_dense,
    "qpsk": _check_dense,
    "custom": _check_dense,
    "dft": _check_rows,
    "hadamard": _check_rows,
    "zadoff_chu": _check_zadoff_chu,
    "nr_prach": _check_preambles,
}
