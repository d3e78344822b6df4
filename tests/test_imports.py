# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of the package may import which, and what importing it must not load."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "gr_jadce"

# Part of the package (a module or a subpackage at its top) → what it may import, besides itself: other
# parts, or single modules of them.  Everything may import NumPy and the standard library.
MAY_IMPORT = {
    "": {"pilots", "uplink", "detection", "solvers", "estimate", "estimators"},  # gr_jadce/__init__.py
    "checks": set(),
    "numeric": set(),
    "files": set(),
    "estimate": {"checks", "numeric"},
    "backend": {"checks", "numeric"},
    "waveform": {"checks", "numeric"},
    "metrics": {"checks", "numeric"},
    "pilots": {"checks", "numeric", "files"},
    "slots": {"checks", "numeric", "pilots", "waveform"},
    "uplink": {"checks", "files", "numeric", "pilots", "waveform", "payload"},
    "solvers": {"checks", "numeric", "backend", "estimate", "pilots"},
    "detection": {"checks", "numeric", "backend", "estimate", "pilots", "waveform"},
    "payload": {"checks", "numeric", "backend", "pilots", "waveform"},
    "random_access": {"checks", "numeric", "detection", "estimate", "pilots", "waveform"},
    "reports": {"checks", "numeric", "metrics"},
    "recordings": {"checks", "numeric", "files", "slots"},
    "unrolled": {
        "checks",
        "numeric",
        "files",
        "backend",
        "estimate",
        "pilots",
        "uplink",
        "solvers",
        "metrics",
        "reports",
        "recordings",
        "waveform",
    },
    "estimators": {"checks", "numeric", "estimate", "pilots", "solvers", "unrolled.inference"},
    "receiving": {
        "checks",
        "numeric",
        "detection",
        "estimate",
        "payload",
        "pilots",
        "random_access",
        "reports",
        "slots",
    },
    "delivery": {"checks", "files", "backend", "reports"},
    "monitoring": {"checks", "numeric", "delivery", "metrics", "reports"},
    "evaluation": {
        "checks",
        "numeric",
        "backend",
        "detection",
        "estimate",
        "estimators",
        "files",
        "metrics",
        "payload",
        "pilots",
        "reports",
        "solvers",
        "uplink",
    },
}
MAY_IMPORT["blocks"] = set(MAY_IMPORT) - {"", "solvers", "unrolled", "evaluation"}
MAY_IMPORT["radio"] = {"checks", "numeric", "blocks", "recordings", "slots"}
MAY_IMPORT["programs"] = {
    "checks", "numeric", "blocks", "delivery", "detection", "payload", "pilots", "radio", "random_access",
    "reports", "slots", "uplink",
    "waveform",
}  # fmt: skip
# Packages outside NumPy and the standard library → the parts, or single modules, that may import them.
OUTSIDE = {
    "PyQt5": {
        f"blocks.support.window.{name}"
        for name in ("activity_window", "colours", "plots", "response", "said")
    },
    "pyqtgraph": {f"blocks.support.window.{name}" for name in ("colours", "plots", "response")},
    "gnuradio": {"blocks", "programs", "radio"},
    "SoapySDR": {"radio"},
    "zmq": {"delivery.publishing", "delivery.frame_relay"},
    "pmt": {"blocks", "programs", "radio", "reports.pdus"},
    "matplotlib": {"evaluation.plots"},
    "distributed": {"evaluation.workers"},
    "scipy": {
        "payload.joint.slots",
        "delivery.tables",
        "numeric",
        "slots.beacon",
        "radio",
        "waveform",
        "solvers",
        "detection",
        "uplink",
        "metrics",
        "pilots",
        "random_access",
    },
    "prometheus_client": {"monitoring.prometheus", "blocks.web_sink"},
    "tornado": {"monitoring.web.server", "monitoring.web.handlers"},
    "torch": {
        "unrolled.network",
        "unrolled.recorded",
        "unrolled.training",
        "unrolled.accelerated.processes",
        "unrolled.accelerated.torch_layers",
    },
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


def test_the_table_is_short_and_has_no_cycle():
    parts = {part: {name.split(".")[0] for name in named} for part, named in MAY_IMPORT.items()}
    assert len(parts) <= 26
    TopologicalSorter(parts).prepare()  # CycleError names the cycle


def test_modules_do_not_import_each_other_in_a_circle():
    files = {
        ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip("."): path for path in modules()
    }
    inside = {name: path for name, path in files.items() if path.name != "__init__.py"}
    graph = {
        name: {module_of(inside, imported) for imported in imports(path)} - {None, name}
        for name, path in inside.items()
    }
    TopologicalSorter(graph).prepare()


def module_of(inside, name):
    """The module that an imported name is or is in; None where that is a package's face."""
    parts = name.split(".")[1:]
    candidates = (".".join(parts), ".".join(parts[:-1]))
    return next((module for module in candidates if module in inside), None)


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
        ("gr_jadce", ["torch", "gnuradio", "pmt", "PyQt5", "pyqtgraph", "matplotlib", "scipy.signal"]),
        *[
            (f"gr_jadce.{face}", ["torch", "gnuradio", "pmt", "zmq", "PyQt5", "pyqtgraph", "matplotlib"])
            for face in (
                "payload",
                "pilots",
                "uplink",
                "slots",
                "detection",
                "random_access",
                "receiving",
                "reports",
                "recordings",
            )
        ],
        *[
            (
                f"gr_jadce.{face}",
                ["torch", "gnuradio", "pmt", "zmq", "PyQt5", "pyqtgraph", "matplotlib", "tornado"],
            )
            for face in (
                "delivery",
                "monitoring",
                "monitoring.web",
                "evaluation",
                "solvers",
                "unrolled",
                "radio",
                "programs",
            )
        ],
        ("gr_jadce.blocks", ["torch", "PyQt5", "pyqtgraph", "matplotlib", "scipy.signal"]),
        ("gr_jadce.programs.receive", ["torch", "PyQt5", "pyqtgraph", "matplotlib", "scipy.signal"]),
    ],
)
def test_importing_loads_nothing_heavy(module, heavy):
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr
