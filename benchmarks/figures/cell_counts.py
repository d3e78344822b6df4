# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate frames of a cell of `make calibration`, decide them, and count."""

from functools import cache
from math import ceil
from zlib import crc32

from false_alarms import count

from gr_jadce import Scenario, decide, make_estimator, make_pilots, simulate

# Of PC-ADMM only the order of the scores matters here: decisions hardly differ from those after the
# defaults (λ from an estimate of σ, gap 1e-4), which take several times longer.
PROPOSERS = {"network": ("unrolled", {}), "pc_admm": ("pc_admm", {"lam_ratio": 0.1, "tol": 1e-2})}
CHUNK = 40_000  # decisions, about


def chunk_frames(settings):
    """Frames that are simulated at a time."""
    return ceil(CHUNK / settings["n_devices"])


def count_chunk(settings, wanted, name, turn):
    """What is counted, at each probability wanted, over the frames of one turn of the cell of that name."""
    scenario, n_frames = scenario_of(settings), chunk_frames(settings)
    uplink = simulate(scenario, n_frames, crc32(name.encode()), first_frame=turn * n_frames)
    noise_var = uplink.noise_var if settings["noise_var"] == "told" else None
    estimate = proposer(scenario.pilots, settings["proposer"])(uplink.received, noise_var)

    def decided(probability):
        return decide(estimate, uplink.received, scenario.pilots, probability, noise_var)

    return {text: count(uplink, decided(float(text)), uplink.noise_var) for text in wanted}


def scenario_of(settings):
    """The scenario of a cell, in white noise."""
    return Scenario(
        book(settings["pilots"], settings["n_devices"], settings["pilot_length"]),
        settings["n_antennas"],
        settings["activity_rate"],
        n_active=settings["n_active"],
        snr_db=settings["snr_db"],
        power_spread_db=settings["power_spread_db"],
    )


@cache
def book(kind, n_devices, pilot_length):
    return make_pilots(kind, n_devices, pilot_length, seed=1)


@cache
def proposer(pilots, name):
    kind, options = PROPOSERS[name]
    return make_estimator(kind, pilots, **options)
