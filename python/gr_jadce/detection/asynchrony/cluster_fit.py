# SPDX-License-Identifier: GPL-3.0-or-later
"""The covariance of a frame from devices out of step, fitted by likelihood.

The paths of a device that come close together are a cluster: their powers fall off exponentially
with delay, as in the usual models of channels. A cluster c of mean delay τ, spread s, offset ν and
power γ adds γ R to the covariance of each antenna's samples,

    R = ∫₀^∞ e^{−x} a(τ − s + s x, ν) a(τ − s + s x, ν)ᴴ dx ≈ B Bᴴ,

the two columns of B being pilots at the nodes of Gauss and Laguerre's quadrature, times the roots of
their weights; a single column where the spread is 0. With Σ₀ = σ²I + the other clusters,
S = BᴴΣ₀⁻¹B and Q = BᴴΣ₀⁻¹Y, the cluster adds to the log-likelihood

    Λ(γ) = γ tr(Qᴴ (I + γS)⁻¹ Q) − M log det(I + γS).

With all columns in B and their powers in Γ, Σ⁻¹ = (I − B K Bᴴ)/σ², K = (BᴴB + σ²Γ⁻¹)⁻¹, which stays
well conditioned however far a device stands above the noise. A small share ρ of every column's energy,
on the diagonal of BᴴB and so of S, stands for what rounding and the table leave of it.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares
from ..p_values import TINY
from .pilot_table import PilotTable

_NODES, SHARES = np.polynomial.laguerre.laggauss(2)
NODES = _NODES - 1  # of mean 0 and spread 1
LEAST_SPREAD = 0.01  # symbols: below, a cluster is a path
LEAST_DOF_SHARE = 0.1  # of all samples, on which σ² is measured
RIDGE = 1e-6  # ρ
_LEAST_SHARE = 1e-9  # of the energy of a cluster's columns: directions with less are left out
_POWER_RANGE = np.array([1e-9, 1e9])  # over what its strongest column asks for
_POWER_STEPS, _POWER_REACH, _POWER_TOL = 8, 1.5, 1e-3  # of Newton's method, in log γ


@dataclass(frozen=True)
class Cluster:
    """Paths of a device that come close together; delay and spread in symbols, offset in cycles a symbol."""

    device: int
    delay: float
    spread: float = 0.0
    offset: float = 0.0
    power: float = 0.0

    @property
    def delays(self) -> NDArray:
        """Of its columns."""
        return np.array([self.delay]) if self.is_path else self.delay + self.spread * NODES

    @property
    def weights(self) -> NDArray:
        """Of its columns: roots of their shares of the power."""
        return np.ones(1) if self.is_path else np.sqrt(SHARES)

    @property
    def is_path(self) -> bool:
        """Whether it is a single path."""
        return self.spread < LEAST_SPREAD

    def but(self, **changes: Any) -> "Cluster":
        """The same with other values."""
        return replace(self, **changes)


class Explained(NamedTuple):
    """What some clusters explain of a frame: Σ⁻¹ in short."""

    columns: NDArray  # B (L, n)
    kernel: NDArray  # K (n, n)
    gains: NDArray  # K BᴴY (n, M), the mean of the columns' gains, given the frame
    filtered: NDArray  # Σ⁻¹Y (L, M)


class Trial(NamedTuple):
    """A cluster as it may be: with its best power, what it gains so, and as it was; S and Q."""

    cluster: Cluster
    gain: float
    gain_before: float
    gram: NDArray
    match: NDArray


class ClusterFit:
    """Σ = σ²I + Σ_c γ_c B_c B_cᴴ of a frame (L, M)."""

    def __init__(self, table: PilotTable, frame: NDArray, noise_var: float) -> None:
        self.table, self.frame, self.noise_var = table, frame, noise_var
        self.clusters: list[Cluster] = []
        self.invert()

    def own(self) -> dict[int, list[int]]:
        """The numbers of the clusters of each device."""
        numbers: dict[int, list[int]] = {}
        for i, cluster in enumerate(self.clusters):
            numbers.setdefault(cluster.device, []).append(i)
        return dict(sorted(numbers.items()))

    def columns(self, cluster: Cluster) -> NDArray:
        """B (L, R)."""
        return self.table.at(cluster.device, cluster.delays, cluster.offset) * cluster.weights

    def invert(self) -> None:
        """Σ⁻¹, of the clusters as they are."""
        self.all = self._explained(self.clusters)
        self.filtered = self.all.filtered

    def _explained(self, clusters: list[Cluster]) -> Explained:
        clusters = [cluster for cluster in clusters if cluster.power > 0]
        found = [self.columns(cluster) for cluster in clusters]
        columns = np.concatenate([np.empty((len(self.frame), 0), complex), *found], axis=1)
        power = np.repeat([cluster.power for cluster in clusters], [part.shape[1] for part in found])
        gram = columns.conj().T @ columns
        load = np.diag(RIDGE * np.diagonal(gram).real + self.noise_var / power)
        kernel = np.linalg.inv(gram + load)
        gains = kernel @ (columns.conj().T @ self.frame)
        return Explained(columns, kernel, gains, (self.frame - columns @ gains) / self.noise_var)

    def without(self, numbers: list[int]) -> Explained:
        """Some of the clusters taken out of Σ."""
        return self._explained([cluster for i, cluster in enumerate(self.clusters) if i not in numbers])

    def energy(self, columns: NDArray, explained: Explained) -> NDArray:
        """BᴴΣ⁻¹B of columns (L, R)."""
        gram, overlap = columns.conj().T @ columns, explained.columns.conj().T @ columns
        seen = gram + RIDGE * np.diag(np.diagonal(gram).real) - overlap.conj().T @ explained.kernel @ overlap
        return seen / self.noise_var

    def look(self, cluster: Cluster, others: Explained) -> Trial:
        """A cluster in addition to others, with its best power."""
        columns = self.columns(cluster)
        gram, match = self.energy(columns, others), columns.conj().T @ others.filtered
        values, vectors = np.linalg.eigh(gram)
        kept = values > _LEAST_SHARE * values[-1]
        energy = sum_squares(vectors.conj().T @ match)[kept]
        seen = values[kept], energy, match.shape[1]
        power, gain = _best_power(cluster.power, *seen)
        return Trial(cluster.but(power=power), gain, _gain(cluster.power, *seen), gram, match)

    def match(self, path: Cluster) -> float:
        """‖aᴴΣ⁻¹Y‖² of a path."""
        pilot = self.table.at(path.device, np.array([path.delay]), path.offset)[:, 0]
        return float(sum_squares(pilot.conj() @ self.filtered, axis=None))

    def statistic(self, path: Cluster) -> float:
        """t of a path."""
        pilot = self.table.at(path.device, np.array([path.delay]), path.offset)[:, 0]
        own = float(self.energy(pilot[:, None], self.all)[0, 0].real)
        return float(self.match(path) / max(own, TINY))

    @property
    def rest(self) -> float:
        """‖σ²Σ⁻¹Y‖²: what the clusters leave of the frame."""
        return float(self.noise_var**2 * sum_squares(self.filtered, axis=None))

    @property
    def noise_dof(self) -> float:
        """σ² tr Σ⁻¹: symbols whose energy is noise."""
        columns, kernel = self.all.columns, self.all.kernel
        return len(columns) - float(np.sum((columns.conj().T @ columns) * kernel.T).real)

    def gains(self, number: int) -> NDArray:
        """The channel (R, M) of a cluster's columns, where it has some power: the mean, given the frame."""
        before = sum(len(cluster.delays) for cluster in self.clusters[:number])
        weights = self.clusters[number].weights
        return weights[:, None] * self.all.gains[before : before + len(weights)]


def _best_power(start: float, own: NDArray, energy: NDArray, n_antennas: int) -> tuple[float, float]:
    """The γ that makes Λ greatest, and Λ there; own (R,) eigenvalues of S, energy (R,) of Q along them."""
    if len(own) == 1:
        power = max((energy[0] / n_antennas - own[0]) / own[0] ** 2, 0.0)
        return _with_gain(power, own, energy, n_antennas)
    if not len(own) or (start <= 0 and np.sum(energy - n_antennas * own) <= 0):
        return 0.0, 0.0
    power = _by_newton(
        start if start > 0 else energy[-1] / (n_antennas * own[-1] ** 2), own, energy, n_antennas
    )
    return _with_gain(power, own, energy, n_antennas)


def _by_newton(start: float, own: NDArray, energy: NDArray, n_antennas: int) -> float:
    """The γ that makes Λ greatest, by Newton's method for log γ."""
    low, high = _POWER_RANGE / own[-1]
    power = float(np.clip(start, low, high))
    for _ in range(_POWER_STEPS):
        loaded = 1 + power * own
        slope, seen = energy / loaded**2, n_antennas * own / loaded
        first = power * np.sum(slope - seen)
        second = first + power**2 * np.sum(own * (seen - 2 * slope) / loaded)
        by = -first / second if second < 0 else np.sign(first) * _POWER_REACH
        by = float(np.clip(by, -_POWER_REACH, _POWER_REACH))
        power = float(np.clip(power * np.exp(by), low, high))
        if abs(by) < _POWER_TOL:
            break
    return power


def _with_gain(power: float, own: NDArray, energy: NDArray, n_antennas: int) -> tuple[float, float]:
    """A power and Λ there; no power, where that is better."""
    gain = _gain(power, own, energy, n_antennas)
    return (float(power), gain) if gain > 0 else (0.0, 0.0)


def _gain(power: float, own: NDArray, energy: NDArray, n_antennas: int) -> float:
    """Λ of a power."""
    loaded = 1 + power * own
    return float(np.sum(power * energy / loaded - n_antennas * np.log(loaded)))
