# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of paths, moved one after another to where they make the frame likelier.

A cluster's delay and its device's offset go to the vertex of a parabola through what three places gain. Its
spread is tried in steps; a path may hide one, the less the stronger it is. A cluster for which all that
gains next to nothing stays as it is, and is left alone in further rounds.
"""

from typing import NamedTuple

import numpy as np

from .cluster_fit import Cluster, ClusterFit, Explained, Trial
from .maximum import Rule


class MoveRule(NamedTuple):
    """Numbers of the moves, which the compiled ones are told."""

    least_gain: float = 0.01  # nats: less is not worth a move
    delay_step: float = 0.05  # symbols
    delay_reach: float = 0.2  # at most, in a move
    offset_step: float = 0.02  # cycles a pilot
    offset_reach: float = 0.1
    offset_beyond: float = 1.1  # of the range, for offsets at its edge
    rounding: float = 1e-5  # of a gain: by so much of it a move may seem to lose
    least_rounded: float = 100.0  # nats: of a smaller gain, as of this
    first_spread: float = 0.5  # symbols, over the root of the gain
    first_spread_low: float = 0.02  # its range
    first_spread_high: float = 0.3
    spread_step: float = 1.5  # a factor
    most_spread: float = 1.5  # symbols


RULE = MoveRule()


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
        least = best.gain_before + RULE.least_gain
        bounds = self.rule.asynchrony.bounds
        best = self._moved(best, others, "delay", RULE.delay_step, RULE.delay_reach, bounds)
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
        edge = RULE.offset_beyond * self.rule.asynchrony.max_offset
        length = self.fit.table.length
        return self._moved(
            best, others, "offset", RULE.offset_step / length, RULE.offset_reach / length, (-edge, edge)
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
        if (slope + bend / 2 * by / step) * by / step < RULE.least_gain:
            return best
        moved = best.cluster.but(**{name: float(np.clip(place + by, *bounds))})
        return self._better(best, moved, others, RULE.rounding * max(best.gain, RULE.least_rounded))

    def _widened(self, best: Trial, others: Explained) -> Trial:
        before, step = best.cluster.spread, RULE.spread_step
        first = RULE.first_spread / np.sqrt(1 + best.gain)
        first = float(np.clip(first, RULE.first_spread_low, RULE.first_spread_high))
        if best.cluster.is_path:
            return self._better(best, best.cluster.but(spread=first), others)
        narrower = 0.0 if before < step * first else before / step
        best = self._better(best, best.cluster.but(spread=narrower), others)
        return self._better(best, best.cluster.but(spread=min(before * step, RULE.most_spread)), others)

    def _better(self, best: Trial, other: Cluster, others: Explained, loss: float = 0.0) -> Trial:
        """The other, if it gains, or loses no more than that."""
        trial = self.fit.look(other, others)
        return trial if trial.gain > best.gain - loss else best
