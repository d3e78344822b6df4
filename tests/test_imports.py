"""Which part of the package may import which, and what importing it must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "gr_jadce"

# Part of the package → the parts it may import.  A part is a module, a module of a subpackage, or
# a whole subpackage; a part may always import itself.  Everything may import NumPy and the standard library.
MAY_IMPORT = {
    "": {"pilots", "uplink", "metrics", "detection", "solvers", "estimators"},  # gr_jadce/__init__.py
    "pilots": set(),
    "framing": set(),
    "backlog": set(),
    "metrics": set(),
    "messages": set(),
    "recording": set(),
    "scoring": {"metrics"},
    "uplink": {"pilots"},
    "solvers": {"pilots"},
    "detection": {"pilots", "solvers"},
    "estimators": {"solvers"},
    "reporting": {"detection", "messages", "pilots"},
}
MAY_IMPORT["blocks"] = set(MAY_IMPORT) - {""}
# Packages outside NumPy and the standard library, and who may import them.
OUTSIDE = {
    "gnuradio": {"blocks"},
    "pmt": {"blocks", "messages"},
    "scipy": {"solvers", "detection", "uplink", "metrics"},
}


def modules():
    """Every module of the package, as a path relative to it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def part_of(dotted):
    """`solvers.pc_admm` → `solvers`: the entry of MAY_IMPORT that a module, named from the package, is in."""
    parts = dotted.split(".")
    return max((p for p in MAY_IMPORT if p == dotted or p == parts[0]), key=len, default=parts[0])


def imports(path):
    """The absolute dotted names that a module imports, wherever in it the import stands."""
    package = ("gr_jadce", *path.parent.parts)
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for (
                alias
            ) in node.names:  # `from . import pilots` names a module, `from .pilots import x` a part of one
                yield f"{stem}.{alias.name}"


def violations(path):
    dotted = ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip(".")
    part = part_of(dotted)
    if part not in MAY_IMPORT:
        return [f"{path}: {part!r} is a new part; say in MAY_IMPORT what it may import"]
    found = []
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "gr_jadce":
            target = part_of(".".join(rest))
            if (PACKAGE / target).is_dir() or (PACKAGE / f"{target}.py").exists():
                allowed = target in {part, *MAY_IMPORT[part]}
            else:
                allowed = True  # a name of gr_jadce/__init__.py, such as __version__
        elif top in sys.stdlib_module_names or top == "numpy":
            allowed = True
        else:
            allowed = part in OUTSIDE.get(top, ())
        if not allowed:
            found.append(f"{path} imports {name}, which {part or 'gr_jadce'!r} may not")
    return found


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_only_what_its_layer_may(path):
    assert violations(path) == []


def test_the_check_sees_an_import_upward(tmp_path, monkeypatch):
    (tmp_path / "solvers").mkdir()
    (tmp_path / "blocks").mkdir()
    (tmp_path / "solvers" / "a.py").write_text(
        "def f():\n    from ..blocks import receiver\n    import torch\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert len(violations(Path("solvers/a.py"))) == 2


def test_importing_the_package_loads_nothing_heavy():
    heavy = "torch", "gnuradio", "pmt", "PyQt5", "matplotlib"
    code = f"import sys, gr_jadce; print(*[name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr
