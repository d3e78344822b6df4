# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimators compared over simulated frames: sweeps, tallies, plots and capacity.

Import from the modules: this face does not load matplotlib.
"""
