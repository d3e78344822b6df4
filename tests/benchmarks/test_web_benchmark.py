# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of the page, in short: three pages, one stopped for a while, and every count exact."""

import re
import subprocess
from pathlib import Path

import pytest
from browser import PROGRAM as CHROMIUM

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "web.py"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_every_count_is_exact_on_every_page():
    command = ["/usr/bin/python3", PROGRAM, "--rate", "1000", "--seconds", "1"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.findall(r"page (\d): every count exact after 3000 frames", result.stdout) == ["1", "2", "3"]
    assert re.search(r"server: \d\.\d\d of a core, for \d+ frames a second", result.stdout)
    assert len(re.findall(r"p95 \d+ ms", result.stdout)) == 2
