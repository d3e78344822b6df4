# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/architecture.md names what is there, and draws the floors as the imports are."""

import re

import pytest
from documents import ROOT, blocks
from test_imports import MAY_IMPORT

PAGE = ROOT / "docs" / "architecture.md"
PLACES = (ROOT, ROOT / "python" / "gr_jadce")


def named_paths():
    """Every word of the page in backquotes, or in a drawing, that looks like a path."""
    text = re.sub(r"\]\([^)]*\)", "", PAGE.read_text(encoding="utf-8"))
    words = re.findall(r"[\w.-]+(?:/[\w.-]*)+|\b\w+\.(?:py|yml|hpp|cc)\b", text)
    return sorted({word.rstrip(".") for word in words})


def floors():
    """The parts of the package on each floor, from the top."""
    drawing = blocks(PAGE)[0].text
    names = [re.findall(r"(\w+)(?:/|\.py)", line) for line in drawing.splitlines()]
    return [set(floor) - {"kernel"} for floor in names]


def test_the_page_names_paths():
    assert len(named_paths()) > 40


@pytest.mark.parametrize("path", named_paths())
def test_every_path_exists(path):
    assert any((place / path).exists() for place in PLACES)


def test_every_part_stands_on_a_floor():
    assert set.union(*floors()) == set(MAY_IMPORT) - {""}


def test_a_part_imports_lower_floors_only():
    below = floors()
    while below:
        floor = below.pop(0)
        allowed = set().union(*below)
        for part in floor:
            assert {name.split(".")[0] for name in MAY_IMPORT[part]} <= allowed, part
