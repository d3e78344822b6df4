# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio Companion opens every example without a complaint; the documents' pictures are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documents import DOCUMENTS, ROOT, links
from tracked import tracked

EXAMPLES = tracked("examples/*.grc")
PORT_BLUE = (33, 150, 243)  # of a complex stream


@pytest.fixture(scope="module")
def companion(tmp_path_factory):
    """The pictures of all examples and of one that overlaps, and what was complained about."""
    Image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("companion")
    graph = yaml.safe_load((ROOT / "examples" / "loopback_single_antenna.grc").read_text())
    places = {block["name"]: block["states"]["coordinate"] for block in graph["blocks"]}
    places["scorer"][:] = places["receiver"]
    (folder / "overlapping.grc").write_text(yaml.safe_dump(graph))
    run = subprocess.run(
        ["xvfb-run", "-a", "-s", "-screen 0 1600x1400x24", "/usr/bin/python3",
         ROOT / "tools" / "grc_window.py", folder, *EXAMPLES, folder / "overlapping.grc"],
        env=os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc")}, capture_output=True, text=True,
    )  # fmt: skip
    pictures = {
        path.stem.removeprefix("grc_"): Image.open(path).convert("RGB") for path in folder.glob("*.png")
    }
    return pictures, [line for line in run.stderr.splitlines() if ".grc: " in line], run


def test_companion_complains_about_overlaps_only_where_there_are_any(companion):
    _, complaints, run = companion
    assert complaints, run.stderr
    assert {Path(line.split(":")[0]).name for line in complaints} == {"overlapping.grc"}, complaints
    assert any("receiver and scorer overlap" in line for line in complaints)


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_companion_shows_the_flowgraph(name, companion):
    picture = companion[0][name]
    colours = {colour: count for count, colour in picture.getcolors(maxcolors=picture.width * picture.height)}
    assert len(colours) > 100
    assert any(all(abs(a - b) < 12 for a, b in zip(colour, PORT_BLUE, strict=True)) for colour in colours)


def test_every_picture_is_shown_and_made():
    shown = {Path(link).name for path in DOCUMENTS for link in links(path)}
    there = {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    assert there <= shown
    usage = subprocess.run(
        [sys.executable, ROOT / "tools" / "screenshots.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {name.removesuffix(".png") for name in there} <= set(re.findall(r"\w+", usage))
