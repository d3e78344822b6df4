# SPDX-License-Identifier: GPL-3.0-or-later
"""What the samples of frames are: numbers, and below the level at which a converter clips."""

import numpy as np
from numpy.typing import NDArray


def survey(frames: NDArray, clip_level: float) -> tuple[NDArray, NDArray]:
    """Which frames are finite, and which reach a level, if it is not 0: (B,) bool both.

    Without a level, the energies mostly tell that all are finite, in one call: each that goes through the
    samples offers the interpreter to threads that wait for it.
    """
    values = np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.float32)
    if clip_level == 0:
        finite = np.isfinite(np.einsum("bi,bi->b", values, values))
        if finite.all():
            return finite, ~finite
    peak = np.maximum(values.max(axis=1), -values.min(axis=1))  # NaN or Inf if the frame has one
    return np.isfinite(peak), peak >= (clip_level or np.inf)
