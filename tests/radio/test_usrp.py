# SPDX-License-Identifier: GPL-3.0-or-later
"""What a USRP is set to is checked before one is looked for."""

import pytest

from gr_jadce.radio.usrp import UsrpSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate: expected a number above 0, got 0"),
        ({"frequencies": []}, "frequencies: expected one value or 4, got 0"),
        ({"gains": [1.0, 2.0]}, "gains: expected one value or 4, got 2"),
        ({"n_antennas": 0}, "n_antennas: expected an integer of at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    usual = {"address": "", "rate": 1e6, "frequencies": [1e9], "n_antennas": 4}
    with pytest.raises(ValueError, match=f"^{message}"):
        UsrpSettings(**usual | options)
