# SPDX-License-Identifier: GPL-3.0-or-later
"""An estimator of one's own, the correlation: jadce-receive --estimator own_estimator:correlation."""

import numpy as np

from gr_jadce import Estimate


def correlation(pilots):
    """The estimator of a pilot book: a function from frames (B, L, M) to an `Estimate`."""
    matched = pilots.matrix.conj().T

    def estimator(received):
        channel = matched @ received
        return Estimate(channel, score=np.linalg.norm(channel, axis=2))

    return estimator
