# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture that starts simulated USRPs and always stops them."""

import contextlib

import pytest
from usrp_sim.radios import simulated_radios, why_not


@pytest.fixture
def start_radios():
    """``start_radios(iq_files, …)`` starts a radio for each file ; their UHD arguments."""
    reason = why_not()
    if reason:
        pytest.skip(f"simulated USRPs: {reason}")
    with contextlib.ExitStack() as stack:
        yield lambda iq_files, lose=None, capture=None: stack.enter_context(
            simulated_radios(iq_files, lose, capture=capture)
        )
