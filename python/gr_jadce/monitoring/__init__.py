# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver watched: what a window or a terminal shows of its reports.

Import from the modules: this face loads neither zmq nor Qt.
"""
