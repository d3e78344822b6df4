# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds blocks that have died: GNU Radio logs an exception of a block and lets the others wait for ever."""

import threading
from collections import Counter
from pathlib import Path
from time import sleep

_TASKS = Path("/proc/self/task")
_PAUSES = (0.01, 0.02)  # seconds from one look to the next
_NAME_LENGTH = 15  # of a thread, in Linux


def dead_blocks(blocks) -> list[str]:
    """The names of those blocks of a running flowgraph whose thread has ended before they were done.

    It is the thread that is looked at, not progress: a block that waits, or works for long, is alive.

    Parameters
    ----------
    blocks : sequence of GNU Radio blocks
        Blocks that run in one thread each, as all do but hierarchical ones.
    """
    suspects = blocks
    for pause in (0, *_PAUSES):  # the list of threads may lack some while others are ending
        sleep(pause)
        running = _thread_names()  # before asking who is done: a block is done before its thread ends
        lacking = Counter(map(_cut_name, blocks)) - running
        suspects = [
            block
            for block in suspects
            if lacking[_cut_name(block)] and not running[_numbered_name(block)] and not _is_done(block)
        ]
        if not suspects:
            break
    return [block.name() for block in suspects]


def dead_threads(block, names) -> list[str]:
    """Those Python threads, by name, that a running block should have and has not."""
    running = {thread.name for thread in threading.enumerate()}
    return [name for name in names if name not in running and not _is_done(block)]


def _is_done(block):
    detail = block.detail()  # None before the flowgraph runs, and `finished` crashes then
    return detail is None or detail.done() or block.finished()


def _cut_name(block):
    """What GNU Radio calls a block's thread: the name cut to leave room for the number.

    Up to 3.10.5 for one, room for all but the last digit, which Linux then cuts off.
    """
    name, number = block.name(), str(block.unique_id())
    return f"{name[: _NAME_LENGTH + 1 - len(number)]}{number}"[:_NAME_LENGTH].encode()


def _numbered_name(block):
    """What later releases (3.10.12 for one) call it: with the whole number."""
    name, number = block.name(), str(block.unique_id())
    return f"{name[: _NAME_LENGTH - len(number)]}{number}".encode()


def _thread_names():
    names = Counter()
    for task in _TASKS.iterdir():
        try:
            names[(task / "comm").read_bytes().rstrip(b"\n")] += 1
        except OSError:  # it has just ended
            continue
    return names
