# SPDX-License-Identifier: GPL-3.0-or-later
"""The GNU Radio blocks; importing this package needs GNU Radio."""

import sys

from ..payload.format import n_chips_of as n_chips_of  # for the sizes of vectors in flowgraphs

try:
    from .activity_monitor import activity_monitor
    from .beacon_receiver import beacon_receiver
    from .json_sink import json_sink
    from .occasion_demodulator import occasion_demodulator
    from .ofdm_demodulator import ofdm_demodulator
    from .pilot_framer import pilot_framer
    from .receiver import receiver
    from .recording_sink import recording_sink
    from .recording_source import recording_source
    from .scorer import scorer
    from .scores_to_stream import scores_to_stream
    from .uplink_source import uplink_source
    from .uplink_transmitter import uplink_transmitter
    from .web_sink import web_sink
    from .zmq_sink import zmq_sink
except ImportError as error:
    if error.name not in ("gnuradio", "pmt"):
        raise
    raise ImportError(
        f"gr_jadce.blocks: expected GNU Radio 3.10, which {sys.executable} does not find; on Debian "
        "and Ubuntu it belongs to /usr/bin/python3 (docs/installing.md)",
        name=error.name,
    ) from error

__all__ = [
    "activity_monitor",
    "beacon_receiver",
    "json_sink",
    "occasion_demodulator",
    "ofdm_demodulator",
    "pilot_framer",
    "receiver",
    "recording_sink",
    "recording_source",
    "scorer",
    "scores_to_stream",
    "uplink_source",
    "uplink_transmitter",
    "web_sink",
    "zmq_sink",
]
