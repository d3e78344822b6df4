# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/setup.sh on systems it cannot serve: it says what it expected and found, and installs nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[1] / "tools" / "setup.sh"


@pytest.fixture
def system(tmp_path):
    """A PATH of stand-ins: `system(apt_get="...")` writes each as a shell script, then runs the set-up."""
    for tool in ("bash", "dirname", "mkdir", "sed", "grep", "cat", "dpkg"):
        (tmp_path / tool).symlink_to(shutil.which(tool))

    def run(**stand_ins):
        for name, body in stand_ins.items():
            script = tmp_path / name.replace("_", "-")
            script.write_text(f"#!/bin/bash\n{body}\n")
            script.chmod(0o755)
        result = subprocess.run([SETUP, "run"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
        assert result.returncode == 1
        assert not (tmp_path / "installed").exists()
        return result.stderr

    run.mark_installation = f'[[ "$*" != *install* ]] || : >{tmp_path}/installed'
    return run


def test_no_apt(system):
    assert "expected Debian 12 or later" in system(id="echo 0")


@pytest.mark.parametrize("found", ["3.9.8.0-1", "(none)", "3.11.0-1"])
def test_wrong_gnuradio(system, found):
    message = system(
        id="echo 0",
        dpkg_query="exit 1",
        apt_get=system.mark_installation,
        apt_cache=f"echo '  Candidate: {found}'",
    )
    assert "gnuradio of version 3.10 or later and below 3.11" in message
    assert f"found {found.replace('(none)', 'none')}" in message


def test_old_python(system):
    message = system(
        id="echo 0",
        dpkg_query="exit 1",
        apt_get=system.mark_installation,
        apt_cache='[ "$2" = gnuradio ] && echo "  Candidate: 3.10.1.1-2" || echo "  Candidate: 3.9.7-1"',
    )
    assert "python3 of version 3.10 or later" in message
    assert "found 3.9.7-1" in message


def test_neither_root_nor_sudo(system):
    message = system(
        id="echo 1000", dpkg_query="exit 1", apt_get=system.mark_installation, apt_cache="exit 1"
    )
    assert "expected root or sudo" in message
    assert "apt-get install --no-install-recommends gnuradio" in message
