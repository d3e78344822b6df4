# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx: the guide, with the blocks' own documentation and the docstrings; build it with `make docs`."""

import re
import shutil
from pathlib import Path

import yaml

import gr_jadce
from gr_jadce.reports import fields

project, author, version = "gr-jadce", "gr-jadce developers", gr_jadce.__version__
project_copyright = "gr-jadce developers, GPL-3.0-or-later"
extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "sphinx_copybutton",
]  # fmt: skip
copybutton_prompt_text = "$ "
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
smartquotes = False
html_theme = "furo"
html_title = "gr-jadce"
pygments_style, pygments_dark_style = "friendly", "github-dark"
html_static_path = ["style"]
html_css_files = ["guide.css"]
# Formulas are drawn by Debian's MathJax 2, of which a part is copied: the guide needs no network.
mathjax_path = "mathjax/MathJax.js"
mathjax2_config = {
    "jax": ["input/TeX", "output/SVG"],
    "extensions": ["tex2jax.js", "TeX/AMSmath.js", "TeX/AMSsymbols.js"],
    "tex2jax": {"ignoreClass": ".*", "processClass": "math"},
    "SVG": {"font": "TeX"},
    "showMathMenu": False,
    "messageStyle": "none",
}
exclude_patterns = ["pictures", "style"]

ROOT = Path(__file__).resolve().parents[1]
MATHJAX = Path("/usr/share/javascript/mathjax")
MATHJAX_PARTS = (
    "MathJax.js", "extensions", "jax/element", "jax/input/TeX", "jax/output/SVG/autoload",
    "jax/output/SVG/config.js", "jax/output/SVG/fonts/TeX", "jax/output/SVG/jax.js",
)  # fmt: skip
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
            lines += ([] if lines[-1].startswith("|") else ["", "| | |", "|---|---|"]) + [row(line)]
        elif colon and label in defaults:
            lines.append(
                f"{label} *(`{defaults[label]['id']}`, {default(defaults[label])})*\n: {escaped(text)}\n"
            )
        else:
            lines.append(escaped(line) + "  ")
    return "\n".join(lines)


def row(line):
    """An indented line, an expression and its meaning apart by spaces, as a row of a table."""
    expression, meaning = re.split(r"\s{2,}", line.strip(), maxsplit=1)
    return f"| `{expression}` | {escaped(meaning)} |"


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


def copy_mathjax(app, error):
    for part in MATHJAX_PARTS if error is None and app.builder.format == "html" else ():
        target = Path(app.outdir, "_static", "mathjax", part)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (MATHJAX / part).is_dir() else shutil.copyfile
        copy(MATHJAX / part, target, **({"dirs_exist_ok": True} if copy is shutil.copytree else {}))


def setup(app):
    app.connect("source-read", insert_tables)
    app.connect("build-finished", copy_mathjax)
