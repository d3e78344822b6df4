# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-train, as its tests run it."""

import os
import subprocess
import sys
from pathlib import Path

import gr_jadce

APP = Path(__file__).resolve().parents[2] / "apps" / "jadce-train"
PACKAGE_PATH = str(Path(gr_jadce.__file__).resolve().parents[1])


def train(directory, *arguments, modules=()):
    """Run jadce-train in a directory; `modules` are searched before all others."""
    paths = [*map(str, modules), PACKAGE_PATH, os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, APP, *map(str, arguments), "--threads", "1"]
    return subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True)
