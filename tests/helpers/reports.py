# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports to test with."""

from dataclasses import fields, replace

import numpy as np

from gr_jadce.reports.pairing import join
from gr_jadce.reports.pdus import activity_from_pmt, channel_from_pmt
from gr_jadce.reports.report import Report, Taps


def make_report(n_active=5, n_antennas=3, seed=1, **changes):
    rng = np.random.default_rng(seed)
    channel = rng.standard_normal((n_active, n_antennas, 2), dtype=np.float32).view(np.complex64)[..., 0]
    report = Report(
        frame_id=2**63 + 12345,
        rx_time=(1_700_000_000, 0.123456789012345),
        n_devices=200,
        n_antennas=n_antennas,
        device=np.sort(rng.choice(200, n_active, replace=False)),
        channel=channel * np.float32(1e-3),
        score=rng.exponential(10, n_active).astype(np.float32),
        threshold=3.0,
        noise_var=0.1,
        snr_db=10.1,
        status="ok",
        estimator="pc_admm",
        n_iter=37,
        solve_time=1.25e-3,
        frames_dropped=7,
    )
    return replace(report, **changes)


def make_taps(count, n_antennas=3, seed=2):
    """Taps of devices of which each has so many."""
    rng = np.random.default_rng(seed)
    delay = np.sort(rng.uniform(0, 8, sum(count))).astype(np.float32)
    gain = rng.standard_normal((len(delay), n_antennas, 2)).astype(np.float32).view(np.complex64)[..., 0]
    return Taps.of_counts(np.array(count), delay, gain)


def assert_same(report, expected):
    for field in fields(Report):
        value, wanted = getattr(report, field.name), getattr(expected, field.name)
        if isinstance(wanted, Taps):
            for part, wanted_part in zip(value, wanted, strict=True):
                _assert_same_array(part, wanted_part, field.name)
        elif isinstance(wanted, np.ndarray):
            _assert_same_array(value, wanted, field.name)
        else:
            assert value == wanted, field.name
            assert type(value) is type(wanted), field.name


def _assert_same_array(value, wanted, name):
    assert value.dtype == wanted.dtype, name
    assert value.tobytes() == wanted.tobytes(), name
    assert value.shape == wanted.shape, name


def from_pmts(activity, channel):
    """The report whose activity and channel PDUs these are."""
    return join(activity_from_pmt(activity), channel_from_pmt(channel))


REPORTS = {
    "plain": make_report(),
    "one antenna": make_report(n_antennas=1),
    "nobody": make_report(n_active=0),
    "everybody": make_report(n_active=200, n_antennas=8),
    "bad input": make_report(n_active=0, status="bad_input"),
    "names": make_report(n_active=12, device_id=tuple(f"sensor {n} “ü”" for n in range(12))),
    "no names": make_report(n_active=0, device_id=()),
    "out of step": make_report(
        n_active=3, delay=np.float32([0.25, -0.5, 7.1]), carrier_offset=np.float32([0, 1e-3, -2e-4])
    ),
    "several paths": make_report(
        n_active=4,
        delay=np.float32([0.25, 0.5, 7.1, 0]),
        carrier_offset=np.zeros(4, np.float32),
        taps=make_taps([2, 1, 0, 3]),
    ),
    "interference": make_report(noise_vars=np.float32([0.1, 0, 2.5]), interference_db=13.25),
    "dead antenna": make_report(n_active=2, antennas_dead=np.uint32([0, 2])),
    "payload": make_report(
        n_active=3,
        payload=(b"21.5 \xb0C", b"", bytes(16)),
        evm_db=np.float32([-20.5, -3, -11]),
        payload_snr_db=np.float32([20.5, 3, 11.25]),
    ),
    "extremes": make_report(
        n_active=4,
        n_antennas=1,
        channel=np.array([[1e-45 + 3e38j], [-0.0 + 0.1j], [1 / 3], [1.17549435e-38j]], np.complex64),
    ),
}
