# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a radio fit for receiving? Checks of what its antennas gave, each with a verdict and a remedy.

The checks need no known signal, but for three: time alignment and coherence need something that all
antennas hear (a splitter, a near transmitter), the clock a `beacon.Beacon`.
"""

import numpy as np

from ..checks import check_integer
from ..recordings.reader import Recording
from ..slots.beacon import Beacon
from .antennas import clipping, dc_offset, dead_antennas, gain_imbalance, iq_imbalance, quiet, silence
from .finding import Finding
from .spectra import alignment, spurs
from .timing import clock, gaps, overflow

MIN_SAMPLES = 2**15  # without a gap: fewer leave the floors of DC and image above their limits
MAX_ANTENNAS = 1024  # of a flowgraph
_MAX_SAMPLES = 2**20  # that are judged: enough for all figures, and little memory
_MAX_VALUES = 2**26  # of all antennas: 0.5 GiB


def check_recording(
    recording: Recording, *, beacon: Beacon | None = None, beacon_period: int | None = None
) -> list[Finding]:
    """All checks of a `recordings.reader.Recording`, as made by `recording_sink` from a radio.

    The samples that are judged are the first 2**20, of many antennas fewer, of the longest stretch without
    a gap; time stamps and beacons are followed through all.

    Parameters
    ----------
    recording : Recording
    beacon : beacon.Beacon, optional
        What the base station sends.
    beacon_period : int, optional
        Samples from beacon to beacon.

    Raises
    ------
    ValueError
        If there are fewer than `MIN_SAMPLES` samples without a gap, or some that are not finite, or more
        than `MAX_ANTENNAS` antennas.
    """
    n_antennas = check_integer("antennas to check", recording.n_antennas, 1, MAX_ANTENNAS)
    longest = max(recording.segments, key=lambda s: s.stop - s.start, default=None)
    if longest is None or longest.stop - longest.start < MIN_SAMPLES:
        raise ValueError(f"samples: expected at least {MIN_SAMPLES} without a gap, to judge by, got fewer")
    count = max(MIN_SAMPLES, min(_MAX_SAMPLES, _MAX_VALUES // n_antennas, longest.stop - longest.start))
    samples = recording.read(longest.start, longest.start + count)
    findings = check_samples(samples, recording.sample_rate)
    findings.append(overflow(gaps(recording), recording.n_samples, recording.sample_rate))
    if beacon is not None and beacon_period is not None:
        findings.append(clock(recording, beacon, beacon_period))
    return findings


def check_samples(samples: np.ndarray, rate: float) -> list[Finding]:
    """The checks of samples (n, M) without a gap; dead antennas are named, and left out of the others."""
    if not np.isfinite(samples).all():
        raise ValueError("samples: expected finite numbers, got NaN or Inf")
    alive = np.flatnonzero(~dead_antennas(samples))
    findings = [silence(samples), clipping(samples)]
    if not len(alive):
        return findings
    heard, calm, antennas = samples[:, alive], quiet(samples[:, alive]), [int(antenna) for antenna in alive]
    findings += [dc_offset(calm, antennas=antennas), iq_imbalance(calm, antennas=antennas)]
    findings.append(spurs(heard, rate, antennas=antennas))
    if len(alive) > 1:
        findings.append(gain_imbalance(calm, antennas=antennas))
        findings += alignment(heard, rate, antennas=antennas)
    return findings
