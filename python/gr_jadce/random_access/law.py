# SPDX-License-Identifier: GPL-3.0-or-later
"""How likely noise alone looks like a preamble somewhere in an occasion.

The energy of W neighbouring delays of one correlation on M antennas is Gamma(W·M) where nothing is sent.
It is looked for at all delays of a window and at all carrier offsets; `detection.asynchrony.maximum` has
the distribution of its maximum there, σ² integrated out. An occasion has as many windows as preambles, and
a window is looked at by spans of several W: the sum of all their probabilities bounds that of a false alarm.
"""

import numpy as np
from numpy.typing import NDArray

from ..detection.asynchrony.maximum import limit, log10_p_unknown_anywhere
from ..pilots.preambles import Preambles

_RATE = 2 * np.pi / np.sqrt(12)  # of a correlation over a flat band, in its width of one sample
SPANS = (1, 2, 4)  # W


class Law:
    """The false alarms of an occasion.

    Parameters
    ----------
    preambles : Preambles
    max_offset : float
        Carrier offsets that are looked for, ± Hz.
    """

    def __init__(self, preambles: Preambles, max_offset: float) -> None:
        self._n_windows = preambles.n_preambles
        self._limits: dict[tuple[float, int], float] = {}
        self._dimensions = preambles.repetitions * preambles.length
        duration = preambles.repetitions / preambles.spacing
        self.extent = preambles.window * _RATE, 2 * max_offset * duration * _RATE

    def log10_p(
        self, energy: NDArray, total: NDArray, span: int, n_antennas: int, n_paths: NDArray, least: NDArray
    ) -> NDArray:
        """log10 of the probability that noise alone reaches the energy of a span somewhere in a window.

        Parameters
        ----------
        energy, total : (B,) array
            Of the span, and of all that the paths found so far leave.
        span : int
            W, one of `SPANS`.
        n_antennas : int
        n_paths : (B,) int array
            Paths found so far, each of which takes a dimension.
        least : (B,) array
            What the noise variance is at least.
        """
        dof, rest = self._noise(energy, total, span, n_antennas, n_paths, least)
        return log10_p_unknown_anywhere(energy, rest, span * n_antennas, dof, self.extent)

    def may_reach(
        self,
        log10_p: float,
        energy: NDArray,
        total: NDArray,
        span: int,
        n_antennas: int,
        n_paths: NDArray,
        least: NDArray,
    ) -> bool:
        """Whether any of the same energies may have that log10 p or less: would, if σ² were known."""
        dof, rest = self._noise(energy, total, span, n_antennas, n_paths, least)
        return bool(np.any(energy * dof >= rest * self._limit(log10_p, span * n_antennas)))

    def _noise(self, energy, total, span, n_antennas, n_paths, least):
        """Degrees of freedom (B,) of what is left beside a span, and its energy (B,)."""
        dof = np.maximum(self._dimensions - span - n_paths, 1) * n_antennas
        return dof, np.maximum(total - energy, least * dof)

    def _limit(self, log10_p, n_antennas):
        """The energy, σ² = 1, that noise exceeds with that probability."""
        key = log10_p, n_antennas
        if key not in self._limits:
            self._limits[key] = limit(10.0**log10_p, n_antennas, self.extent)
        return self._limits[key]

    @property
    def log10_chances(self) -> float:
        """log10 of how many windows and spans of an occasion are looked at."""
        return float(np.log10(self._n_windows * len(SPANS)))
