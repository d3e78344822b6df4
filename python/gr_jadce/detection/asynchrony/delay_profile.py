# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of a frame mostly arrive alike: when, and how strongly, learned from those that were found.

The power of other devices over delay, each device counting the same, is a prior of how one more arrives:
as columns b_r = √p_r a(τ_r, ν) of independent gains of a power γ. With λ_i the eigenvalues of BᴴΣ⁻¹B
and e_i the energies of BᴴΣ⁻¹Y along its eigenvectors, the best test for such a device is

    q = Σ_i γ e_i / (1 + γλ_i) ~ Σ_i w_i Gamma(M, 1),  w_i = γλ_i / (1 + γλ_i),  where no device is.

It sums up over all delays, so it pays for none of them, as a maximum would have to. Of the tail
probability Lugannani and Rice's saddle-point approximation ("Saddle point approximation for the
distribution of the sum of independent random variables", Adv. Appl. Prob. 12, 1980) is taken, σ² being
estimated on d degrees of freedom: of Σ_i w_i g_i − q g/d > 0, g ~ Gamma(d, 1).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx

from .cluster_fit import Cluster

_STEP = 4  # of the table's steps: half a symbol
_FLAT = 1.0  # devices that the assumption of no preferred delay counts as
_COLUMNS, _LEAST_SHARE = 8, 0.01  # of a prior: at most, and of its power
_HALVINGS = 60
_HARDLY_ABOVE = 0.01


class Prior(NamedTuple):
    """How a device may arrive: delays (R,), their shares of its power, and how sure that is."""

    delays: NDArray
    shares: NDArray
    trust: float  # from 0 to 1


class DelayProfile:
    """The power over delay of the devices that some clusters belong to."""

    def __init__(self, delays: NDArray, clusters: Iterable[Cluster]) -> None:
        """`delays` (G,): evenly spaced."""
        self.delays = delays
        self.power: dict[int, NDArray] = {}
        for cluster in clusters:
            if cluster.power > 0:
                own = self.power.setdefault(cluster.device, np.zeros(len(delays)))
                own += cluster.power * self._spread(cluster)

    def _spread(self, cluster: Cluster) -> NDArray:
        """The shares of a cluster's power, at the delays next to its own."""
        place = (cluster.delays - self.delays[0]) / (self.delays[1] - self.delays[0])
        place = np.clip(place, 0, len(self.delays) - 1)
        before = np.minimum(place.astype(int), len(self.delays) - 2)
        weight, after = cluster.weights**2, place - before
        shares = np.zeros(len(self.delays))
        np.add.at(shares, before, weight * (1 - after))
        np.add.at(shares, before + 1, weight * after)
        return shares

    def prior(self, but: int = -1) -> Prior | None:
        """What all devices but one tell of it; None without others, or if they have nothing in common."""
        others = [power for device, power in self.power.items() if device != but]
        share = (sum(power / power.sum() for power in others) + _FLAT / len(self.delays)) / (
            len(others) + _FLAT
        )
        if not others or 1 / np.sum(share**2) > _COLUMNS:  # effective number of delays
            return None
        kept = np.argsort(-share, kind="stable")[:_COLUMNS]
        kept = np.sort(kept[share[kept] > _LEAST_SHARE])
        return Prior(self.delays[kept], share[kept], len(others) / (len(others) + _FLAT))


def delays_of(table_delays: NDArray, stride: int) -> NDArray:
    """Those of a profile, of the delays that are searched every `stride` steps of the table."""
    return table_delays[:: _STEP // stride]


def log10_p_weighted(energy: float, weights: NDArray, n_antennas: int, dof: float, width: float) -> float:
    """log10 P(Σ w_i Gamma(M, 1) ≥ energy · Gamma(d, 1)/d), at its maximum over `width` widths of correlation.

    The maximum as in `maximum`: near its saddle, the statistic is as Gamma(M, 1) at tilt · energy + M.
    """
    tilt = _saddle(energy, weights, n_antennas, dof)
    if tilt <= 0:
        return 0.0
    spread, share = 1 - weights * tilt, energy * tilt / dof
    exponent = -n_antennas * float(np.sum(np.log(spread))) - dof * np.log1p(share)
    bend = n_antennas * np.sum((weights / spread) ** 2) + (energy / (1 + share)) ** 2 / dof
    root, slope = np.sqrt(-2 * exponent), tilt * np.sqrt(bend)
    mills = np.sqrt(np.pi / 2) * erfcx(root / np.sqrt(2))
    log_p = exponent - 0.5 * np.log(2 * np.pi) + np.log(mills - 1 / root + 1 / slope)
    log_p += np.log1p(width * np.sqrt((tilt * energy + n_antennas) / np.pi))
    return float(min(log_p / np.log(10), 0.0))


def _saddle(energy: float, weights: NDArray, n_antennas: int, dof: float) -> float:
    """Where the derivative of the cumulant generating function is 0.

    It is 0 where the energy is hardly above its mean: that says nothing, and there the approximation is a
    difference of large numbers.
    """
    if energy <= (1 + _HARDLY_ABOVE) * n_antennas * np.sum(weights):
        return 0.0
    low, high = 0.0, (1 - 1e-12) / float(np.max(weights))
    for _ in range(_HALVINGS):
        tilt = (low + high) / 2
        slope = n_antennas * np.sum(weights / (1 - weights * tilt)) - energy / (1 + energy * tilt / dof)
        low, high = (low, tilt) if slope > 0 else (tilt, high)
    return low
