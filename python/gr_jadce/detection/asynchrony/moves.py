# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of paths, moved one after another to where they make the frame likelier.

A cluster's delay and its device's offset go to the vertex of a parabola through what three places gain. Its
spread is tried in steps; a path may hide one, the less the stronger it is. A cluster for which all that
gains next to nothing stays as it is, and is left alone in further rounds.
"""

import numpy as np

from .cluster_fit import Cluster, ClusterFit, Explained, Trial
from .maximum import Rule

_LEAST_GAIN = 0.01  # nats: less is not worth a move
_DELAY_STEP, _DELAY_REACH = 0.05, 0.2  # symbols
_OFFSET_STEP, _OFFSET_REACH = 0.02, 0.1  # cycles a pilot
_OFFSET_BEYOND = 1.1  # of the range, for offsets at its edge
_ROUNDING, _LEAST_ROUNDED = 1e-5, 100.0  # of a gain: by so much of it a move may seem to lose
_FIRST_SPREAD, _FIRST_SPREADS = 0.5, (0.02, 0.3)  # symbols, over the root of the gain; and its range
_SPREAD_STEP, _MOST_SPREAD = 1.5, 1.5  # a factor; symbols


class Moves:
    """The moves of the clusters of a fit, until some leave it or come."""

    def __init__(self, fit: ClusterFit, rule: Rule) -> None:
        self.fit, self.rule = fit, rule
        self.is_moving = [True] * len(fit.clusters)

    def refine(self) -> None:
        """Move every cluster that a move may still gain much for."""
        for i, is_moving in enumerate(self.is_moving):
            self.is_moving[i] = is_moving and self._refine(i)

    def _refine(self, i: int) -> bool:
        """Move a cluster, if it gains much by that; whether it does."""
        before, others = self.fit.clusters[i], self.fit.without([i])
        best = self.fit.look(before, others)
        least = best.gain_before + _LEAST_GAIN
        best = self._moved(best, others, "delay", _DELAY_STEP, _DELAY_REACH, self.rule.asynchrony.bounds)
        if self._turns(i):
            best = self._turned(best, others)
        if self.rule.asynchrony.max_paths != 1:
            best = self._widened(best, others)
        if best.gain < least:
            return False
        self.fit.clusters[i] = best.cluster
        if best.cluster.offset != before.offset:
            self._turn_all(best)
        return True

    def _turns(self, i: int) -> bool:
        """Whether the offset of a device is that of this cluster: its first."""
        device = self.fit.clusters[i].device
        first = all(cluster.device != device for cluster in self.fit.clusters[:i])
        return first and self.rule.asynchrony.max_offset > 0

    def _turned(self, best: Trial, others: Explained) -> Trial:
        edge = _OFFSET_BEYOND * self.rule.asynchrony.max_offset
        length = self.fit.table.length
        return self._moved(
            best, others, "offset", _OFFSET_STEP / length, _OFFSET_REACH / length, (-edge, edge)
        )

    def _turn_all(self, turned: Trial) -> None:
        """All clusters of a device have one offset."""
        device, offset = turned.cluster.device, turned.cluster.offset
        self.fit.clusters = [
            cluster.but(offset=offset) if cluster.device == device else cluster
            for cluster in self.fit.clusters
        ]

    def _moved(
        self,
        best: Trial,
        others: Explained,
        name: str,
        step: float,
        reach: float,
        bounds: tuple[float, float],
    ) -> Trial:
        """To the vertex of the parabola, if it promises much, and gains but for rounding."""
        place = getattr(best.cluster, name)
        before, after = (
            self.fit.look(best.cluster.but(**{name: place + side}), others).gain for side in (-step, step)
        )
        slope, bend = (after - before) / 2, before - 2 * best.gain + after
        by = reach if slope > 0 else -reach
        if bend < 0:
            by = float(np.clip(-slope / bend * step, -reach, reach))
        if (slope + bend / 2 * by / step) * by / step < _LEAST_GAIN:
            return best
        moved = best.cluster.but(**{name: float(np.clip(place + by, *bounds))})
        return self._better(best, moved, others, _ROUNDING * max(best.gain, _LEAST_ROUNDED))

    def _widened(self, best: Trial, others: Explained) -> Trial:
        before = best.cluster.spread
        first = float(np.clip(_FIRST_SPREAD / np.sqrt(1 + best.gain), *_FIRST_SPREADS))
        if best.cluster.is_path:
            return self._better(best, best.cluster.but(spread=first), others)
        narrower = 0.0 if before < _SPREAD_STEP * first else before / _SPREAD_STEP
        best = self._better(best, best.cluster.but(spread=narrower), others)
        return self._better(best, best.cluster.but(spread=min(before * _SPREAD_STEP, _MOST_SPREAD)), others)

    def _better(self, best: Trial, other: Cluster, others: Explained, loss: float = 0.0) -> Trial:
        """The other, if it gains, or loses no more than that."""
        trial = self.fit.look(other, others)
        return trial if trial.gain > best.gain - loss else best
