# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth of a simulated uplink, as the reports that a perfect receiver would give."""

from typing import Any

import numpy as np

from .report import Report, Taps


def truth_report(scenario: Any, uplink: Any, index: int, frame_id: int, rx_time: tuple[int, float]) -> Report:
    """The truth of one frame, with estimator "truth", scores of 0 and the true noise variance.

    Parameters
    ----------
    scenario : Scenario
    uplink : Uplink or bursts.Truth
        Frames of that scenario; a `Truth` also tells delays, carrier offsets and taps.
    index : int
        Which of them.
    frame_id : int
    rx_time : (int, float)
        Device time of the pilot's first sample.
    """
    device = np.flatnonzero(uplink.activity[index])
    names = scenario.pilots.device_id
    names_there = {"delay": "delay", "carrier_offset": "offset"}
    out_of_step = {
        name: getattr(uplink, there)[index, device]
        for name, there in names_there.items()
        if getattr(uplink, there, None) is not None
    }
    return Report(
        frame_id=frame_id,
        rx_time=rx_time,
        n_devices=scenario.pilots.n_devices,
        n_antennas=scenario.n_antennas,
        device=device,
        channel=uplink.channel[index, device],
        score=np.zeros(len(device)),
        threshold=0.0,
        noise_var=uplink.noise_var,
        snr_db=scenario.snr_db,
        status="ok",
        estimator="truth",
        n_iter=0,
        solve_time=0.0,
        device_id=None if names is None else tuple(str(names[n]) for n in device),
        taps=_taps(uplink.paths[index]) if uplink.paths else None,
        payload=tuple(map(bytes, uplink.packets[index])) if uplink.packets else None,
        **out_of_step,
    )


def _taps(arrivals: Any) -> Taps | None:
    """The paths of `uplink.arrivals.Arrivals`; None where no device has several."""
    there = arrivals.gain.any(axis=1)
    count = np.count_nonzero(there, axis=1)
    if count.max(initial=0) < 2:
        return None
    return Taps.of_counts(count, arrivals.delay[there], np.moveaxis(arrivals.gain, 1, 2)[there])
