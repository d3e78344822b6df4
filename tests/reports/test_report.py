# SPDX-License-Identifier: GPL-3.0-or-later
"""A report agrees with itself, or is refused by name."""

import numpy as np
import pytest
from reports import make_report, make_taps


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"device": [3, 2, 4, 5, 6]}, "device"),
        ({"device": [2, 2, 4, 5, 6]}, "device"),
        ({"device": [2, 3, 4, 5, 200]}, "device"),
        ({"device": [-1, 3, 4, 5, 6]}, "device"),
        ({"device": [0.5, 3, 4, 5, 6]}, "device"),
        ({"channel": np.zeros((5, 2))}, "channel"),
        ({"score": np.zeros(4)}, "score"),
        ({"status": "fine"}, "status"),
        ({"device_id": ("a",)}, "device_id"),
        ({"antennas_dead": [1, 0]}, "antennas_dead"),
        ({"antennas_dead": [3]}, "antennas_dead"),
        ({"noise_vars": np.zeros(5)}, "noise_vars"),
        ({"payload": (b"",) * 4}, "payload"),
        ({"evm_db": np.zeros(4)}, "evm_db"),
        ({"taps": make_taps([1, 1, 2, 1])}, "taps"),
        ({"taps": make_taps([1, 1, 2, 1, 1], n_antennas=2)}, "taps"),
        ({"taps": make_taps([1, 1, 2, 1, 1])._replace(delay=np.zeros(5))}, "taps"),
        ({"taps": make_taps([1, 1, 2, 1, 1])._replace(start=[0, 2, 1, 3, 5, 6])}, "taps"),
    ],
)
def test_a_report_that_does_not_agree_with_itself_is_refused(changes, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        make_report(**changes)


def test_the_responses_of_devices_are_their_taps():
    taps = make_taps([1, 0, 2, 1, 3])
    report = make_report(delay=np.arange(5, dtype=np.float32), taps=taps)
    assert report.responses is report.taps
    delay, gain = report.responses.of(2)
    assert (delay == taps.delay[1:3]).all()
    assert (gain == taps.gain[1:3]).all()
    assert report.taps.counts.tolist() == [1, 0, 2, 1, 3]


def test_a_device_without_taps_responds_at_its_delay():
    report = make_report(delay=np.arange(5, dtype=np.float32))
    delay, gain = report.responses.of(3)
    assert delay.tolist() == [3.0]
    assert (gain == report.channel[3]).all()
    assert make_report().responses is None
