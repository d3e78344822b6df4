# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of one frame, its forms (PMT, bytes, JSON), its truth and its score.

Import from the modules: this face loads neither pmt nor zmq.
"""
