# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README tells people to type is typed here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("script", blocks("sh"))
def test_shell_commands(script, tmp_path):
    environment = {**os.environ, "PATH": f"{ROOT / 'apps'}:{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "NMSE" in run.stdout


@pytest.mark.parametrize("script", blocks("python"))
def test_python(script, tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    missed, nmse = re.search(r"missed (\S+)\nNMSE (\S+) dB", run.stdout).groups()
    assert float(missed) < 0.02
    assert float(nmse) < -12


def test_the_example_script():
    run = subprocess.run([sys.executable, ROOT / "examples" / "detect.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    active, detected = re.search(r"active: +(.*)\ndetected: +(.*)\n", run.stdout).groups()
    assert active == detected


def test_make_targets_exist():
    targets = {line.removeprefix("$ make ") for block in blocks("console") for line in block.splitlines()}
    assert targets == {"demo", "test", "install", "uninstall"}
    for target in targets:  # what they do is shown by this run, by test_demo and by test_install
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
