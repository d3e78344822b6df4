# SPDX-License-Identifier: GPL-3.0-or-later
"""Solvers of the joint activity detection and channel estimation problem, in NumPy.

Inside this package the axes are (rows, frames, antennas): Y (L, B, M), X (N, B, M), so that
one matrix product serves a whole batch. At its edges, as everywhere else, frames come first.
"""

from .estimate import Estimate
from .first_order import bcd, fista, ista
from .pc_admm import admm, pc_admm

__all__ = ["Estimate", "admm", "bcd", "fista", "ista", "pc_admm"]
