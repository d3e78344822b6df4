# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions in noise that is not alike and independent on all antennas."""
