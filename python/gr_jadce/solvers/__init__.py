# SPDX-License-Identifier: GPL-3.0-or-later
"""Solvers of the joint activity detection and channel estimation problem.

Inside this package the axes are (rows, frames, antennas): Y (L, B, M), X (N, B, M), so that
one matrix product serves a whole batch. At its edges, as everywhere else, frames come first.
"""

from ..estimate import Estimate
from .covariance import covariance_ml
from .first_order import bcd, fista, ista
from .greedy import somp
from .message_passing import amp, vamp
from .oracle import oracle_ls, oracle_mmse
from .pc_admm import admm, pc_admm
from .sbl import m_sbl

__all__ = [
    "Estimate",
    "admm",
    "amp",
    "bcd",
    "covariance_ml",
    "fista",
    "ista",
    "m_sbl",
    "oracle_ls",
    "oracle_mmse",
    "pc_admm",
    "somp",
    "vamp",
]
