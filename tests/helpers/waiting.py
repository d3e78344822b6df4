# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for events, never for seconds: the limit ends only tests that fail."""

import time

LIMIT_S = 600.0  # below the limit of a test in pyproject.toml, so that the failure says what was awaited
_INTERVAL_S = 0.01  # from one look to the next


def wait_until(condition, what="the event"):
    """Return once ``condition()`` is true; AssertionError if it never is."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {LIMIT_S:g} s"
        time.sleep(_INTERVAL_S)
