# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pilot book of each kind stores, and what that has to be."""

from math import gcd

import numpy as np

from .structured import hadamard_order

_MOST_ENTRIES = 2**27  # of a matrix: 1 GiB
# What a book of each kind stores; "custom" is any matrix of the user's own.
FIELDS = {
    "gaussian": ("pilots",),
    "qpsk": ("pilots",),
    "custom": ("pilots",),
    "dft": ("rows",),
    "hadamard": ("rows",),
    "zadoff_chu": ("roots", "shifts"),
}


def as_int(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")
    return int(value)


def check_size(kind, pilot_length, n_devices):
    if kind not in FIELDS:
        raise ValueError(f"kind: expected one of {', '.join(FIELDS)}, got {kind!r}")
    as_int("pilot_length", pilot_length, 1)
    as_int("n_devices", n_devices, 1)


def check_total(pilot_length, n_devices):
    if pilot_length * n_devices > _MOST_ENTRIES:
        raise ValueError(
            f"pilot book: expected at most {_MOST_ENTRIES} symbols of all pilots together, "
            f"got {pilot_length} × {n_devices}"
        )


def checked_names(names, n_devices):
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


CHECKS = {
    "gaussian": _check_dense,
    "qpsk": _check_dense,
    "custom": _check_dense,
    "dft": _check_rows,
    "hadamard": _check_rows,
    "zadoff_chu": _check_zadoff_chu,
}
