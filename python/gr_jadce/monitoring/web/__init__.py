# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver watched in browsers: a server of one page, and what it sends to those who look at it.

Import from the modules: this face does not load tornado.
"""
