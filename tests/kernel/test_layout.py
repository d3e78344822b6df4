# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folder of the kernel includes which; what knows Python, or GNU Radio; braces are always there."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

KERNEL = Path(__file__).resolve().parents[2] / "python" / "gr_jadce" / "kernel"
FILES = sorted(path for path in KERNEL.rglob("*") if path.suffix in (".cc", ".hpp"))
# Folder → the folders it may include, besides itself.
MAY_INCLUDE = {
    "arithmetic": set(),
    "pilots": {"arithmetic"},
    "pc_admm": {"arithmetic", "pilots"},
    "network": {"arithmetic", "pilots"},
    "detection": {"arithmetic"},
    "asynchrony": {"arithmetic", "detection"},
    "sampling": {"arithmetic"},
    "covariance": {"arithmetic"},
    "settling": {"arithmetic", "detection", "network"},
    "payload": {"arithmetic"},
    "reports": set(),
    "processor": set(),
}
MAY_INCLUDE["bindings"] = set(MAY_INCLUDE) - {"processor"}
MAY_INCLUDE["messages"] = {"bindings"}
CONTROL = re.compile(r"^ *(?:} )?(?:else )?(?:if|for|while)(?: constexpr)? \(", re.MULTILINE)
ELSE = re.compile(r"\belse\b(?! if\b| \{)")


def included(path):
    return re.findall(r'^#include "(.+)"$', path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("folder", MAY_INCLUDE)
def test_folders_include_what_they_may(folder):
    found = {name.split("/")[0] for path in (KERNEL / folder).iterdir() for name in included(path)}
    assert found - {folder} <= MAY_INCLUDE[folder]


def test_every_folder_is_in_the_table_and_nothing_goes_in_circles():
    assert {path.parent.name for path in FILES} == set(MAY_INCLUDE)
    tuple(TopologicalSorter(MAY_INCLUDE).static_order())
    tuple(TopologicalSorter({str(p.relative_to(KERNEL)): included(p) for p in FILES}).static_order())


@pytest.mark.parametrize(
    ("library", "folders"),
    [("pybind11", {"bindings", "processor"}), ("gnuradio/", {"messages"}), ("pmt/", {"messages"})],
)
def test_python_and_gnu_radio_are_known_where_they_have_to_be(library, folders):
    included = re.compile(rf"^#include <{library}", re.MULTILINE)
    assert {path.parent.name for path in FILES if included.search(path.read_text())} == folders


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_branch_and_loop_has_braces(path):
    assert unbraced(path.read_text()) == []


def test_a_branch_without_braces_is_found():
    text = "    if (a)\n        b();\n    for (;\n         (c);)\n        d();\n    while (e) {\n    } else\n"
    assert unbraced(text) == [1, 3, 7]


def unbraced(text):
    """The lines of branches and loops whose body has no braces, in code that clang-format has laid out."""
    text = re.sub(r"//.*|^#.*", "", text, flags=re.MULTILINE)
    starts = [match.start() for match in ELSE.finditer(text)]
    for match in CONTROL.finditer(text):
        if not text[closing(text, match.end()) :].startswith(" {"):
            starts.append(match.start())
    return sorted(text.count("\n", 0, start) + 1 for start in starts)


def closing(text, place):
    """Behind the parenthesis that closes the one before `place`."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        place += 1
    return place
