# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt widget of the activity monitor; only its modules load Qt."""
