# SPDX-License-Identifier: GPL-3.0-or-later
"""What settles a frame that was decided before all layers of the network have run, and after all.

A frame is *settled* if

* hardly a device is expected to be active that is not in its support (`doubt`), whether its power is the mean
  one or, above all where powers spread by more than fading explains, that of any other device; and the score
  of every device is off the threshold by more than powers that are not quite at rest can turn;
* the network does not expect many more to be active than the decision has found;
* the noise is measured off the same devices where more are taken for active at first;
* those make the frame likelier than white noise by more than a choice of so many explains, and leave rows and
  samples enough that bear witness of the noise;
* what they leave is white, and no louder than a known σ² by more than chance.

After all layers a score near the threshold no longer matters, which an estimate has no part in, and more
devices may be missed. But where hardly anybody is found, energies may not scatter more than those of noise.

A frame in which nobody transmits, or one device alone is hardly heard, has none of this from the network,
which proposes dozens of devices there until its last layers. It is known, as *quiet*, by the energies of all
devices after the first layer: they scatter no more than those of noise. Where active devices hide each
other, they do.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...pilots.book import PilotBook
from ..doubt import Doubt
from ..noise.covariance import chi2_limits
from ..noise.rounds import BUSY, COLOURED, CROWDED, ODD, Noise
from ..rows import Rows

_MAX_PROPOSED = 0.65  # devices a pilot symbol: more leave too few rows
_MARGIN = 0.01  # of −log10 p-values: more than powers not quite at rest change
# Devices a frame, or, if that is more, for each that is found; after all layers by the symbols that pilots
# have at least: short ones hardly tell supports apart.
_MAX_MISSED, _MAX_MISSED_LATE = (0.3, 0.0), ((32, (0.5, 0.04)), (0, (0.3, 0.02)))
_MAX_UNLIKE = 1.3  # of them, of any member's power
_MAX_MISSED_SPREAD, _MAX_UNLIKE_SPREAD = 0.1, 0.7  # the same where powers spread by more than fading does
_MAX_SPREAD = 1.3  # of powers, against what fading explains
_MAX_UNFOUND = (1.0, 0.2)  # devices that the network expects beyond those found: and for each of these
# Scatter of energies at most, that of noise being 1, of a frame in which nobody is found, and one device: by
# the samples that it has at least, over all antennas.
_MAX_SCATTER = ((200, (1.3, 1.2)), (120, (1.2, 1.0)), (0, (-np.inf, -np.inf)))
_MAX_SCATTER_LATE, _LITTLE_EVIDENCE = 1.4, 5.0  # after all layers, of little evidence: noise seldom has more
_MIN_SAMPLES = 130  # of noise, over all antennas: they tell σ² to 9 %
_MAX_EXCESS = 4.0  # standard deviations
# What is known of a frame: nothing for sure, its support, or all; by the kernel, also its support, and that
# its noise is white all the same.
OPEN, SURE, SETTLED, WHITE = range(4)
N_LAYERS = 3


class SettlingRule(NamedTuple):
    """When a decision is tried, and what settles a frame."""

    n_layers: int
    tol: float  # of the layers
    n_proposed: int  # devices at most, for a decision to be tried, and to hold
    margin: float  # of all scores from the threshold
    missed: tuple[float, float]  # devices at most expected beside those found: or, if more, for each of these
    missed_late: tuple[float, float]  # the same after all layers
    missed_spread: float  # and, before that, where powers spread
    unlike: tuple[float, float]  # of them with the power of any other; and where powers spread
    spread: float  # of powers, above which they do
    rows: float  # that bear witness of the noise: with fewer, no frame is settled
    rows_late: float  # nor after all layers
    busy: float  # and with fewer than so many, the noise has to look whiter
    limits: tuple[float, float]  # of the two statistics of the noise
    busy_limits: tuple[float, float]
    excess: float  # of the noise over a known σ², standard deviations
    unfound: tuple[float, float]  # devices that the network expects beyond those found: and for each of these
    evidence: float  # for the support, at least
    scatter: tuple[float, float]  # of energies, where nobody is found and one device, to know a quiet frame
    scatter_late: tuple[float, float]  # after all layers: where there is less evidence than the second

    @classmethod
    def of(cls, pilots: PilotBook, n_antennas: int, tol: float, noise: Noise) -> "SettlingRule":
        """For frames of so many antennas, whose noise is taken for "white" or "auto"."""
        L = pilots.pilot_length
        limits, busy_limits = (_limits(n_antennas, error, noise) for error in (COLOURED, ODD))
        rows = max(CROWDED * L, _MIN_SAMPLES / n_antennas)
        missed_late = next(most for least, most in _MAX_MISSED_LATE if L >= least)
        scatter = next(most for least, most in _MAX_SCATTER if L * n_antennas >= least)
        return cls(
            N_LAYERS, tol, int(_MAX_PROPOSED * L), _MARGIN, _MAX_MISSED, missed_late, _MAX_MISSED_SPREAD,
            (_MAX_UNLIKE, _MAX_UNLIKE_SPREAD), _MAX_SPREAD, rows, CROWDED * L, BUSY * L, limits, busy_limits,
            _MAX_EXCESS, _MAX_UNFOUND, 0.0, scatter, (_MAX_SCATTER_LATE, _LITTLE_EVIDENCE),
        )  # fmt: skip

    @property
    def late(self) -> "SettlingRule":
        """After all layers."""
        return self._replace(
            margin=-np.inf, missed=self.missed_late, unlike=_ANYTHING, rows=self.rows_late, spread=np.inf,
            unfound=(np.inf, 0.0),
        )  # fmt: skip

    @property
    def quiet(self) -> "SettlingRule":
        """After the first layer, of a frame whose energies scatter as those of noise."""
        return self._replace(
            n_layers=1, missed=(np.inf, 0.0), unlike=_ANYTHING, rows=self.rows_late, unfound=(np.inf, 0.0),
            evidence=-np.inf,
        )  # fmt: skip


_ANYTHING = (np.inf, np.inf)


def _limits(n_antennas: int, error: float, noise: Noise) -> tuple[float, float]:
    if noise == "white":
        return np.inf, np.inf
    correlated, uneven = chi2_limits(n_antennas, error)
    return float(correlated), float(uneven)


def stages_of(
    rows: Rows, rule: SettlingRule, known: NDArray, proposed: NDArray, expected: NDArray
) -> NDArray:
    """The stages of frames (B,).

    `known` is their σ², 0 where unknown, `proposed` the devices tried, `expected` those that the network
    expects to be active.
    """
    n_antennas = rows.noise_cov.shape[1]
    left = np.trace(rows.noise_cov, axis1=1, axis2=2).real / n_antennas
    excess = (left / np.where(known > 0, known, 1) - 1) * np.sqrt(n_antennas * rows.noise_dof)
    is_sure = (
        (np.maximum(proposed, np.diff(rows.start)) <= rule.n_proposed)
        & (expected <= rule.unfound[0] + (1 + rule.unfound[1]) * np.diff(rows.start))
        & np.array([_is_sure(*one, rule) for one in zip(rows.doubts, np.diff(rows.start), strict=True)], bool)
        & (rows.noise_dof >= rule.rows)
        & (rows.evidence >= rule.evidence)
        & ((known == 0) | (excess <= rule.excess))
    )
    if rule.margin >= 0:  # before all layers are done
        for b in np.flatnonzero(is_sure):
            is_sure[b] = not rows.doubts[b].ends_elsewhere()
    limits = np.where((rows.noise_dof < rule.busy)[:, None], rule.busy_limits, rule.limits)
    is_white = (rows.noise_statistics <= limits).all(axis=1)
    return np.asarray(np.where(is_sure, np.where(is_white, SETTLED, SURE), OPEN))


def are_quiet(rows: Rows, rule: SettlingRule, known: NDArray, scatter: NDArray) -> NDArray:
    """Whether frames (B,), decided without a proposal, are settled as quiet ones.

    `scatter` is that of the energies of all devices after the first layer.
    """
    limits = np.array([*rule.scatter, -np.inf])[np.minimum(np.diff(rows.start), 2)]
    nothing = np.zeros(len(known))
    stage = stages_of(rows, rule.quiet, known, nothing, nothing)
    return np.asarray((scatter <= limits) & (stage == SETTLED))


def may_hide(rows: Rows, rule: SettlingRule, scatter: NDArray) -> NDArray:
    """Whether frames (B,) in which hardly anybody is found after all layers scatter more than noise does."""
    most, little = rule.scatter_late
    return np.asarray((rows.evidence < little) & (scatter > most))


def _is_sure(doubt: Doubt | None, n_found: int, rule: SettlingRule) -> bool:
    if doubt is None:
        return False
    missed, unlike = max(rule.missed[0], rule.missed[1] * n_found), rule.unlike[0]
    if doubt.spread > rule.spread:
        missed, unlike = rule.missed_spread, rule.unlike[1]
    return doubt.margin >= rule.margin and doubt.missed <= missed and doubt.missed_unlike <= unlike
