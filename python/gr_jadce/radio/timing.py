# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a radio's time: samples lost, and its clock against a base station's beacons."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ..recordings.reader import Recording
from ..slots.beacon import Beacon, BeaconReceiver
from ..slots.clock import SampleClock
from .finding import Finding, grade, make_finding

# From where on a figure is a warning, and a failure.
LOST = (1e-9, 1e-4)  # share of samples; every overflow costs at least a slot
CLOCK_PPM = (5.0, 10.0)  # two oscillators of 2.5 ppm are within 5; beyond 10 one is broken

_CHUNK = 2**16  # samples a time through the beacon's receiver


def overflow(lost: ArrayLike, n_samples: int, rate: float) -> Finding:
    """What is missing beside `n_samples` samples; `lost`: by how many samples time jumped, from `gaps`."""
    lost = np.asarray(lost, float)
    if (lost < -0.5).any():
        text = f"device time jumped back by {-lost.min() / rate:.3g} s"
        remedy = "let nothing set the radio's time while it streams; check the pulse per second"
        return Finding("overflow", "fail", None, "share", text, remedy)
    missing = lost[lost > 0.5]
    value = missing.sum() / (missing.sum() + n_samples)
    text = (
        f"{len(missing)} overflows in {(n_samples + missing.sum()) / rate:.3g} s at {rate / 1e6:g} MS/s, "
        f"{missing.sum():.0f} samples lost ({100 * value:.2g} %)"
    )
    remedy = (
        "lower the rate; raise the socket buffers as UHD's warnings say and the MTU to 9000; a network "
        "interface for each radio; the processor's governor to performance"
    )
    return make_finding("overflow", grade(value, LOST), value, "share", text, remedy)


def gaps(recording: Recording) -> list[float]:
    """Samples lost before each segment but the first, by device time; negative if time went back."""
    position = SampleClock(recording.sample_rate).position
    return [
        float(position(*b.rx_time) - position(*a.rx_time) - (a.stop - a.start))
        for a, b in pairwise(recording.segments)
    ]


def clock(recording: Recording, beacon: Beacon, period: int) -> Finding:
    """How fast the radio's clock runs against the one that the base station's beacons are sent by."""
    receiver = BeaconReceiver(beacon, period)
    for segment, lost in zip(recording.segments, [*gaps(recording), 0.0], strict=True):
        for start in range(segment.start, segment.stop, _CHUNK):
            receiver.push(recording.read(start, min(start + _CHUNK, segment.stop))[:, 0])
        if lost > 0:
            receiver.skip(round(lost))
    if not receiver.locked:
        text = f"no beacon every {period} samples is heard"
        remedy = "check that the base station sends it, at this frequency, with this period; come nearer"
        return Finding("clock", "warn", None, "ppm", text, remedy)
    value = 1e6 * (receiver.tracker.period / period - 1)
    carrier = receiver.offset * recording.sample_rate
    text = f"the clock is {value:+.2f} ppm off the base station's, the carrier {carrier:+.0f} Hz"
    remedy = "give both a 10 MHz reference or a GPSDO and say --clock-source external; let them warm up"
    return make_finding("clock", grade(abs(value), CLOCK_PPM), value, "ppm", text, remedy)
