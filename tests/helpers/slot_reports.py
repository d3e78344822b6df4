# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of slots, one after the other, as a monitor takes them."""

import numpy as np
from reports import make_report


def slot_report(k, device=(), *, truth=False, n_antennas=3, **changes):
    """The report of slot k, which is 10 ms long, or its truth; all channels are 1."""
    device = np.array(device, np.uint32)
    return make_report(
        **{
            "frame_id": k,
            "rx_time": (k // 100, (k % 100) / 100),
            "n_antennas": n_antennas,
            "device": device,
            "channel": np.ones((len(device), n_antennas)),
            "score": np.full(len(device), 4.0),
            "estimator": "truth" if truth else "pc_admm",
            "frames_dropped": 0,
        }
        | changes
    )


def push_slots(monitor, slots, *, rate=0.05, n_devices=200, with_truth=True, seed=0):
    """Give a monitor random reports of slots, of which some devices are missed, some falsely reported."""
    rng = np.random.default_rng(seed)
    for k in slots:
        active, found = rng.random((2, n_devices)) < rate
        found |= active & (rng.random(n_devices) < 0.9)
        if with_truth:
            monitor.push(slot_report(k, np.flatnonzero(active), truth=True, n_devices=n_devices))
        score = 3 + rng.exponential(20, np.count_nonzero(found))
        monitor.push(slot_report(k, np.flatnonzero(found), score=score, n_devices=n_devices))
