# SPDX-License-Identifier: GPL-3.0-or-later
"""How results are written to be kept by git: as few lines as one can still read."""

import json
import re
from pathlib import Path

LONGEST_ROW = 1000  # characters


def write_json(path, record):
    """Write a record as JSON, a row of figures on a line."""
    Path(path).write_text(dumps(record) + "\n", encoding="utf-8")


def dumps(value, indent=""):
    """JSON in which every object or list of at most `LONGEST_ROW` characters stands on one line."""
    row = json.dumps(value, ensure_ascii=False)
    if len(row) <= LONGEST_ROW or not isinstance(value, (dict, list, tuple)):
        return row
    deeper = indent + " "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {dumps(v, deeper)}" for key, v in value.items()]
    else:
        lines = [dumps(entry, deeper) for entry in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    return f"{left}\n{deeper}" + f",\n{deeper}".join(lines) + f"\n{indent}{right}"


def compact_svg(path):
    """Rewrite a drawing by Matplotlib with one line a group: white space has no meaning in it."""
    text = " ".join(Path(path).read_text(encoding="utf-8").split())
    text = re.sub(r"> <", "><", text).replace("<g id=", "\n<g id=")
    Path(path).write_text(text + "\n", encoding="utf-8")
