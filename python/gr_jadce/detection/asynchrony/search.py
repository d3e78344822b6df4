# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for devices out of step: one after another, in what those found before leave.

With Σ of the clusters found so far, a pilot a at some delay and offset is looked for by

    t = ‖aᴴΣ⁻¹Y‖² / aᴴΣ⁻¹a ~ Gamma(M, 1)   where no device is.

In every round the strongest devices are added, or more paths of those that are there, or the
weaker devices; then the clusters move to where they make the frame likelier (`moves`), σ² is measured
on what they leave, and devices that fail the test drop out. σ² begins as the mean energy of a sample,
so that at first only what stands out of everything else is found. Nearly all of the pilots of a book
match nothing: only the devices that matched best are looked at again, and the whole book where they
give nothing more.

At the end, what is not sure is taken off once, devices and further paths, and the search goes on from there:
devices come before paths then. What was added first, while much was still to be found, may stand in
the place of what is there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares
from ..p_values import TINY
from .cluster_fit import LEAST_DOF_SHARE, Cluster, ClusterFit
from .maximum import Rule, log10_p_known_anywhere, log10_p_unknown_anywhere
from .moves import Moves
from .pilot_table import PilotTable


class RoundRule(NamedTuple):
    """Numbers of the rounds of a search, which the compiled one is told."""

    rounds: int = 60
    strong: float = 3.0  # times the limit: devices that are added before any more paths
    near: float = 0.85  # times the limit: devices that are tried
    near_turned: float = 0.8  # the same where offsets are searched, in wider steps
    weak: float = 0.75  # times the limit: devices that drop out before the end
    devices_at_once: int = 8  # added in a round
    paths_at_once: int = 4
    device_share: float = 0.35  # of the strongest: added together with it
    path_share: float = 0.5
    tried_share: float = 0.3  # of the strongest match of a device: peaks whose t is computed
    looked_at: int = 16  # devices of a round for which aᴴΣ⁻¹a is computed, and not taken for a mean pilot's
    looked_at_share: float = 0.4  # of the limit, by a mean pilot's: of devices, and of peaks of a device
    settling: int = 3  # times that clusters move and σ² is measured in a round, at most
    falling: float = 0.3  # of σ² in a round: more is to come
    least_noise_var: float = 1e-12  # of a frame of energy 1 a sample: rounding is more
    least_dof_share: float = LEAST_DOF_SHARE  # of all samples, on which σ² is measured
    sure_false_count: float = 0.005  # devices of a frame expected to be false among the sure ones


RULE = RoundRule()
_WHOLE_BOOK_STEP = 2  # of the delays that are searched: which the whole book is looked at


class Search:
    """The search in one frame (L, M); `noise_var` None if it is unknown."""

    def __init__(self, table: PilotTable, rule: Rule, frame: NDArray, noise_var: float | None) -> None:
        self.table, self.rule, self.told = table, rule, noise_var or 0.0
        self.n_antennas = frame.shape[1]
        self.dof = float(frame.size)
        energy = float(sum_squares(frame, axis=None)) / frame.size
        self.fit = ClusterFit(table, frame, max(energy, self.told, RULE.least_noise_var))
        self.dropped = np.zeros(table.n_devices, int)
        self.scores: dict[int, float] = {}
        self.likely: NDArray = np.empty(0, int)
        self.devices_first = False

    def run(self) -> None:
        """Find all devices."""
        self._search()
        self.scores = self._score_all()
        if self._take_unsure_off():
            self.devices_first = True
            self._search()
        self._settle(1)
        self._decide()

    def _search(self) -> None:
        for _ in range(RULE.rounds):
            if not self._add_anything():
                break
            self._settle(RULE.settling, RULE.falling)
            self._drop_weak()
        self._settle(1)

    def _take_unsure_off(self) -> bool:
        """Devices that are not sure leave, and paths of others; whether any did. Any may come again."""
        leaving: list[int] = []
        for device, numbers in self.fit.own().items():
            leaving += numbers if self.scores[device] < self._sure else self._unsure_paths(numbers)
        self.fit.clusters = [cluster for i, cluster in enumerate(self.fit.clusters) if i not in leaving]
        if leaving:
            self.fit.invert()
            self._settle(1)
            self.dropped[:] = 0
        return bool(leaving)

    @property
    def _sure(self) -> float:
        """The score of sure devices."""
        return float(np.log10(self.table.n_devices / RULE.sure_false_count))

    def _add_anything(self) -> bool:
        if self._add_of_likely(with_paths=True):
            return True
        reach, _ = self._scan(np.arange(self.table.n_devices), _WHOLE_BOOK_STEP)
        most = max(self.table.length // 2, RULE.looked_at)  # more cannot be told apart
        self.likely = np.argsort(-reach, kind="stable")[:most]
        return self._add_of_likely(with_paths=False)  # which were tried before

    def _add_of_likely(self, *, with_paths: bool) -> bool:
        """Add the strongest of the likely devices, or of more paths, or weaker ones of these devices."""
        reach, places = self._scan(self.likely, 1)
        limit = self.rule.device_limit
        near = limit * (RULE.near_turned if self.rule.asynchrony.max_offset > 0 else RULE.near)
        return (
            self._add_devices(reach, places, RULE.strong * limit)
            or (self.devices_first and self._add_devices(reach, places, near))
            or (with_paths and self.rule.asynchrony.max_paths != 1 and self._add_paths())
            or self._add_devices(reach, places, near)
        )

    def _scan(self, devices: NDArray, step: int) -> tuple[NDArray, NDArray]:
        """t (aᴴΣ⁻¹a as of a mean pilot) and place of devices' strongest pilots, at every `step`-th delay."""
        pilots, offsets = self.table.searched[devices, ::step], self.table.offsets
        turned = np.exp(-2j * np.pi * np.outer(offsets, np.arange(self.table.length)))
        match = [sum_squares(pilots.conj() @ (turn[:, None] * self.fit.filtered)) for turn in turned]
        t = np.stack(match) / (self._mean_energy * np.maximum(sum_squares(pilots), TINY))  # (F, D, G)
        t = np.moveaxis(t, 1, 0).reshape(len(devices), t.shape[0] * t.shape[2])
        best = t.argmax(axis=1)
        reach, places = np.zeros(self.table.n_devices), np.zeros((self.table.n_devices, 2))
        reach[devices] = np.take_along_axis(t, best[:, None], axis=1)[:, 0]
        offset, delay = np.divmod(best, pilots.shape[1])
        places[devices] = np.stack([self.table.delays[step * delay], offsets[offset]], axis=1)
        reach[[cluster.device for cluster in self.fit.clusters]] = 0
        reach[self.dropped > 1] = 0
        return reach, places

    @property
    def _mean_energy(self) -> float:
        """aᴴΣ⁻¹a of a mean pilot of energy 1."""
        return self.fit.noise_dof / self.fit.noise_var / self.table.length

    def _add_devices(self, reach: NDArray, places: NDArray, limit: float) -> bool:
        order = np.argsort(-reach, kind="stable")[: RULE.looked_at]
        order = order[reach[order] >= RULE.looked_at_share * limit]
        paths = [Cluster(int(n), float(places[n, 0]), offset=float(places[n, 1])) for n in order]
        return self._add(paths, limit, RULE.device_share, RULE.devices_at_once)

    def _add_paths(self) -> bool:
        paths = []
        for device, numbers in self.fit.own().items():
            if len(numbers) < (self.rule.asynchrony.max_paths or 1):
                offset = self.fit.clusters[numbers[0]].offset
                paths.append(self._strongest(device, offset))
        return self._add(
            [path for path in paths if path is not None],
            self.rule.path_limit,
            RULE.path_share,
            RULE.paths_at_once,
        )

    def _strongest(self, device: int, offset: float) -> Cluster | None:
        """A device's strongest path, of the peaks of its match that may reach the limit."""
        tried = [Cluster(device, float(delay), offset=offset) for delay in self.table.delays]
        match = np.array([self.fit.match(path) for path in tried])
        limit = max(
            RULE.tried_share * match.max(), RULE.looked_at_share * self.rule.path_limit * self._mean_energy
        )
        beside = np.pad(match, 1)
        is_peak = (match >= beside[:-2]) & (match >= beside[2:]) & (match >= limit)
        return max((tried[g] for g in np.flatnonzero(is_peak)), key=self.fit.statistic, default=None)

    def _add(self, paths: list[Cluster], limit: float, share: float, most: int) -> bool:
        """The strongest of some paths, if they reach the limit and a share of the strongest."""
        ranked = sorted(((self.fit.statistic(path), path) for path in paths), key=lambda one: -one[0])
        added = [path for t, path in ranked[:most] if t >= max(limit, share * ranked[0][0])]
        self.fit.clusters += added
        return bool(added)

    def _settle(self, times: int, share: float = np.inf) -> None:
        """So many times, or fewer: until σ² falls by less than to that share."""
        before, moves = np.inf, Moves(self.fit, self.rule)
        while times > 0 and self.fit.noise_var <= share * before:
            before, times = self.fit.noise_var, times - 1
            moves.refine()
            self.fit.invert()
            for _ in range(2):
                self._measure_noise()
                self.fit.invert()
        self.fit.clusters = [cluster for cluster in self.fit.clusters if cluster.power > 0]

    def _measure_noise(self) -> None:
        """σ² on what the clusters leave; each of their real parameters takes half a degree of freedom."""
        dof = self.n_antennas * self.fit.noise_dof - self._parameters(self.fit.clusters) / 2
        self.dof = max(dof, RULE.least_dof_share * self.fit.frame.size)
        self.fit.noise_var = max(self.fit.rest / self.dof, self.told, RULE.least_noise_var)

    def _parameters(self, clusters: list[Cluster]) -> int:
        """Real numbers by which clusters were fitted, but for their gains."""
        turns = self.rule.asynchrony.max_offset > 0
        return sum(1 + (not cluster.is_path) + turns for cluster in clusters)

    def _statistic_without(self, numbers: list[int], out: list[int] | None = None) -> float:
        """t of a device at its strongest column, its clusters, or all of `out`, taken out of Σ."""
        others = self.fit.without(out or numbers)
        trials = [self.fit.look(self.fit.clusters[i], others) for i in numbers]
        return max(
            float(np.max(sum_squares(trial.match) / np.maximum(np.diagonal(trial.gram).real, TINY)))
            for trial in trials
        )

    def _drop(self, device: int) -> None:
        self.fit.clusters = [cluster for cluster in self.fit.clusters if cluster.device != device]
        self.dropped[device] += 1

    def _drop_weak(self) -> None:
        weakest = RULE.weak * self.rule.device_limit
        weak = [
            device for device, numbers in self.fit.own().items() if self._statistic_without(numbers) < weakest
        ]
        for device in weak:
            self._drop(device)
        if weak:
            self.fit.invert()

    def _decide(self) -> None:
        """Every device passes the test; the weakest of those that do not drops out first."""
        threshold = -np.log10(self.rule.false_alarm)
        while True:
            self.scores = self._score_all()
            weakest = min(self.scores, key=lambda device: self.scores[device], default=None)
            if weakest is None or self.scores[weakest] >= threshold:
                return
            self._drop(weakest)
            self.fit.invert()
            self._settle(1)

    def _score_all(self) -> dict[int, float]:
        """−log10 of the p-value of every device that was found.

        False devices take the largest peaks of the noise along, and so do false paths of others, of a σ²
        that is measured. So those that are not sure count as noise for each other, nor do they vouch for each
        other: each is tested without the others.
        """
        own = self.fit.own()
        t = {device: self._statistic_without(numbers) for device, numbers in own.items()}
        scores = {device: self._score(t[device], 0.0, 0.0) for device in own}
        taken = {
            device: self._taken(numbers) for device, numbers in own.items() if scores[device] < self._sure
        }
        others = [numbers for device, numbers in own.items() if device not in taken]
        paths = [i for numbers in others for i in self._unsure_paths(numbers)] if self._is_measured else []
        energy = sum(t[device] for device in taken) + sum(self._statistic_without([i]) for i in paths)
        dof = sum(taken.values()) + sum(self._taken([i]) for i in paths)
        unsure = [i for device in taken for i in own[device]]
        for device in taken:
            alone = self._statistic_without(own[device], unsure)
            scores[device] = self._score(alone, energy - t[device], dof - taken[device])
        return scores

    @property
    def _is_measured(self) -> bool:
        """Whether σ² is, and not the one that was told."""
        return self.fit.noise_var > self.told

    def _unsure_paths(self, numbers: list[int]) -> list[int]:
        """Those of a device's clusters that are not sure, but its strongest."""
        strongest = max(numbers, key=lambda i: self.fit.clusters[i].power)
        others = (i for i in numbers if i != strongest)
        return [i for i in others if self._score(self._statistic_without([i]), 0.0, 0.0) < self._sure]

    def _taken(self, numbers: list[int]) -> float:
        """Degrees of freedom that clusters of a device take of the noise."""
        return self.n_antennas + self._parameters([self.fit.clusters[i] for i in numbers]) / 2

    def _score(self, t: float, more_energy: float, more_dof: float) -> float:
        """−log10 p of a statistic, with some more energy (over σ²) of some more noise.

        Others that took it left less than the σ² that is told: the statistic is raised by as much, to first
        order.
        """
        rest, dof = self.dof + more_energy, self.dof + more_dof
        if not self._is_measured:
            raised = t * np.exp(rest / dof - 1)
            return -float(log10_p_known_anywhere(raised, self.n_antennas, self.rule.extent))
        return -float(log10_p_unknown_anywhere(t, rest, self.n_antennas, dof, self.rule.extent))
