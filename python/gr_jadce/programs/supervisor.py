# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a flowgraph, looks after its blocks, and brings it to an end within a deadline."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..blocks.support.watchdog import dead_blocks

POLL_INTERVAL_S = 0.05
MAX_MESSAGES_WAITING = 1024  # at a sink, before the samples of a file or a simulation are held up
_START_TIMEOUT_S = 3.0  # that a start gets after a signal
_CLOSE_TIMEOUT_S = 20.0  # that the blocks of a stopped flowgraph get to write what they have


class Supervisor:
    """A flowgraph that is started and waited for in a thread of its own.

    The main thread is then free to hear of signals, also while a radio's start or a disk hangs.

    Parameters
    ----------
    flowgraph : gr.top_block
    blocks : sequence of GNU Radio blocks
        Those whose death ends the run.

    Attributes
    ----------
    dead : list of str
        Names of the blocks, and of their threads, that have died.
    """

    def __init__(self, flowgraph: Any, blocks: Sequence[Any]) -> None:
        self.dead: list[str] = []
        self._flowgraph, self._blocks = flowgraph, list(blocks)
        self._error: Exception | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gr_jadce flowgraph", daemon=True)

    def start(self, is_stopped: Callable[[], bool]) -> None:
        """Start the flowgraph.

        Raises
        ------
        OSError
            If it cannot start, or still hangs some seconds after it was told to stop.
        """
        self._thread.start()
        deadline = float("inf")
        while not self._started.wait(POLL_INTERVAL_S):
            if is_stopped():
                deadline = min(deadline, time.monotonic() + _START_TIMEOUT_S)
            if time.monotonic() > deadline:
                raise TimeoutError("the flowgraph was stopped while its start hung")
        if self._error is not None:
            raise OSError(f"the flowgraph cannot start: {self._error}") from self._error

    def is_running(self) -> bool:
        """Whether the flowgraph has not come to its end."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for its end, for some seconds at most."""
        self._thread.join(seconds)

    def find_dead(self, threads: Callable[[], list[str]] = list) -> bool:
        """Look for blocks of the running flowgraph that have died, and for the dead of `threads`."""
        self.dead = self.dead or dead_blocks(self._blocks) + threads()
        return bool(self.dead)

    def close(self) -> None:
        """Stop the flowgraph, if it still runs, and let its blocks finish their files.

        Raises
        ------
        OSError
            If a block does not end in time.
        """
        if self._thread.is_alive() and self._started.is_set():
            self._flowgraph.stop()
            self._thread.join(_CLOSE_TIMEOUT_S)
            if self._thread.is_alive():
                raise TimeoutError(f"the flowgraph has not ended in {_CLOSE_TIMEOUT_S:g} s")

    def _run(self) -> None:
        try:
            self._flowgraph.start()
        except Exception as error:
            self._error = error
        finally:
            self._started.set()
        if self._error is None:
            self._flowgraph.wait()
