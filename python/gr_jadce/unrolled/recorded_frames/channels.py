# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels of a frame in which only the activity is known, as of one's own transmitter."""

import numpy as np
from numpy.typing import NDArray


def fitted_channels(frame: NDArray, pilots: NDArray) -> tuple[NDArray, float] | None:
    """Least squares X̂ = argmin ‖Y − A X‖² on the active devices, and the noise variance that is left.

    Parameters
    ----------
    frame : (L, M) complex array
        Y.
    pilots : (L, K) complex array
        A, the pilots of the active devices alone.

    Returns
    -------
    channel : (K, M) complex64 array
    noise_var : float
        ‖Y − A X̂‖² / (L − K) M. None in place of both where K ≥ L: nothing is left then.
    """
    length, n_active = pilots.shape
    if n_active >= length:
        return None
    channel = np.linalg.lstsq(pilots.astype(complex), frame.astype(complex), rcond=None)[0]
    rest = frame - pilots @ channel
    noise_var = float(np.vdot(rest, rest).real) / ((length - n_active) * frame.shape[1])
    return channel.astype(np.complex64), noise_var
