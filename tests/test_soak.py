# SPDX-License-Identifier: GPL-3.0-or-later
"""A short form of `make soak`."""

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).with_name("soak.py")


def test_every_frame_is_accounted_for_and_nothing_grows():
    # Few rounds: the caches of the allocator still fill, which the full form would see level off.
    command = [sys.executable, SOAK, "--frames", "30000", "--per-round", "1000", "--slack", "8"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert result.returncode == 0, result.stdout + result.stderr
