# SPDX-License-Identifier: GPL-3.0-or-later
"""A stretch of a radio's samples into a recording, for `jadce-check-radio`."""

import os
import threading
import time
from typing import Any

from gnuradio import blocks, gr

from ..blocks.recording_sink import recording_sink
from .source import Source
from .usrp import START_DELAY_S

_SILENCE_S = 5.0  # without a sample, after which a radio is taken to have ended


def capture(source: Source, path: str | os.PathLike, seconds: float) -> None:
    """Record so many seconds of a `source.Source`, with device time, to SigMF.

    Raises
    ------
    ValueError
        If the radio gives fewer samples, or the disk cannot take them.
    """
    wanted = max(round(seconds * source.rate), 1)
    sink, flowgraph = (
        recording_sink(path, n_antennas=source.n_antennas, rate=source.rate),
        gr.top_block("capture"),
    )
    heads = [blocks.head(gr.sizeof_gr_complex, wanted) for _ in range(source.n_antennas)]
    for stream, head in enumerate(heads):
        flowgraph.connect((source.block, stream), head, (sink, stream))
    flowgraph.start()
    try:
        _wait(flowgraph, sink, wanted)
    finally:
        flowgraph.stop()
        flowgraph.wait()
    if sink.taken() < wanted:
        raise ValueError(f"usrp: only {sink.taken()} of {wanted} samples came from the radio")
    if sink.dropped():
        raise ValueError(f"{path}: {sink.dropped()} samples not recorded: {sink.drop_cause()}")


def _wait(flowgraph: Any, sink: recording_sink, wanted: int) -> None:
    """Until the samples are there, the flowgraph has ended, or the radio is silent."""
    waiter = threading.Thread(target=flowgraph.wait, daemon=True)
    waiter.start()
    taken, heard = 0, time.monotonic() + START_DELAY_S
    while waiter.is_alive() and taken < wanted and time.monotonic() < heard + _SILENCE_S:
        waiter.join(0.05)
        if taken != sink.taken():
            taken, heard = sink.taken(), time.monotonic()
