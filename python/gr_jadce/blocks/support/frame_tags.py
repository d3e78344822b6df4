# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tags of a framer say about the frame that they are on."""

from typing import Any

import pmt

from .tags import read_time

# The tags, what they are called in `FrameTimeline.tell`, and how they are read.
_TAGS = {
    "frame_id": ("frame_id", pmt.to_uint64),
    "rx_time": ("rx_time", read_time),
    "slot_period": ("slot_period", pmt.to_uint64),
    "rx_rate": ("rate", pmt.to_double),
    "framer": ("totals", pmt.to_python),
}


def read_frame_tags(tags: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `FrameTimeline.tell` in the tags of a frame; an exception if one is malformed."""
    return {name: read(tags[key]) for key, (name, read) in _TAGS.items() if key in tags}
