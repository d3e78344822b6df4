# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide builds without a warning, and has all blocks, parameters and pictures."""

import html
import os
import re
import subprocess

import pytest
import yaml
from documents import ROOT
from tracked import tracked

from gr_jadce.reports.fields import FIELDS

PAGES = [path.stem for path in tracked("docs/*.md")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    python = "/usr/bin/python3"
    if subprocess.run(
        [python, "-c", "import sphinx, myst_parser, sphinx_copybutton, furo"], capture_output=True
    ).returncode:
        pytest.skip("the guide needs what `tools/setup.sh docs` installs")
    run = subprocess.run(
        [python, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ROOT / "docs", folder],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_page(page, built):
    text = (built / f"{page}.html").read_text()
    for link in re.findall(r'(?:src|href)="([^"#?]+)[^"]*"', text):
        if not re.match(r"\w+:", link):
            assert (built / link).exists(), link


def test_blocks_are_explained(built):
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", (built / "blocks.html").read_text())).split())
    for path in tracked("grc/*.block.yml"):
        block = yaml.safe_load(path.read_text())
        assert block["documentation"].splitlines()[0].replace("`", "") in text
        for parameter in block["parameters"]:
            assert f"{parameter['label']} ({parameter['id']}, " in text


def test_every_field_of_a_report_is_explained(built):
    text = (built / "model.html").read_text()
    rows = [row for row in re.findall(r"<tr.*?</tr>", text, re.S) if row.count("<td") == 5]
    given = [re.search(r'<span class="pre">(\w+)</span>', row).group(1) for row in rows]
    assert given == [field.name for field in FIELDS]
