# SPDX-License-Identifier: GPL-3.0-or-later
"""The GNU Radio blocks; importing this package needs GNU Radio."""

from .pilot_framer import pilot_framer
from .receiver import receiver
from .recording_source import recording_source

__all__ = ["pilot_framer", "receiver", "recording_source"]
