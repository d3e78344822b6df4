# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of a recording beside who was active in them, for training."""
