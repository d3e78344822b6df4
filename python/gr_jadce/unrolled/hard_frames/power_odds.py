# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure fitted powers make it that devices are active."""

import numpy as np
from numpy.typing import NDArray

from ...numeric import sum_squares
from ...solvers.power_descent import penalties
from ...solvers.power_fit import PowerFit

_MAX_SHARE = 1 - 1e-9  # of a device's power that is sure
_MAX_ODDS_WITHOUT = -1e-3  # of a device that has no power


def power_odds(fit: PowerFit, score: NDArray) -> NDArray:
    """Log-odds (B, N) that devices are active, given their powers γ.

    At the likeliest γ_n the data give a share u = ‖x_n‖²/(M γ_n) of it for sure, and ln p(Y) is greater by
    M (u/(1 − u) + ln(1 − u)) than without the device; against that stands what one more active device
    costs. Devices without a power keep the odds against them that `score` gives.
    """
    n_antennas = fit.channel.shape[2]
    power = np.where(fit.power > 0, fit.power, 1)
    share = np.minimum(sum_squares(fit.channel) / (n_antennas * power), _MAX_SHARE)
    gain = n_antennas * (share / (1 - share) + np.log1p(-share))
    odds = gain - penalties(fit.power, n_antennas)[:, None]
    return np.where(fit.power > 0, odds, np.minimum(score, _MAX_ODDS_WITHOUT))
