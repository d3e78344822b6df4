# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint activity detection and channel estimation for grant-free massive access in GNU Radio.

Importing this package needs NumPy and SciPy; only `gr_jadce.blocks`, `.radio` and `.programs` need GNU Radio.
"""

__version__ = "0.2.0"

from .detection.decide import Decision, decide
from .estimators import ESTIMATORS, make_estimator
from .pilots.book import PilotBook, as_pilot_book, load_pilots
from .pilots.kinds import PILOT_KINDS, make_pilots
from .solvers import Estimate, pc_admm
from .uplink.simulation import Scenario, Uplink, simulate, simulate_slots

__all__ = [
    "ESTIMATORS",
    "PILOT_KINDS",
    "Decision",
    "Estimate",
    "PilotBook",
    "Scenario",
    "Uplink",
    "as_pilot_book",
    "decide",
    "load_pilots",
    "make_estimator",
    "make_pilots",
    "pc_admm",
    "simulate",
    "simulate_slots",
]
