# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents people read, and the commands and links in them."""

import re
from typing import NamedTuple

from tracked import ROOT, tracked

DOCUMENTS = [ROOT / "README.md", ROOT / "examples" / "README.md", *tracked("docs/*.md")]


class Block(NamedTuple):
    """A fenced block: the language after the fence, and the text."""

    language: str
    text: str


def blocks(document):
    fenced = re.findall(r"^```(\S*)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(*found) for found in fenced]


def links(document):
    found = re.findall(r"\]\(([^)]+)\)|<img src=\"([^\"]+)\"", document.read_text())
    return [link or picture for link, picture in found if "://" not in link]


def name(document):
    return str(document.relative_to(ROOT))
