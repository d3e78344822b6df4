# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of pilots, made from a seed."""

from math import gcd

import numpy as np
from numpy.typing import ArrayLike

from ..checks import check_choice, check_integer
from .book import PilotBook
from .fields import FIELDS, check_names, check_size, check_total
from .preambles import Preambles
from .structured import hadamard_order

PILOT_KINDS = ("gaussian", "qpsk", "dft", "hadamard", "zadoff_chu")
_MAX_DEVICES = 2**24  # and symbols a pilot, of a structured book, which stores no matrix


def make_pilots(
    kind: str, n_devices: int, pilot_length: int, seed: int = 0, *, device_id: ArrayLike | None = None
) -> PilotBook:
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
    device_id : (N,) str array, optional
        Names of the devices, carried into the reports.

    Raises
    ------
    ValueError
        If the kind is unknown, or has no N different pilots of length L.
    """
    check_choice("kind", kind, PILOT_KINDS)
    pilot_length, n_devices = check_size(kind, pilot_length, n_devices)
    if FIELDS[kind] == ("pilots",):
        check_total(pilot_length, n_devices)
    elif max(pilot_length, n_devices) > _MAX_DEVICES:
        raise ValueError(
            f"pilot book: expected at most {_MAX_DEVICES} devices, and symbols a pilot, "
            f"got {pilot_length} × {n_devices}"
        )
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    fields = _MAKE[kind](rng, n_devices, pilot_length)
    names = None if device_id is None else check_names(device_id, n_devices)
    return PilotBook(kind, pilot_length, n_devices, device_id=names, **fields)


def preamble_book(preambles: Preambles, *, device_id: ArrayLike | None = None) -> PilotBook:
    """The book of random access preambles, kind "nr_prach": a device is a preamble of the cell.

    Its pilots are on the subcarriers of all symbols of an occasion, one symbol after the other.

    Parameters
    ----------
    preambles : Preambles
    device_id : (N,) str array, optional
        Names of the preambles.
    """
    fields = {name: getattr(preambles, name) for name in FIELDS["nr_prach"]}
    length, count = preambles.repetitions * preambles.length, preambles.n_preambles
    names = None if device_id is None else check_names(device_id, count)
    return PilotBook("nr_prach", length, count, device_id=names, **fields)


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


_MAKE = {
    "gaussian": _make_gaussian,
    "qpsk": _make_qpsk,
    "dft": _make_dft,
    "hadamard": _make_hadamard,
    "zadoff_chu": _make_zadoff_chu,
}
