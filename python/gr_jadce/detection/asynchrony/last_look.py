# SPDX-License-Identifier: GPL-3.0-or-later
"""A last look for devices that arrive as the others of their frame do, and the test of all.

Over several paths, a weak device's strongest path is often too weak to be told from the noise where its
delay is not known. But devices of a frame mostly arrive alike: when, and how strongly, those tell that were
found. Some that match best are added if the test of that comes near, all clusters settle, and those that are
too weak leave again. At the end a device passes by this test or by that of its strongest path. They share the
false alarms that are wanted: the more devices tell the profile, the more has the test that trusts it.

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

from ...numeric import sum_squares
from ..p_values import TINY
from .cluster_fit import Cluster, Explained
from .search import Search

_KNOWN = 1e12  # degrees of freedom of a σ² that is told
_HALVINGS = 60
_HARDLY_ABOVE = 0.01


class LookRule(NamedTuple):
    """Numbers of the look, which the compiled one is told."""

    looks: int = 3
    looked_at: int = 8  # devices that are tested in a look
    added_at_once: int = 4  # devices, at most
    added_share: float = 0.6  # of the greatest score: added together with it
    near_share: float = 0.5  # of the threshold: scores of devices that are tried, that are kept for the while
    settling: int = 2  # times that clusters move and σ² is measured, once devices were added
    sure_share: float = 2.0  # of the threshold: scores of devices that need no second test
    flat: float = 1.0  # devices that the assumption of no preferred delay counts as
    columns: int = 8  # of a prior, at most
    least_share: float = 0.01  # of a prior's power


RULE = LookRule()


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
        share = (sum(power / power.sum() for power in others) + RULE.flat / len(self.delays)) / (
            len(others) + RULE.flat
        )
        if not others or 1 / np.sum(share**2) > RULE.columns:  # effective number of delays
            return None
        kept = np.argsort(-share, kind="stable")[: RULE.columns]
        kept = np.sort(kept[share[kept] > RULE.least_share])
        return Prior(self.delays[kept], share[kept], len(others) / (len(others) + RULE.flat))


class LastLook(Search):
    """The search in one frame, and the last look."""

    def _decide(self) -> None:
        if self.rule.asynchrony.max_paths != 1:
            self._look_again()
        super()._decide()

    def _look_again(self) -> None:
        self.dropped[:] = 0
        near = -RULE.near_share * np.log10(self.rule.false_alarm)
        for _ in range(RULE.looks):
            if not self._add_alike(near):
                return
            self._settle(RULE.settling)
            scores = self._score_all()
            weak = [device for device, score in scores.items() if score < near]
            for device in weak:
                self._drop(device)
            if weak:
                self.fit.invert()

    def _add_alike(self, near: float) -> bool:
        """Add devices that the profile makes likely."""
        prior = self._profile().prior()
        if prior is None:
            return False
        reach, places = self._scan(self.likely, 1)
        paths = [
            Cluster(int(n), float(places[n, 0]), offset=float(places[n, 1]))
            for n in np.argsort(-reach, kind="stable")[: RULE.looked_at]
            if reach[n] > 0
        ]
        scored = [
            (_either(0.0, self._alike(path.device, path.offset, prior, self.fit.all), prior.trust), path)
            for path in paths
        ]
        scored.sort(key=lambda one: -one[0])
        limit = max(near, RULE.added_share * scored[0][0]) if scored else near
        added = [path for score, path in scored[: RULE.added_at_once] if score >= limit]
        self.fit.clusters += added
        return bool(added)

    def _profile(self) -> DelayProfile:
        return DelayProfile(self.table.half_symbols, self.fit.clusters)

    def _alike(self, device: int, offset: float, prior: Prior, others: Explained) -> float:
        """−log10 p of a device, if devices that are just strong enough to pass arrive as the others do."""
        columns = self.table.at(device, prior.delays, offset) * np.sqrt(prior.shares)
        values, vectors = np.linalg.eigh(self.fit.energy(columns, others))
        values = np.maximum(values, TINY)
        loaded = self.rule.device_limit / self.n_antennas * values / np.sum(values)
        weights = loaded / (1 + loaded)
        along = sum_squares(vectors.conj().T @ (columns.conj().T @ others.filtered))
        energy = float(np.sum(weights / values * along))
        dof = self.dof if self.fit.noise_var > self.told else _KNOWN
        return -log10_p_weighted(energy, weights, self.n_antennas, dof, self.rule.extent[1])

    def _score_all(self) -> dict[int, float]:
        alone = super()._score_all()
        if self.rule.asynchrony.max_paths == 1:
            return alone
        profile, scores = self._profile(), dict(alone)
        sure = -RULE.sure_share * np.log10(self.rule.false_alarm)
        for device, numbers in self.fit.own().items():
            prior = profile.prior(device)
            if alone[device] < sure and prior is not None:
                offset = self.fit.clusters[numbers[0]].offset
                alike = self._alike(device, offset, prior, self.fit.without(numbers))
                scores[device] = _either(alone[device], alike, prior.trust)
        return scores


def _either(alone: float, alike: float, share: float) -> float:
    """The score of a device by two tests that share the false alarms."""
    return float(max(alone + np.log10(1 - share), alike + np.log10(share), 0.0))


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
