# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives of devices beside their clusters: echoes each of which is too weak to be found.

Where there are many, they are most of what clusters leave, and pass for noise. So every device found gets,
beside the taps of its clusters, one at every half symbol. These have powers v_dg = s_d p_g: over delay,
they fall off for all devices alike. With all taps

    Σ = σ²I + Σ_j v_j a_j a_jᴴ,   μ_j = v_j a_jᴴΣ⁻¹Y,   e_j = v_j a_jᴴΣ⁻¹a_j,

μ_j the mean of the gains of tap j, given the frame, and e_j the share of them that the frame tells. MacKay's
fixed point of the likelihood (Neural Computation 4, 1992) is v_j = ‖μ_j‖²/(M e_j); s and p are the likeliest
for those of the half symbols. σ² is what is left on the samples that no tap and no power was fitted to.
Where the likelihood does not grow with the first power that is given to weak echoes, there are none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares
from ..p_values import TINY
from .cluster_fit import LEAST_DOF_SHARE, RIDGE, Cluster, ClusterFit


class EchoRule(NamedTuple):
    """Numbers of the fit, which the compiled one is told."""

    share: float = 0.1  # of a device's power that the weak echoes begin with
    steps: int = 5  # of the fixed point
    alternations: int = 3  # of s and p in each
    looked_at: int = 2  # one of so many weak echoes, for the slope of the likelihood
    least_power: float = 1e-9  # of a tap, over σ²
    least_energy: float = 0.02  # of taps that are told, over σ² and antennas, beside a device's strongest
    least_dof_share: float = LEAST_DOF_SHARE  # of all samples, on which σ² is measured


RULE = EchoRule()


class Taps(NamedTuple):
    """Taps, device by device, and what they leave.

    device, delay : (T,). gain : (T, M), the mean, given the frame. noise_var : float, σ². signal : float,
    the energy that is explained.
    """

    device: NDArray
    delay: NDArray
    gain: NDArray
    noise_var: float
    signal: float


def taps_of_clusters(fit: ClusterFit, own: dict[int, list[int]]) -> Taps:
    """The taps of each device's clusters."""
    numbers = [number for part in own.values() for number in part]
    clusters = [fit.clusters[number] for number in numbers]
    signal = float(sum_squares(fit.frame - fit.noise_var * fit.filtered, axis=None))
    return Taps(
        np.array([cluster.device for cluster in clusters for _ in cluster.delays], int),
        np.concatenate([np.empty(0), *(cluster.delays for cluster in clusters)]),
        np.concatenate([np.empty((0, fit.frame.shape[1])), *(fit.gains(number) for number in numbers)]),
        fit.noise_var,
        signal,
    )


def with_weak_echoes(fit: ClusterFit, own: dict[int, list[int]], told: float) -> Taps | None:
    """The taps of each device's clusters and of its weak echoes; None where there are no such.

    `told` is the least that σ² can be.
    """
    if _growth(fit, own) <= 0:
        return None
    half_symbols = fit.table.half_symbols
    placed = [_placed([fit.clusters[i] for i in numbers], half_symbols) for numbers in own.values()]
    columns = [
        fit.table.at(n, delay, fit.clusters[numbers[0]].offset)
        for (n, numbers), (delay, _) in zip(own.items(), placed, strict=True)
    ]
    weak = [np.arange(len(delay)) >= len(delay) - len(half_symbols) for delay, _ in placed]
    device = np.repeat(list(own), [len(delay) for delay, _ in placed])
    delay, power = (np.concatenate(part) for part in zip(*placed, strict=True))
    echoes = _Echoes(fit.frame, np.concatenate(columns, axis=1), power, np.concatenate(weak), len(own))
    echoes.fit(fit.noise_var, max(told, TINY))
    return echoes.taps(device, delay)


def _growth(fit: ClusterFit, own: dict[int, list[int]]) -> float:
    """The slope of the log-likelihood over the power of weak echoes, where there are none yet."""
    growth, delays = 0.0, fit.table.half_symbols[:: RULE.looked_at]
    for n, numbers in own.items():
        columns = fit.table.at(n, delays, fit.clusters[numbers[0]].offset)
        match = float(sum_squares(columns.conj().T @ fit.filtered, axis=None))
        seen = float(np.trace(fit.energy(columns, fit.all)).real)
        growth += sum(fit.clusters[i].power for i in numbers) * (match - fit.frame.shape[1] * seen)
    return growth


def _placed(clusters: list[Cluster], delays: NDArray) -> tuple[NDArray, NDArray]:
    """Delays and first powers (T,) of a device's taps: those of its clusters, then those of weak echoes."""
    power = np.concatenate([cluster.power * cluster.weights**2 for cluster in clusters])
    weak = np.full(len(delays), RULE.share * np.sum(power) / len(delays))
    return np.concatenate([*(cluster.delays for cluster in clusters), delays]), np.concatenate([power, weak])


class _Echoes:
    """Taps of D devices, their powers being fitted: frame (L, M), columns (L, J), power and weak (J,)."""

    def __init__(
        self, frame: NDArray, columns: NDArray, power: NDArray, weak: NDArray, n_devices: int
    ) -> None:
        self.frame, self.columns, self.power, self.weak = frame, columns, power, weak
        self.n_devices = n_devices
        self.unexplained = RIDGE * float(sum_squares(frame, axis=None)) / frame.size  # the table's errors

    def fit(self, noise_var: float, least: float) -> None:
        """Fit all, from the σ² of the clusters alone; σ² is no less than `least`."""
        self.noise_var = noise_var
        for _ in range(RULE.steps):
            self._explain()
            self.power = self._found()
            self.noise_var = max(self._left(), least)
        self._explain()

    def _explain(self) -> None:
        """Σ⁻¹, and what follows."""
        covariance = (self.columns * self.power) @ self.columns.conj().T
        inverse = np.linalg.inv(covariance + (self.noise_var + self.unexplained) * np.eye(len(self.frame)))
        self.filtered = inverse @ self.frame
        self.match = self.columns.conj().T @ self.filtered
        self.overlap = np.sum(self.columns.conj() * (inverse @ self.columns), axis=0).real
        self.rows = self.noise_var * float(np.trace(inverse).real)

    @property
    def gain(self) -> NDArray:
        """μ (J, M)."""
        return np.asarray(self.power[:, None] * self.match)

    @property
    def signal(self) -> float:
        """The energy that is explained."""
        return float(sum_squares(self.frame - self.noise_var * self.filtered, axis=None))

    def taps(self, device: NDArray, delay: NDArray) -> Taps:
        """Those that are strong enough to be told, and each device's strongest; device and delay (J,)."""
        energy = sum_squares(self.gain)
        strongest = np.zeros(device.max() + 1)
        np.maximum.at(strongest, device, energy)
        least = RULE.least_energy * self.frame.shape[1] * self.noise_var
        kept = energy >= np.minimum(least, strongest[device])
        return Taps(device[kept], delay[kept], self.gain[kept], self.noise_var, self.signal)

    def _found(self) -> NDArray:
        """The fixed point's powers, those of weak echoes alike."""
        told = np.maximum(self.power * self.overlap, TINY)
        found = sum_squares(self.gain) / (self.frame.shape[1] * told)
        found = np.maximum(found, RULE.least_power * self.noise_var)
        found[self.weak] = _alike(found[self.weak].reshape(self.n_devices, -1)).reshape(-1)
        return np.asarray(found)

    def _left(self) -> float:
        """σ² by what the taps leave."""
        L, M = self.frame.shape
        dof = max(M * self.rows - (L - self.rows) / 2, RULE.least_dof_share * L * M)
        return self.noise_var**2 * float(sum_squares(self.filtered, axis=None)) / dof


def _alike(power: NDArray) -> NDArray:
    """The likeliest s_d p_g for powers (D, G), each as of M gains."""
    scale = power.sum(axis=1)
    for _ in range(RULE.alternations):
        shape = (power / scale[:, None]).sum(axis=0)
        shape /= shape.sum()
        scale = (power / shape).mean(axis=1)
    return np.asarray(scale[:, None] * shape)
