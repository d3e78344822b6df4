# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device's statistic is compared with where σ² is unknown: energy left over, and how much it says.

Devices too weak to be detected act as noise, which the energy that is left measures, too. Pilots
that are a tight frame (A Aᴴ = c I: DFT, Hadamard, Zadoff-Chu) spread less of it over the other
devices than over the residual; there the scale is that of the lower statistics of all devices, and as
much less certain as statistics left out make it.
"""

from typing import Literal, NamedTuple

import numpy as np
import scipy  # which loads its parts where they are first used
from numpy.typing import NDArray

from ...pilots.book import PilotBook

_LOWER_SHARE = 0.9  # share of the statistics of inactive devices that the scale of a tight frame is read off
_MIN_OUTSIDE = 100  # devices outside the support, fewer say too little about that scale
_SCALE_ROUNDS = 20
_SURE_FALSE_SHARE = 0.03  # expected share of false ones among the devices that σ² is measured off


Scale = Literal["white", "antennas", "spatial"]  # the noise: alike, of unequal antennas, of any covariance


class Rest(NamedTuple):
    """The energy that tells how loud the noise is that a device is tested against."""

    energy: NDArray  # (N,) ‖P Y‖² off the sure devices and the device tested
    dof: NDArray  # (N,) its complex degrees of freedom


def left_over(
    noise_left: float, rows: float, statistic: NDArray, outside: NDArray, n_antennas: int, scale: Scale
) -> Rest:
    """What `rows` rows of noise of variance `noise_left` say to members, and to devices `outside` (N,).

    A device outside the support is tested against what is left without itself. Frames whitened by a noise
    covariance that was measured on themselves know it with fewer degrees of freedom: for any covariance
    those of T in E. J. Kelly, IEEE Trans. Aerosp. Electron. Syst. 22(2), 1986, which is F(2M, 2(R − M))
    distributed. For the variances of M antennas the F distribution is close to that of the sum of theirs.
    """
    energy, out = noise_left * n_antennas * rows, outside.astype(float)
    if scale == "spatial":
        return Rest(np.maximum(energy / n_antennas - out * statistic, 0), rows - n_antennas + 1 - out)
    part = 1.0 if scale == "white" else (n_antennas + 1) / (2 * n_antennas)
    dof = part * n_antennas * (rows - out) - (0 if scale == "white" else (n_antennas - 1) / 2)
    return Rest(np.maximum(part * energy - out * statistic, 0), dof)


class LowerStatistics(NamedTuple):
    """Of Gamma(M, 1) variables: what the scale of a tight frame is read off; all 0 for other pilots."""

    limit: float  # their quantile of _LOWER_SHARE
    mean: float  # of those below it
    excess: float  # variance of the logarithm of a scale by one of them, over that by all

    @classmethod
    def of(cls, pilots: PilotBook, n_antennas: int) -> "LowerStatistics":
        """For frames of so many antennas."""
        if pilots.tight_bound is None:
            return cls(0.0, 0.0, 0.0)
        limit = float(scipy.special.gammaincinv(n_antennas, _LOWER_SHARE))
        mean = float(n_antennas * scipy.special.gammainc(n_antennas + 1, limit) / _LOWER_SHARE)
        return cls(limit, mean, _excess(n_antennas, limit, mean))


def _excess(n_antennas: int, limit: float, mean: float) -> float:
    """Of the M-estimator Σ (t/scale − mean)[t ≤ limit·scale] = 0."""
    square = (
        n_antennas * (n_antennas + 1) * scipy.special.gammainc(n_antennas + 2, limit) - mean**2 * _LOWER_SHARE
    )
    density = np.exp(scipy.special.xlogy(n_antennas - 1, limit) - limit - scipy.special.gammaln(n_antennas))
    slope = mean * _LOWER_SHARE - (limit - mean) * limit * density
    return float(square / slope**2 - 1 / n_antennas)


class SureRule(NamedTuple):
    """Which devices σ² is measured off."""

    share: float  # expected of false ones among them
    least: float  # score

    @classmethod
    def of(cls, n_antennas: int, scale: Scale, threshold: float) -> "SureRule":
        """For frames of so many antennas.

        A false device takes its energy off that of M antennas that are alike; where M² numbers are measured
        of the noise, off that of one direction of M. There, weak devices that are left in count as much.
        """
        if scale == "spatial":
            return cls(_SURE_FALSE_SHARE / max(n_antennas**2 / 4, 1), 0.0)
        return cls(_SURE_FALSE_SHARE, threshold)


def sure_level(rule: SureRule, n_devices: int, count: int) -> float:
    """The least score of a sure device, of `count`.

    False alarms take the largest peaks of the noise along: were they in the support that σ² is
    measured off, σ² came out too small, and false alarms bred more of them. So σ² is measured
    off the devices of which at most a share is expected to be false; and
    in noise that is alike on all antennas, of devices that are found active, too.
    """
    return max(rule.least, np.log10(n_devices / (rule.share * max(count, 1))))


def noise_scaled(rest: Rest, outside: NDArray, left: float, lower: LowerStatistics, n_antennas: int) -> Rest:
    """`rest`, for a tight frame at the scale of the lower statistics; `left` is its own scale, σ².

    outside : statistics of the devices outside the support.
    """
    if not lower.limit or len(outside) < _MIN_OUTSIDE or not left:
        return rest
    scale = outside.mean() / n_antennas
    for _ in range(_SCALE_ROUNDS):
        scale = outside[outside <= lower.limit * scale].mean() / lower.mean
    certain = 1 / (1 + rest.dof * lower.excess / len(outside))
    return Rest(rest.energy * (scale / left * certain), rest.dof * certain)
