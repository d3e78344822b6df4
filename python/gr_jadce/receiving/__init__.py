# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames in, reports out: estimate and decide a batch, queue frames, track noise levels."""
