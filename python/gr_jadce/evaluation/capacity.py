# SPDX-License-Identifier: GPL-3.0-or-later
"""Monte-Carlo figures of an estimator, decisions included."""

from dataclasses import replace

from ..detection.decide import decide
from ..metrics import miss_probability
from ..uplink.simulation import simulate

_BATCH = 64


def misses(estimator, scenario, n_frames, false_alarm=1e-3, seed=0) -> float:
    """Miss probability over simulated frames, the noise variance unknown to the receiver.

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
    missed = active = 0.0
    for first in range(0, n_frames, _BATCH):
        uplink = simulate(scenario, min(_BATCH, n_frames - first), seed, first_frame=first)
        decision = decide(estimator(uplink.received), uplink.received, scenario.pilots, false_alarm)
        weight = float(uplink.activity.sum())
        if weight:
            missed += weight * miss_probability(decision.activity, uplink.activity)
        active += weight
    return missed / active if active else float("nan")


def capacity(estimator, scenario, n_frames=100, most_misses=0.05, false_alarm=1e-3, seed=0) -> int:
    """The largest number of active devices of which at most a share `most_misses` is missed.

    Found by bisection up to the pilot length, so it takes misses to grow with the load; 0 if
    even one device is missed too often. With 0.05 and `n_frames` frames, the standard error of
    the share for K devices is about 0.2 / sqrt(K n_frames).

    Parameters
    ----------
    estimator : callable
        Set up for the pilots of the scenario.
    scenario : Scenario
        Its activity is replaced by a fixed number of active devices.
    n_frames : int
        Frames simulated for each load, and four times as many for loads below 4.
    most_misses, false_alarm : float
    seed : int
    """
    carried, refused = 0, min(scenario.pilots.pilot_length, scenario.pilots.n_devices) + 1
    while refused - carried > 1:
        load = (carried + refused) // 2
        frames = n_frames * (4 if load < 4 else 1)
        share = misses(estimator, replace(scenario, n_active=load), frames, false_alarm, seed)
        carried, refused = (load, refused) if share <= most_misses else (carried, load)
    return carried
