# SPDX-License-Identifier: GPL-3.0-or-later
"""Least squares of one frame on the pilots of the devices that may be active in it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric import sum_squares
from .p_values import TINY, log10_p_known, log10_p_unknown


class JointFit(NamedTuple):
    """Least squares of a frame (L, M) on the pilots of K devices."""

    channel: NDArray  # (K, M)
    gram: NDArray  # (K, K)
    target: NDArray  # (K, M)
    variance: NDArray  # (K,) of the channel, over σ²
    residual: float  # energy
    dof: int  # complex degrees of freedom of the residual
    size: int  # L·M

    @classmethod
    def of(cls, columns: NDArray, frame: NDArray, *, n_fitted: int = 0) -> "JointFit":
        """The fit on `columns` (L, K), which were fitted to the frame by `n_fitted` complex numbers."""
        gram, target = columns.conj().T @ columns, columns.conj().T @ frame
        inverse = np.linalg.pinv(gram, hermitian=True)
        channel = inverse @ target
        residual = float(sum_squares(frame - columns @ channel, axis=None))
        dof = max((len(frame) - columns.shape[1]) * frame.shape[1] - n_fitted, 1)
        return cls(channel, gram, target, np.diagonal(inverse).real, residual, dof, frame.size)

    def noise_level(self, noise_var: float | None) -> float:
        """What devices are tested against: σ², where it is known, but never less than the fit leaves over.

        What a model leaves of a strong device because it is approximate is not less of a disturbance
        than noise.
        """
        left = self.residual / self.dof
        return left if noise_var is None else max(left, noise_var)

    def score(self, noise_var: float | None) -> NDArray:
        """−log10 p-value of each device, given the others."""
        energy, n_antennas = (
            sum_squares(self.channel) / np.maximum(self.variance, TINY),
            self.channel.shape[1],
        )
        if noise_var is not None and noise_var >= self.noise_level(noise_var):
            return -log10_p_known(energy / noise_var, n_antennas)
        return -log10_p_unknown(energy, self.residual, n_antennas, self.dof)

    def lmmse(self, noise_var: float) -> tuple[NDArray, float]:
        """Channel (K, M) for a mean power common to the devices, and the energy it explains."""
        ridge = noise_var / max(self._mean_power(noise_var), 1e-3 * noise_var + TINY)
        rows = np.linalg.solve(self.gram + ridge * np.eye(len(self.gram)), self.target)
        return rows, float(np.sum((rows.conj() * (self.gram @ rows)).real))

    def _mean_power(self, noise_var: float) -> float:
        if not len(self.channel):
            return 1.0
        return float(np.mean(sum_squares(self.channel) / self.channel.shape[1] - self.variance * noise_var))
