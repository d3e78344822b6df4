# SPDX-License-Identifier: GPL-3.0-or-later
"""How likely noise alone looks like a preamble somewhere in an occasion.

The energy of W neighbouring delays of one correlation on M antennas is Gamma(W·M) where nothing is sent.
It is looked for at all delays of a window and at all carrier offsets; `detection.asynchrony.maximum` has
the distribution of its maximum there, σ² integrated out. An occasion has as many windows as preambles, and
a window is looked at by spans of several W: the sum of all their probabilities bounds that of a false alarm.
"""

import numpy as np
from numpy.typing import NDArray

from ..detection.asynchrony.maximum import log10_p_unknown_anywhere
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
        dof = np.maximum(self._dimensions - span - n_paths, 1) * n_antennas
        rest = np.maximum(total - energy, least * dof)
        return log10_p_unknown_anywhere(energy, rest, span * n_antennas, dof, self.extent)

    @property
    def log10_chances(self) -> float:
        """log10 of how many windows and spans of an occasion are looked at."""
        return float(np.log10(self._n_windows * len(SPANS)))
