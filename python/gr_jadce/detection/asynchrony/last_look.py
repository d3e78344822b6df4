# SPDX-License-Identifier: GPL-3.0-or-later
"""A last look for devices that arrive as the others of their frame do, and the test of all.

Over several paths, a weak device's strongest path is often too weak to be told from the noise where its
delay is not known. The devices found before tell the delays (`delay_profile`). Some that match best are
added if that test comes near, all clusters settle, and those that are too weak leave again. At the end a
device passes by this test or by that of its strongest path. They share the false alarms that are wanted:
the more devices tell the profile, the more has the test that trusts it.
"""

import numpy as np

from ...numeric import sum_squares
from ..p_values import TINY
from .cluster_fit import Cluster, Explained
from .delay_profile import DelayProfile, Prior, delays_of, log10_p_weighted
from .pilot_table import STRIDE
from .search import Search

_LOOKS = 3
_LOOKED_AT = 8  # devices that are tested in a look
_ADDED_AT_ONCE, _ADDED_SHARE = 4, 0.6  # of the greatest score: added together with it
_NEAR_SHARE = 0.5  # of the threshold: scores of devices that are tried, that are kept for the while
_SETTLING = 2
_SURE_SHARE = 2.0  # of the threshold: scores of devices that need no second test
_KNOWN = 1e12  # degrees of freedom of a σ² that is told


class LastLook(Search):
    """The search in one frame, and the last look."""

    def _decide(self) -> None:
        if self.rule.asynchrony.max_paths != 1:
            self._look_again()
        super()._decide()

    def _look_again(self) -> None:
        self.dropped[:] = 0
        near = -_NEAR_SHARE * np.log10(self.rule.false_alarm)
        for _ in range(_LOOKS):
            if not self._add_alike(near):
                return
            self._settle(_SETTLING)
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
            for n in np.argsort(-reach, kind="stable")[:_LOOKED_AT]
            if reach[n] > 0
        ]
        scored = [
            (_either(0.0, self._alike(path.device, path.offset, prior, self.fit.all), prior.trust), path)
            for path in paths
        ]
        scored.sort(key=lambda one: -one[0])
        limit = max(near, _ADDED_SHARE * scored[0][0]) if scored else near
        added = [path for score, path in scored[:_ADDED_AT_ONCE] if score >= limit]
        self.fit.clusters += added
        return bool(added)

    def _profile(self) -> DelayProfile:
        return DelayProfile(delays_of(self.table.delays, STRIDE), self.fit.clusters)

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
        sure = -_SURE_SHARE * np.log10(self.rule.false_alarm)
        for device, numbers in self.own().items():
            prior = profile.prior(device)
            if alone[device] < sure and prior is not None:
                offset = self.fit.clusters[numbers[0]].offset
                alike = self._alike(device, offset, prior, self.fit.without(numbers))
                scores[device] = _either(alone[device], alike, prior.trust)
        return scores


def _either(alone: float, alike: float, share: float) -> float:
    """The score of a device by two tests that share the false alarms."""
    return float(max(alone + np.log10(1 - share), alike + np.log10(share), 0.0))
