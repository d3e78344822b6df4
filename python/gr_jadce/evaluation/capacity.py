# SPDX-License-Identifier: GPL-3.0-or-later
"""Monte-Carlo figures of an estimator, decisions included."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..checks import check_integer, check_number
from ..detection.decide import decide
from ..estimate import Estimate
from ..metrics import DetectionCounts
from ..uplink.simulation import Scenario, simulate

_BATCH = 64

Estimator = Callable[[Any], Estimate]


def simulated_miss_probability(
    estimator: Estimator, scenario: Scenario, n_frames: int, *, false_alarm: float = 1e-3, seed: int = 0
) -> float:
    """Miss probability over simulated frames, the noise variance unknown to the receiver; NaN if all rest.

    Parameters
    ----------
    estimator : callable
        Set up for the pilots of the scenario.
    scenario : Scenario
    n_frames : int
    false_alarm : float
        Wanted false-alarm probability of the decisions.
    seed : int
    """
    n_frames = check_integer("n_frames", n_frames, 1)
    detections = DetectionCounts()
    for first in range(0, n_frames, _BATCH):
        uplink = simulate(scenario, min(_BATCH, n_frames - first), seed, first_frame=first)
        estimate = estimator(uplink.received)
        decision = decide(estimate, uplink.received, scenario.pilots, false_alarm=false_alarm)
        detections.merge(DetectionCounts.of(decision.activity, uplink.activity))
    return detections.miss_probability()


def capacity(
    estimator: Estimator,
    scenario: Scenario,
    n_frames: int = 100,
    *,
    max_miss_probability: float = 0.05,
    false_alarm: float = 1e-3,
    seed: int = 0,
) -> int:
    """The largest number of active devices that are missed with at most `max_miss_probability`.

    The search bisects up to the pilot length, so it takes misses to grow with the load; 0 if even
    one device is missed too often. With 0.05 and `n_frames` frames, the standard error of the
    probability for K devices is about 0.2 / sqrt(K n_frames).

    Parameters
    ----------
    estimator : callable
        Set up for the pilots of the scenario.
    scenario : Scenario
        Its activity is replaced by a fixed number of active devices.
    n_frames : int
        Frames simulated for each load, and four times as many for loads below 4.
    max_miss_probability, false_alarm : float
    seed : int
    """
    check_number("max_miss_probability", max_miss_probability, 0, 1)
    carried, refused = 0, min(scenario.pilots.pilot_length, scenario.pilots.n_devices) + 1
    while refused - carried > 1:
        load = (carried + refused) // 2
        frames = n_frames * (4 if load < 4 else 1)
        share = simulated_miss_probability(
            estimator, replace(scenario, n_active=load), frames, false_alarm=false_alarm, seed=seed
        )
        carried, refused = (load, refused) if share <= max_miss_probability else (carried, load)
    return carried
