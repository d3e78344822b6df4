# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of the jadce- commands.

Import from the modules: most need GNU Radio.
"""
