# SPDX-License-Identifier: GPL-3.0-or-later
"""5G NR random access: occasions in samples, and the preambles in them."""

from ..pilots.preambles import Preambles
from .occasions import Occasion
from .receiver import Detection, OccasionReceiver
from .search import PreambleSearch

__all__ = ["Detection", "Occasion", "OccasionReceiver", "PreambleSearch", "Preambles"]
