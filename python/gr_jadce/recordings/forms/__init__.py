# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples in other forms than one interleaved SigMF recording: collections of recordings, raw files."""
