# SPDX-License-Identifier: GPL-3.0-or-later
"""Device time and the slot grid: clocks, the framer, frame numbers, the guard and the beacon."""
