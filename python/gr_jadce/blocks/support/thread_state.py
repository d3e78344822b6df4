# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the interpreter's state of a block's thread from one call of the block to the next.

GNU Radio's threads are not Python's own. For each call of a block's methods CPython therefore makes a
thread state, with fresh memory, and destroys it afterwards, which costs more than a short handler does.
"""

import ctypes
import threading

_ensure, _release = ctypes.pythonapi.PyGILState_Ensure, ctypes.pythonapi.PyGILState_Release


class ThreadState:
    """Held from a block's `start` to its `stop`, which GNU Radio calls in the block's own thread."""

    def __init__(self) -> None:
        self._holder: tuple[int, int] | None = None

    def hold(self) -> None:
        """Keep the state of this thread."""
        if self._holder is None:
            self._holder = threading.get_ident(), _ensure()

    def release(self) -> None:
        """Let go of it; nothing happens where it is not held."""
        if self._holder is not None and self._holder[0] == threading.get_ident():
            _release(self._holder[1])
        self._holder = None
