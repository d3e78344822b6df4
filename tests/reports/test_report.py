# SPDX-License-Identifier: GPL-3.0-or-later
"""A report agrees with itself, or is refused by name."""

import numpy as np
import pytest
from reports import make_report


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
    ],
)
def test_a_report_that_does_not_agree_with_itself_is_refused(changes, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        make_report(**changes)
