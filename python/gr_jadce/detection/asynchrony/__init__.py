# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices out of step, off the carrier, over several paths: found, and their channels estimated."""

from .asynchrony import Asynchrony
from .delayed import AsynchronousDecision, Delayed

__all__ = ["AsynchronousDecision", "Asynchrony", "Delayed"]
