# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios set up, recorded and judged.

Import from the modules: they need GNU Radio.
"""
