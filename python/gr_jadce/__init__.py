# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint activity detection and channel estimation for grant-free massive access in GNU Radio.

Importing this package loads NumPy only; `gr_jadce.blocks` needs GNU Radio.
"""

__version__ = "0.1.0.dev0"

from .pilots import PilotBook, as_pilot_book, load_pilots, make_pilots
from .uplink import Scenario, Uplink, simulate

__all__ = ["PilotBook", "Scenario", "Uplink", "as_pilot_book", "load_pilots", "make_pilots", "simulate"]
