# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx: the guide, with the blocks' own documentation and the docstrings; build it with `make docs`."""

import re
from pathlib import Path

import yaml

import gr_jadce
from gr_jadce.reports import fields

project, author, version = "gr-jadce", "gr-jadce developers", gr_jadce.__version__
project_copyright = "gr-jadce developers, GPL-3.0-or-later"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
smartquotes = False
html_theme = "furo"
html_title = "gr-jadce"
exclude_patterns = ["pictures"]

ROOT = Path(__file__).resolve().parents[1]
BLOCKS_HERE, FIELDS_HERE = "<!-- the blocks -->", "<!-- the fields of a report -->"


def blocks():
    """The documentation of every block, in the order of the tree, as Markdown."""
    tree = yaml.safe_load((ROOT / "grc" / "jadce.tree.yml").read_text())
    return "\n\n".join(
        block(yaml.safe_load((ROOT / "grc" / f"{name}.block.yml").read_text())) for name in tree["[JADCE]"]
    )


def block(fields):
    defaults = {entry["label"]: entry for entry in fields["parameters"]}
    lines = [f"## {fields['label'].removeprefix('JADCE ')}\n", f"`{fields['id']}`\n"]
    for line in fields["documentation"].splitlines():
        label, colon, text = line.partition(": ")
        if line in ("Inputs", "Outputs", "Messages", "Parameters"):
            lines.append(f"\n**{line}**\n")
        elif line.startswith("    "):
            lines.append(line)
        elif colon and label in defaults:
            lines.append(
                f"{label} *(`{defaults[label]['id']}`, {default(defaults[label])})*\n: {escaped(text)}\n"
            )
        else:
            lines.append(escaped(line) + ("" if line.startswith("    ") else "  "))
    return "\n".join(lines)


def default(entry):
    value = str(entry.get("default", ""))
    return f"default `{value}`" if value not in ("", "''") else "empty by default"


def escaped(text):
    """Text of GNU Radio Companion, which knows no mark-up but these back quotes."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", piece) for piece in pieces
    )


def insert_tables(app, name, source):
    source[0] = source[0].replace(BLOCKS_HERE, blocks()).replace(FIELDS_HERE, fields.table())


def setup(app):
    app.connect("source-read", insert_tables)
