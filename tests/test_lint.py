"""The style that CONTRIBUTING.md promises: ruff for Python, clang-format for C++, and sound shell scripts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUFF = Path(sys.prefix) / "bin" / "ruff"


def tracked(*patterns):
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def check(*command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"


@pytest.mark.skipif(not RUFF.exists(), reason="ruff is in the .venv that `make test` makes")
@pytest.mark.parametrize("arguments", [["check"], ["format", "--check", "--diff"]], ids=["check", "format"])
def test_ruff(arguments):
    check(RUFF, *arguments, ".")


@pytest.mark.skipif(not shutil.which("clang-format"), reason="needs Debian's clang-format")
def test_clang_format():
    check("clang-format", "--style=file", "--dump-config")  # a broken .clang-format is an error here
    for name in tracked("*.hpp", "*.cc"):
        check("clang-format", "--style=file", "--dry-run", "-Werror", name)


def test_shell_scripts_parse():
    scripts = tracked("*.sh", ".ci/run")
    assert "tools/setup.sh" in scripts
    for name in scripts:
        check("bash", "-n", name)
