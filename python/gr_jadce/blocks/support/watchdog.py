# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds blocks that have died: GNU Radio logs an exception of a block, and the others wait for ever."""

import contextlib
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any

_TASKS = Path("/proc/self/task")
_PAUSES_S = (0.01, 0.02)  # from one look to the next
_NAME_LENGTH = 15  # of a thread, in Linux


def dead_blocks(blocks: Sequence[Any]) -> list[str]:
    """The names of those blocks of a running flowgraph whose thread has ended before they were done.

    It is the thread that is looked at, not progress: a block that waits, or works for long, is alive. So
    are all where threads cannot be looked at: without /proc, or while too many files are open.

    Parameters
    ----------
    blocks : sequence of GNU Radio blocks
        Blocks that run in one thread each, as all do but hierarchical ones.
    """
    suspects = list(blocks)
    for pause in (0, *_PAUSES_S):  # the list of threads may lack some while others are ending
        sleep(pause)
        running = _thread_names()  # before asking who is done: a block is done before its thread ends
        if running is None:
            return []
        lacking = Counter(map(_cut_name, blocks)) - running
        suspects = [
            block
            for block in suspects
            if lacking[_cut_name(block)] and not running[_numbered_name(block)] and not _is_done(block)
        ]
        if not suspects:
            break
    return [block.name() for block in suspects]


def dead_threads(block: Any, names: Sequence[str]) -> list[str]:
    """Those Python threads, by name, that a running block should have and has not."""
    running = {thread.name for thread in threading.enumerate()}
    return [name for name in names if name not in running and not _is_done(block)]


def _is_done(block: Any) -> bool:
    detail = block.detail()  # None before the flowgraph runs, and `finished` crashes then
    return detail is None or detail.done() or block.finished()


def _cut_name(block: Any) -> bytes:
    """What GNU Radio calls a block's thread: the name cut to leave room for the number.

    Up to 3.10.5 for one, room for all but the last digit, which Linux then cuts off.
    """
    name, number = block.name(), str(block.unique_id())
    return f"{name[: _NAME_LENGTH + 1 - len(number)]}{number}"[:_NAME_LENGTH].encode()


def _numbered_name(block: Any) -> bytes:
    """What later releases (3.10.12 for one) call it: with the whole number."""
    name, number = block.name(), str(block.unique_id())
    return f"{name[: _NAME_LENGTH - len(number)]}{number}".encode()


def _thread_names() -> Counter[bytes] | None:
    """The names of the threads of this process; None if they cannot be read."""
    names: Counter[bytes] = Counter()
    try:
        for task in _TASKS.iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                names[(task / "comm").read_bytes().rstrip(b"\n")] += 1
    except OSError:
        return None
    return names
