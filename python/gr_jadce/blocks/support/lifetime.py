# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps Python blocks alive: GNU Radio holds no reference to them."""

import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from gnuradio import gr

_for_ever: dict[int, Any] = {}
_DEPTH = 5  # frames from `to_basic_block` to the method of the flowgraph that asks, and some


def keep_alive(block: Any) -> None:
    """Keep `block` as long as the top block it is connected in, which crashes if its blocks are collected.

    In a hierarchical block, or where the top block is not known, keep it until the process ends.
    """
    block.to_basic_block = partial(_connect, weakref.ref(block))


def _connect(reference: Callable[[], Any]) -> Any:
    """`to_basic_block` of a block: a flowgraph calls it to connect, and holds the block from now on."""
    block, flowgraph = reference(), _caller()
    kept = (
        vars(flowgraph).setdefault("_jadce_blocks", {}) if isinstance(flowgraph, gr.top_block) else _for_ever
    )
    kept[id(block)] = block
    return block.gateway.to_basic_block()


def _caller() -> Any:
    """The flowgraph or hierarchical block whose `connect` or `msg_connect` is running, if any."""
    frame = sys._getframe(2)
    for _ in range(_DEPTH):
        candidate = frame.f_locals.get("self") if frame else None
        if isinstance(candidate, gr.hier_block2):
            return candidate
        frame = frame.f_back if frame else None
    return None
