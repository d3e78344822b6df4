"""Which part of the package may import which, and what importing it must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "gr_jadce"

# Part of the package (a module or a subpackage at its top) → what it may import, besides itself: other
# parts, or single modules of them.  Everything may import NumPy and the standard library.
MAY_IMPORT = {
    "": {"pilots", "uplink", "metrics", "detection", "solvers", "estimators"},  # gr_jadce/__init__.py
    "npz": set(),
    "structured": set(),
    "pilots": {"npz", "structured"},
    "framing": set(),
    "backlog": set(),
    "metrics": set(),
    "report": set(),
    "json_form": {"report"},
    "serial_form": {"report"},
    "messages": {"json_form", "report", "serial_form"},
    "sigmf_fields": set(),
    "recording": {"framing", "sigmf_fields"},
    "recording_writer": {"framing", "sigmf_fields"},
    "background_writer": set(),
    "annotations": {"recording", "recording_writer", "sigmf_fields"},
    "scoring": {"metrics"},
    "monitoring": {"scoring"},
    "uplink": {"pilots", "waveform"},
    "solvers": {"pilots"},
    "detection": {"pilots", "solvers", "detection_large"},
    "detection_large": {"detection", "solvers"},
    "unrolled": {"solvers", "npz", "pilots", "uplink", "metrics", "recording", "json_form"},
    "estimators": {"solvers", "unrolled.inference"},
    "reporting": {"asynchrony", "detection", "pilots", "report", "solvers"},
    "truth": {"report"},
    "waveform": {"framing"},
    "bursts": {"uplink"},
    "beacon": {"framing", "pilots", "waveform"},
    "radio_check": {"beacon", "framing"},
    "transmission": {"framing", "pilots", "uplink"},
    "asynchrony": {"detection", "framing", "pilots", "solvers", "waveform"},
    "evaluation": {"detection", "metrics", "uplink"},
    "tally": {"metrics"},
    "sweep": {"detection", "estimators", "pilots", "solvers", "tally", "uplink"},
    "plots": {"tally"},
    "command_line": {"uplink", "waveform"},
    "publishing": {"messages"},
    "feeds": {"publishing"},
    "joining": set(),
    "tracking": set(),
    "terminal": {"monitoring"},
}
MAY_IMPORT["blocks"] = set(MAY_IMPORT) - {"", "unrolled", "evaluation", "sweep", "plots", "command_line"} | {
    "unrolled.inference"
}
MAY_IMPORT["sources"] = {"blocks", "command_line", "publishing"}
MAY_IMPORT["capture"] = {"blocks", "sources"}
MAY_IMPORT["reception"] = {"asynchrony", "blocks", "command_line", "sources"}
MAY_IMPORT["emission"] = {"blocks", "framing", "sources", "waveform"}
# Packages outside NumPy and the standard library → the parts, or single modules, that may import them.
OUTSIDE = {
    "PyQt5": {"blocks.activity_window"},
    "pyqtgraph": {"blocks.activity_window"},
    "gnuradio": {"blocks", "sources", "capture", "emission", "reception"},
    "zmq": {"publishing"},
    "pmt": {"blocks", "emission", "messages"},
    "matplotlib": {"plots"},
    "distributed": {"sweep"},
    "scipy": {"beacon", "radio_check", "waveform", "solvers", "detection", "uplink", "metrics", "structured"},
    "torch": {"unrolled.network", "unrolled.recorded", "unrolled.training"},
}


def modules():
    """Every module of the package, as a path relative to it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imports(path):
    """The absolute dotted names that a module imports, wherever in it the import stands."""
    package = ["gr_jadce", *path.parent.parts]
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, node.module] if node.module else base)
            # An imported name may itself be a module (`from . import pilots`).
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def violations(path):
    names = [name for name in path.with_suffix("").parts if name != "__init__"]
    part, module = "".join(names[:1]), ".".join(names)
    if part not in MAY_IMPORT:
        return [f"{path}: {part!r} is a new part; say in MAY_IMPORT what it may import"]
    found = []
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "gr_jadce":
            target = "".join(rest[:1])
            is_part = (PACKAGE / target).is_dir() or (PACKAGE / f"{target}.py").exists()
            # what is no part is a name of gr_jadce/__init__.py, such as __version__
            allowed = not is_part or bool({target, ".".join(rest[:2])} & {part, *MAY_IMPORT[part]})
        elif top in sys.stdlib_module_names or top == "numpy":
            allowed = True
        else:
            allowed = bool({part, module} & OUTSIDE.get(top, set()))
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


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("gr_jadce", ["torch", "gnuradio", "pmt", "PyQt5", "pyqtgraph", "matplotlib"]),
        ("gr_jadce.blocks", ["torch", "PyQt5", "pyqtgraph", "matplotlib"]),
    ],
)
def test_importing_loads_nothing_heavy(module, heavy):
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr
