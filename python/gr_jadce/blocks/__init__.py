# SPDX-License-Identifier: GPL-3.0-or-later
"""The GNU Radio blocks; importing this package needs GNU Radio."""

from .json_sink import json_sink
from .pilot_framer import pilot_framer
from .receiver import receiver
from .recording_source import recording_source
from .scorer import scorer
from .uplink_source import uplink_source

__all__ = ["json_sink", "pilot_framer", "receiver", "recording_source", "scorer", "uplink_source"]
