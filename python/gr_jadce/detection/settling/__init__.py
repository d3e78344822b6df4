# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that are decided after a few layers of the network: when, and what settles them."""
