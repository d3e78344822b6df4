# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command lines of the `jadce-…` programs have in common: parser, types, options, progress."""

from .options import (
    add_payload_options,
    add_radio_addresses,
    add_uplink_options,
    add_usrp_options,
    add_waveform_options,
    has_radio,
    radio_settings,
    refuse_overwriting,
    slot_period,
    uplink_scenario,
    waveform,
)
from .parser import parser
from .progress import Progress, score_lines
from .types import count, named_estimator, numbers, positive, slot_origin, whole

__all__ = [
    "Progress",
    "add_payload_options",
    "add_radio_addresses",
    "add_uplink_options",
    "add_usrp_options",
    "add_waveform_options",
    "count",
    "has_radio",
    "named_estimator",
    "numbers",
    "parser",
    "positive",
    "radio_settings",
    "refuse_overwriting",
    "score_lines",
    "slot_origin",
    "slot_period",
    "uplink_scenario",
    "waveform",
    "whole",
]
