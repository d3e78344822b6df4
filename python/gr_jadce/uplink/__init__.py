# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink: channels, frames, bursts on the air, and who transmits when."""

from .simulation import Scenario, Uplink, simulate, simulate_slots

__all__ = ["Scenario", "Uplink", "simulate", "simulate_slots"]
