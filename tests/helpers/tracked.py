# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the repository, without what a user, a command or a tool left in the clone."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns, root=ROOT):
    """The paths of the files that git tracks and that are there. In a pattern, * stands for / as well."""
    command = ["git", "ls-files", "-z", "--", *patterns]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(path for name in listing.split("\0") if name and (path := root / name).is_file())
