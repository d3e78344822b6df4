# SPDX-License-Identifier: GPL-3.0-or-later
"""From estimates to decisions: who is active at a wanted false-alarm probability, and in what noise."""

from .decide import Decision, decide

__all__ = ["Decision", "decide"]
