# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes slowly from frame to frame: noise variance, SNR, and how many devices are active.

A receiver's noise is nearly the same for many frames, so the median over the last ones estimates it far
better than one frame can, and a burst of interference hardly moves it.
"""

from collections import deque
from collections.abc import Iterable
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer
from ..detection.noise.covariance import noise_kinds, noise_statistics
from ..reports.report import Report
from ..slots.guard import GuardNoise

_MIN_FRAMES_FOR_MEDIAN = 8  # a single guard is enough
_MIN_SAMPLES_PER_ANTENNA = 200  # of guards, for their covariance to be taken for that of the noise
_COLOURED = 1e-3  # probability that white noise is taken for another


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
        self._covariances: deque[GuardNoise] = deque(maxlen=memory)
        self._snrs: deque[float] = deque(maxlen=memory)
        self._active: deque[int] = deque(maxlen=memory)

    def reset(self) -> None:
        """Forget everything, as after a restart."""
        for values in (self._of_frames, self._of_guards, self._covariances, self._snrs, self._active):
            values.clear()

    def add_frames(
        self, noise_vars: Iterable[float], n_active: Iterable[int], snrs_db: Iterable[float] = ()
    ) -> None:
        """Add noise variances estimated from frames, how many devices were found active, and their SNRs."""
        self._active.extend(n_active)
        self._snrs.extend(filter(isfinite, snrs_db))
        self._of_frames.extend(value for value in noise_vars if 0 < value < inf)

    def add_reports(self, reports: Iterable[Report]) -> None:
        """Add what the reports of frames that were solved tell."""
        solved = [report for report in reports if report.status != "bad_input"]
        self.add_frames(
            [report.noise_var for report in solved],
            [len(report.device) for report in solved],
            [report.snr_db for report in solved],
        )

    def add_guard(self, noise_var: float, noise: GuardNoise | None = None) -> None:
        """Add a noise variance measured where nobody transmits: from now on only such ones count."""
        if 0 < noise_var < inf:
            self._of_guards.append(float(noise_var))
        if noise is not None and noise.n_samples and np.isfinite(noise.covariance).all():
            self._covariances.append(noise)

    @property
    def noise_var(self) -> float:
        """Median noise variance per received sample; 0 while too few frames are there."""
        guards, frames = self._of_guards.copy(), self._of_frames.copy()
        if not guards and len(frames) < min(_MIN_FRAMES_FOR_MEDIAN, frames.maxlen or 1):
            return 0.0
        return float(np.exp(np.median(np.log(list(guards or frames)))))

    @property
    def noise_cov(self) -> NDArray | None:
        """Covariance of the antennas (M, M) in the guards, taken together; None of few or of white ones."""
        guards = list(self._covariances.copy())
        guards = [guard for guard in guards if guard.covariance.shape == guards[-1].covariance.shape]
        count = sum(guard.n_samples for guard in guards)
        if not guards or count < _MIN_SAMPLES_PER_ANTENNA * len(guards[-1].covariance):
            return None
        covariance = np.sum([guard.n_samples * guard.covariance for guard in guards], axis=0) / count
        statistics = noise_statistics(covariance[None], np.array([float(count)]))
        kinds = noise_kinds(statistics, len(covariance), _COLOURED)
        return None if kinds[0] == "white" else np.asarray(covariance)

    def as_dict(self) -> dict[str, float]:
        """The levels of the last frames, under their names in a status."""
        return {
            "noise_var": self.noise_var,
            "snr_db": self.snr_db,
            "active_per_frame": self.active_per_frame,
        }

    @property
    def snr_db(self) -> float:
        """Median SNR of the frames with somebody in them, dB; NaN before the first of them."""
        return float(np.median(list(self._snrs.copy()))) if self._snrs else nan

    @property
    def active_per_frame(self) -> float:
        """Mean number of devices found active in a frame; 0 before the first."""
        active = self._active.copy()
        return sum(active) / len(active) if active else 0.0
