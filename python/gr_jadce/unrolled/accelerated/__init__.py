# SPDX-License-Identifier: GPL-3.0-or-later
"""The network on other processors: training by several processes, and layers in torch on a GPU."""
