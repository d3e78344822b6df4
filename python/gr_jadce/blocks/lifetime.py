# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps Python blocks alive: GNU Radio holds no reference to them."""

_blocks = []


def keep_alive(block):
    """Keep `block` until the process ends; a flowgraph whose blocks were collected would crash."""
    _blocks.append(block)
