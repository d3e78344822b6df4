# SPDX-License-Identifier: GPL-3.0-or-later
"""Random access preambles of 5G NR (3GPP TS 38.211 §6.3.3.1) as pilots on the subcarriers of an occasion.

The sequence of root u is x_u(i) = e^{−jπ u i (i+1)/L}, preamble v of a root its cyclic shift
x_u((i + v·N_CS) mod L). Its DFT is sent on L subcarriers side by side, in every one of the format's symbols
behind one cyclic prefix.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_integer, check_number
from .preamble_tables import CYCLIC_SHIFTS, FORMATS, LONG, SHORT, SHORT_SPACINGS, physical_root

MAX_PREAMBLES = 64
FIELDS = ("preamble_format", "spacing", "logical_root", "cyclic_shift")  # of a book
SPEED_OF_LIGHT = 299_792_458.0  # m/s
_CLOCK = 30.72e6  # Hz, of the durations in the tables


@dataclass(frozen=True)
class Preambles:
    """The preambles of a cell.

    They are numbered as in the standard: first the cyclic shifts of the first root, then those of the next
    logical root, and so on.

    Parameters
    ----------
    preamble_format : str
        "0" to "3", "A1" to "A3", "B1" to "B4", "C0" or "C2".
    spacing : float
        Subcarrier spacing Δf, Hz: 15, 30, 60 or 120 kHz of short formats; 0 for the format's own, or 15 kHz.
    logical_root : int
        Logical index of the first root.
    cyclic_shift : int
        N_CS, one of the standard's values: samples of 1/(L·Δf) that a device may be late by; 0 for a root a
        preamble.
    n_preambles : int
        At most 64.

    Raises
    ------
    ValueError
        If an argument is not one of the standard's.
    """

    preamble_format: str = "0"
    spacing: float = 0.0
    logical_root: int = 0
    _: KW_ONLY
    cyclic_shift: int = 13
    n_preambles: int = MAX_PREAMBLES

    def __post_init__(self) -> None:
        row = FORMATS[check_choice("preamble_format", str(self.preamble_format), tuple(FORMATS))]
        spacings = SHORT_SPACINGS if row.length == SHORT else (row.spacing,)
        spacing = check_choice("spacing", check_number("spacing", self.spacing) or row.spacing, spacings)
        shifts = CYCLIC_SHIFTS[spacing if row.length == LONG else row.spacing]
        for name, value in (
            ("preamble_format", str(self.preamble_format)),
            ("spacing", spacing),
            ("logical_root", check_integer("logical_root", self.logical_root, 0, row.length - 2)),
            ("cyclic_shift", int(check_choice("cyclic_shift", self.cyclic_shift, shifts))),
            ("n_preambles", check_integer("n_preambles", self.n_preambles, 1, MAX_PREAMBLES)),
        ):
            object.__setattr__(self, name, value)

    @property
    def length(self) -> int:
        """L, subcarriers."""
        return FORMATS[self.preamble_format].length

    @property
    def repetitions(self) -> int:
        """How often the symbol is sent."""
        return FORMATS[self.preamble_format].repetitions

    @property
    def window(self) -> int:
        """Samples of 1/(L·Δf) from the start of a preamble's window of delays to that of the next."""
        return self.cyclic_shift or self.length

    @property
    def per_root(self) -> int:
        """Preambles of a root."""
        return self.length // self.window

    @property
    def n_roots(self) -> int:
        """Roots that the preambles take."""
        return -(-self.n_preambles // self.per_root)

    @cached_property
    def roots(self) -> NDArray:
        """Physical roots, in the order of the logical ones."""
        logical = range(self.logical_root, self.logical_root + self.n_roots)
        return np.array([physical_root(self.length, index) for index in logical])

    @property
    def bandwidth(self) -> float:
        """L·Δf, Hz; one over it is the sample in which delays are told."""
        return self.length * self.spacing

    @property
    def prefix_seconds(self) -> float:
        """Duration of the cyclic prefix."""
        row = FORMATS[self.preamble_format]
        return row.prefix / _CLOCK * row.spacing / self.spacing

    @property
    def cell_radius(self) -> float:
        """Metres: of the longest delay that neither leaves the window nor the prefix, over one path."""
        return SPEED_OF_LIGHT / 2 * min(self.window / self.bandwidth, self.prefix_seconds)

    def root_of(self, preamble: NDArray) -> NDArray:
        """Places of preambles' roots in `roots`."""
        return np.asarray(preamble) // self.per_root

    def shift_of(self, preamble: NDArray) -> NDArray:
        """Cyclic shifts C_v of preambles, samples."""
        return np.asarray(preamble) % self.per_root * self.cyclic_shift

    @cached_property
    def root_spectra(self) -> NDArray:
        """DFTs (roots, L) of the sequences of all roots without a shift, of unit energy."""
        n = np.arange(self.length)
        phase = np.outer(self.roots, n * (n + 1)) % (2 * self.length)
        return np.fft.fft(np.exp(-1j * np.pi * phase / self.length), axis=1) / self.length

    def symbols(self, preamble: NDArray) -> NDArray:
        """What preambles (K,) put on the subcarriers of one symbol, (L, K), of unit energy."""
        ramp = np.outer(np.arange(self.length), self.shift_of(preamble)) % self.length
        shifted = np.exp(2j * np.pi * ramp / self.length)
        return self.root_spectra[self.root_of(preamble)].T * shifted

    @cached_property
    def matrix(self) -> NDArray:
        """The pilots (repetitions·L, N) complex64 of unit norm: all symbols, one after the other."""
        symbols = self.symbols(np.arange(self.n_preambles)) / np.sqrt(self.repetitions)
        return np.tile(symbols, (self.repetitions, 1)).astype(np.complex64)


def preambles_of(book: Any) -> Preambles:
    """What the fields of a book of kind "nr_prach" say; ValueError if they are none of the standard's."""
    values = [np.asarray(getattr(book, name)) for name in FIELDS]
    if any(value.ndim for value in values):
        raise ValueError(f"nr_prach: expected a single value each of {', '.join(FIELDS)}")
    preamble_format, spacing, logical_root, cyclic_shift = (value.item() for value in values)
    return Preambles(
        preamble_format, spacing, logical_root, cyclic_shift=cyclic_shift, n_preambles=book.n_devices
    )
