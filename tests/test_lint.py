# SPDX-License-Identifier: GPL-3.0-or-later
"""The style that CONTRIBUTING.md promises: ruff for Python, clang-format for C++, and sound shell scripts.

Only what git tracks is looked at: files that a user left in the clone are no business of the tests.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tracked import ROOT, tracked

RUFF = Path(sys.prefix) / "bin" / "ruff"
PYTHON = ("*.py", "apps/jadce-*")
SOURCES = (
    *PYTHON, "*.hpp", "*.cc", "*.sh", ".ci/run", "Makefile", "*CMakeLists.txt", "*.cmake", "*.yml", "*.toml",
    "*.js", "*.css", "*.html", "*/page/*.svg",
    ":!MANIFEST.yml",
)  # fmt: skip


def check(*command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"


@pytest.mark.skipif(not RUFF.exists(), reason="ruff is in the .venv that `make test` makes")
@pytest.mark.parametrize("arguments", [["check"], ["format", "--check", "--diff"]], ids=["check", "format"])
def test_ruff(arguments):
    check(RUFF, *arguments, "--", *tracked(*PYTHON))


@pytest.mark.skipif(not shutil.which("clang-format"), reason="needs Debian's clang-format")
def test_clang_format():
    check("clang-format", "--style=file", "--dump-config")  # a broken .clang-format is an error here
    for name in tracked("*.hpp", "*.cc"):
        check("clang-format", "--style=file", "--dry-run", "-Werror", name)


def test_shell_scripts_parse():
    scripts = tracked("*.sh", ".ci/run")
    assert ROOT / "tools" / "setup.sh" in scripts
    for name in scripts:
        check("bash", "-n", name)


def test_every_source_file_names_its_licence():
    mark = "SPDX-License-Identifier: GPL-3.0-or-later"
    heads = {path: path.read_text().splitlines()[:2] for path in tracked(*SOURCES)}
    assert len(heads) > 200
    assert [path for path, head in heads.items() if not any(mark in line for line in head)] == []


def test_files_that_git_does_not_track_are_not_looked_at(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "tracked.py").write_text("")
    subprocess.run(["git", "add", "tracked.py"], cwd=tmp_path, check=True)
    (tmp_path / "left_behind.py").write_text("import   os")
    assert tracked(*PYTHON, root=tmp_path) == [tmp_path / "tracked.py"]
