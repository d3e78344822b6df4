# SPDX-License-Identifier: GPL-3.0-or-later
"""pip builds a source distribution and a wheel without GNU Radio (here without a kernel: minutes)."""

import os
import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest
from tracked import ROOT, tracked

import gr_jadce

pytest.importorskip("scikit_build_core", reason="scikit-build-core is in the .venv that `make test` makes")
NEED_GNURADIO = {"jadce-receive", "jadce-transmit"}
BUILD = "import sys; from scikit_build_core.build import build_{0}; print(build_{0}(sys.argv[1]))"
WITHOUT_KERNEL = {"SKBUILD_CMAKE_DEFINE": "JADCE_KERNELS="}


def build(what, source, folder):
    run = subprocess.run(
        [sys.executable, "-c", BUILD.format(what), folder],
        cwd=source, env=os.environ | WITHOUT_KERNEL | {"CXX": "/nonexistent"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / run.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The tree as unpacked from a source distribution."""
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("sources")
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    (tree,) = folder.iterdir()
    return tree


@pytest.fixture(scope="module")
def wheel(sources, tmp_path_factory):
    with zipfile.ZipFile(build("wheel", sources, tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


def contents(wheel, ending):
    (name,) = [name for name in wheel.namelist() if name.endswith(ending)]
    return wheel.read(name).decode()


def test_the_sources_hold_package_kernel_and_tests(sources):
    wanted = tracked("python/*", "tests/*.py", "apps/*", "tools/*", "cmake/*", "docs/*.md", "LICENSE")
    assert [path for path in wanted if not (sources / path.relative_to(ROOT)).exists()] == []


def test_the_wheel_holds_the_package(wheel):
    names = set(wheel.namelist())
    wanted = [
        str(p.relative_to(ROOT / "python")) for p in tracked("python/*.py", "python/*.npz", "python/*.typed")
    ]
    assert wanted
    assert [name for name in wanted if name not in names] == []
    assert [name for name in names if name.endswith((".cc", ".hpp", ".pyc"))] == []


def test_the_wheel_has_the_programs_that_need_no_gnuradio(wheel):
    scripts = [name for name in wheel.namelist() if ".data/scripts/" in name]
    wanted = {path.name for path in (ROOT / "apps").glob("jadce-*")} - NEED_GNURADIO
    assert {name.rsplit("/", 1)[1] for name in scripts} == wanted
    for name in scripts:
        assert wheel.read(name).startswith(b"#!python\n")  # which pip replaces by its own


def test_metadata(wheel):
    metadata = Parser().parsestr(contents(wheel, "/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("gr-jadce", gr_jadce.__version__)
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"train", "plots", "sweep", "zmq", "web"} == set(metadata.get_all("Provides-Extra"))
    plain = [text for text in metadata.get_all("Requires-Dist") if "extra" not in text]
    assert plain == ["numpy>=1.21", "scipy>=1.8"]


def test_it_runs_without_gnuradio_from_where_it_is_unpacked(wheel, tmp_path):
    wheel.extractall(tmp_path)
    code = "import gr_jadce; print(gr_jadce.make_estimator('unrolled', gr_jadce.make_pilots('dft', 8, 4)))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "no compiled kernel, NumPy computes" in run.stderr
