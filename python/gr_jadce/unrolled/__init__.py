# SPDX-License-Identifier: GPL-3.0-or-later
"""The unrolled PC-ADMM network with a channel-attention proximal operator.

`inference` runs trained weights in NumPy; `network` and `training` need torch and are not imported here.
"""

from .inference import unrolled
from .weight_files import Weights, load_weights, save_weights

__all__ = ["Weights", "load_weights", "save_weights", "unrolled"]
