# SPDX-License-Identifier: GPL-3.0-or-later
"""Random frames for what shows them: the truth, and a report with misses and false alarms."""

import numpy as np

from gr_jadce.reports.report import Report

KINDS = 64  # different frames, sent in turn
MISSED = FALSE_ALARMS = 2  # in every frame


def truth_and_report(args, rng):
    """Of a frame of `args.active` of `args.devices` devices, at `args.antennas` antennas."""
    order = rng.permutation(args.devices)
    active, found = order[: args.active], order[MISSED : args.active + FALSE_ALARMS]
    return [_report(np.sort(active), args, rng, "truth"), _report(np.sort(found), args, rng, "pc_admm")]


def _report(device, args, rng, estimator):
    parts = rng.standard_normal((len(device), args.antennas, 2), dtype=np.float32)
    return Report(
        frame_id=0, rx_time=(0, 0.0), n_devices=args.devices, n_antennas=args.antennas, device=device,
        channel=parts.view(np.complex64)[..., 0], score=3 + rng.exponential(20, len(device)), threshold=3.0,
        noise_var=0.1, snr_db=10.0, status="ok", estimator=estimator, n_iter=20, solve_time=4e-4,
    )  # fmt: skip
