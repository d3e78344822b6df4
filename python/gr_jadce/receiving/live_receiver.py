# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver of frames in a flowgraph: its settings change, threads share it, and it remembers the noise."""

import threading
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ..reports.report import Report
from .frame_receiver import Stamp
from .levels import LevelTracker
from .packet_receiver import PacketReceiver

SOLVERS = 2  # threads that share one: while one has the interpreter, the kernel works for the other

Solved = tuple[list[Report], Exception | None]  # what `FrameReceiver.solve` gives


class LiveReceiver:
    """Solves batches by a `PacketReceiver` that can be changed meanwhile.

    Parameters
    ----------
    receiver : PacketReceiver
    levels : LevelTracker
        What is known of the frames before.
    has_memory : bool
        Whether that is told for the frames that come.

    Attributes
    ----------
    now : PacketReceiver
        The one for the next batch.
    """

    def __init__(self, receiver: PacketReceiver, levels: LevelTracker, *, has_memory: bool) -> None:
        self.now = receiver
        self._levels, self._has_memory = levels, has_memory
        self._lock = threading.Lock()

    @property
    def may_overlap(self) -> bool:
        """Whether frames may be solved while others are.

        With a memory, they depend on those before; and estimators need not be made for several threads.
        """
        now, alone = self.now, self._has_memory
        alone = alone or now.delayed is not None or now.payload is not None
        return not alone and bool(getattr(now.estimator, "is_shared", False))

    def change(self, **settings: Any) -> None:
        """Change fields of the receiver, from the next batch on."""
        with self._lock:
            self.now = replace(self.now, **settings)

    def solve(self, frames: NDArray, stamps: list[Stamp], frames_dropped: int) -> Solved:
        """What `FrameReceiver.solve` gives."""
        levels = self._levels
        hint, cov = (levels.noise_var, levels.noise_cov) if self._has_memory else (0.0, None)
        return self.now.solve(
            frames, stamps, frames_dropped=frames_dropped, noise_var_hint=hint, noise_cov=cov
        )
