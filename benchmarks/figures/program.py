# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs in this directory share: places, options, records and rows of tables."""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from records import compact_svg, write_json  # noqa: E402, F401


def parser(description, work):
    """A parser of options that has ``--output``, and ``--work`` with this default below `build`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    results, kept = HERE / "results", ROOT / "build" / work
    parser.add_argument("--output", type=Path, default=results, help="directory of the results")
    parser.add_argument("--work", type=Path, default=kept, help="directory of what a later run goes on from")
    return parser


def save(path, record, text):
    """Write ``path``.json and ``path``.md."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path.with_suffix(".json"), record)
    path.with_suffix(".md").write_text(text, encoding="utf-8")


def row(cells):
    """A row of a table in Markdown."""
    return f"| {' | '.join(map(str, cells))} |"


def commit():
    """The commit checked out, with + where the sources differ from it; unknown without git."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "python", "benchmarks/figures/*.py"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout else "")
