# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis, the same examples at every run: a failure here is a failure everywhere."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=HealthCheck,
)
settings.load_profile("fuzz")
