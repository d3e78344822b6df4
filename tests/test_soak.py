# SPDX-License-Identifier: GPL-3.0-or-later
"""A short form of `make soak`."""

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).with_name("soak.py")


def test_every_frame_is_accounted_for_and_nothing_grows():
    # Few rounds: the caches of the allocator still fill, which the full form would see level off.
    # A loaded machine stops flowgraphs late: how fast they stop is a claim of the full form alone.
    options = {"--frames": 30000, "--per-round": 1000, "--slack": 8, "--stop-limit-s": 60}
    command = [sys.executable, SOAK, *(str(word) for option in options.items() for word in option)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
