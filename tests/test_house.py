# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits that CONTRIBUTING.md sets, measured by tools/measure.py, and the types, checked by mypy."""

import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MYPY = Path(sys.prefix) / "bin" / "mypy"
sys.path.insert(0, str(ROOT / "tools"))
import measure  # noqa: E402

SOURCE = '''
def outer(a: int, *, b=1) -> int:
    """A docstring.

    Of three lines."""

    # a comment
    text = """two
    lines"""
    def inner(self):
        "Another docstring."
        return text

    return (
        a + b
    )


class Public:
    def __init__(self, a: int) -> None: ...
    def method(self, *args: int, **options: str) -> None: ...
    def _private(self, a): ...


class _Private:
    def method(self, a): ...
'''


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(SOURCE)
    return "a.py"


def test_a_body_is_its_lines_of_code(source):
    lengths = {name.split()[1]: n for name, n in measure.body_lengths(source).items()}
    assert (lengths["outer"], lengths["inner"], lengths["_private"]) == (7, 1, 1)


def test_a_signature_is_annotated_with_its_return_and_all_parameters(source):
    annotated = {name.split()[1]: is_so for name, is_so in measure.signatures(source).items()}
    assert annotated == {"outer": False, "__init__": True, "method": True}


def test_results_are_what_benchmarks_wrote():
    names = (
        "benchmarks/figures/results/a.svg",
        "benchmarks/peers/results.md",
        "docs/results.md",
        "results.md",
    )
    assert [measure.is_result(name) for name in names] == [True, True, False, False]


def test_the_table_shows_a_row_for_each_folder():
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "measure.py", "--worst", "1"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Python files in python/gr_jadce/slots " in run.stdout and "longest bodies" in run.stdout


@pytest.fixture(scope="module")
def house():
    return measure.measure()


def test_half_of_all_functions_have_five_lines_at_most(house):
    assert statistics.median(house["bodies"].values()) <= 5


def test_cpp_files_have_400_lines_at_most(house):
    assert over(house["cpp_lines"], 400) == {}


def test_folders_of_the_package_have_ten_python_files_at_most(house):
    crowded = {Path(folder).name for folder in over(house["folders"], 10)}
    assert crowded <= {"blocks", "solvers"}  # one file a block, one a solver


def test_results_are_a_fifth_of_all_lines_at_most(house):
    assert house["result_lines"] <= house["text_lines"] / 5


def over(numbers, limit):
    return {name: number for name, number in numbers.items() if number > limit}


def test_no_function_has_more_than_40_lines(house):
    assert over(house["bodies"], 40) == {}


def test_python_files_have_300_lines_at_most(house):
    assert over(house["python_lines"], 300) == {}


def test_all_public_signatures_are_annotated(house):
    assert [name for name, annotated in house["signatures"].items() if not annotated] == []


@pytest.mark.skipif(not MYPY.exists(), reason="mypy is in the .venv that `make test` makes")
def test_mypy_finds_nothing():
    run = subprocess.run([MYPY], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
