# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes slowly from frame to frame: noise variance, SNR, and how many devices are active.

A receiver's noise is nearly the same for many frames, so the median over the last ones estimates it far
better than one frame can, and a burst of interference hardly moves it.
"""

from collections import deque
from math import isfinite, nan

import numpy as np

from ..checks import check_integer

_MIN_FRAMES_FOR_MEDIAN = 8  # a single guard is enough


class LevelTracker:
    """Noise variance, SNR and number of active devices over the last frames.

    After a step, the noise variance has followed when half of the frames remembered are newer;
    a burst that is shorter than that moves it only within the spread of single frames. One thread
    may add while others read.

    Parameters
    ----------
    memory : int
        Frames remembered, at least 1.
    """

    def __init__(self, memory: int = 64) -> None:
        memory = check_integer("memory", memory, 1)
        self._of_frames: deque[float] = deque(maxlen=memory)
        self._of_guards: deque[float] = deque(maxlen=memory)
        self._snrs: deque[float] = deque(maxlen=memory)
        self._active: deque[int] = deque(maxlen=memory)

    def reset(self) -> None:
        """Forget everything, as after a restart."""
        for values in (self._of_frames, self._of_guards, self._snrs, self._active):
            values.clear()

    def add_frame(self, noise_var: float, n_active: int, snr_db: float = nan) -> None:
        """Add the noise variance estimated from a frame, how many devices were found active, and its SNR."""
        self._active.append(n_active)
        if isfinite(snr_db):
            self._snrs.append(snr_db)
        _add(self._of_frames, noise_var)

    def add_guard(self, noise_var: float) -> None:
        """Add a noise variance measured where nobody transmits: from now on only such ones count."""
        _add(self._of_guards, noise_var)

    @property
    def noise_var(self) -> float:
        """Median noise variance per received sample; 0 while too few frames are there."""
        guards, frames = self._of_guards.copy(), self._of_frames.copy()
        if not guards and len(frames) < min(_MIN_FRAMES_FOR_MEDIAN, frames.maxlen or 1):
            return 0.0
        return float(np.exp(np.median(np.log(list(guards or frames)))))

    @property
    def snr_db(self) -> float:
        """Median SNR of the frames with somebody in them, dB; NaN before the first of them."""
        return float(np.median(list(self._snrs.copy()))) if self._snrs else nan

    @property
    def active_per_frame(self) -> float:
        """Mean number of devices found active in a frame; 0 before the first."""
        active = self._active.copy()
        return sum(active) / len(active) if active else 0.0


def _add(values: deque[float], noise_var: float) -> None:
    if 0 < noise_var < np.inf:
        values.append(float(noise_var))
