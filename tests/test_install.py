# SPDX-License-Identifier: GPL-3.0-or-later
"""`cmake --install` puts everything in place, and `uninstall` takes all of it away."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KERNEL = "v2" if platform.machine() == "x86_64" else "generic"
pytestmark = pytest.mark.timeout(3600)  # where nothing was built, it compiles the kernel
# Run for each compilation: the object that tools/stage.sh compiled of the same file, or else the compiler.
COMPILE_ONCE = f"""#!/bin/bash
for word; do [ "$previous" = -o ] && object=$word; previous=$word; done
cp "{ROOT}/build/python/gr_jadce/kernel/$object" "$object" 2>/dev/null || exec "$@"
"""


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"
    return result.stdout


def names(directory, pattern):
    return {str(path.relative_to(directory)) for path in directory.rglob(pattern) if path.is_file()}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A build directory of its own, configured for /usr/local as `make install` has it."""
    build = tmp_path_factory.mktemp("build")
    compile_once = build / "compile_once"
    compile_once.write_text(COMPILE_ONCE)
    compile_once.chmod(0o755)
    options = ["-DCMAKE_INSTALL_PREFIX=/usr/local", f"-DJADCE_KERNELS={KERNEL}"]
    options.append(f"-DCMAKE_CXX_COMPILER_LAUNCHER={compile_once}")
    run("cmake", "-S", ROOT, "-B", build, "-Wno-dev", *options)
    run("cmake", "--build", build, "--parallel", str(os.cpu_count()))
    return build


@pytest.fixture(scope="module")
def prefix(build, tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build, "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def package(prefix):
    (init,) = prefix.rglob("gr_jadce/__init__.py")
    return init.parent


def test_every_module_is_installed(package):
    assert names(package, "*.py") == names(ROOT / "python" / "gr_jadce", "*.py")


def test_data_files_are_installed(package):
    for pattern in ("*.npz", "*.js", "*.css", "*.html", "*.svg"):
        assert names(package, pattern) == names(ROOT / "python" / "gr_jadce", pattern) != set()


def test_the_kernel_is_installed_with_what_chooses_it_and_what_makes_messages(package):
    modules = {path.name.split(".")[0] for path in package.glob("_*.so")}
    assert modules == {"_processor", f"_kernel_{KERNEL}", "_messages"}


def test_every_block_is_where_grc_looks(prefix):
    wanted = names(ROOT / "grc", "*.yml")
    assert wanted
    place = "share/gnuradio/grc/blocks"
    assert names(prefix / place, "*.yml") == wanted
    ask = "from gnuradio import gr; print(gr.prefs().get_string('grc', 'global_blocks_path', ''))"
    assert f"/usr/local/{place}" in run("/usr/bin/python3", "-c", ask).strip().split(":")


def test_every_app_is_installed_for_debians_python(prefix):
    wanted = {path.name for path in (ROOT / "apps").glob("jadce-*")}
    assert wanted
    installed = {path.name: path for path in (prefix / "bin").iterdir()}
    assert set(installed) == wanted
    for path in installed.values():
        assert os.access(path, os.X_OK)
        assert path.read_text().splitlines()[0] == "#!/usr/bin/python3"


def test_every_example_is_installed(prefix):
    wanted = names(ROOT / "examples", "*.grc") | names(ROOT / "examples", "*.py")
    assert wanted
    assert wanted <= names(prefix / "share/gr-jadce/examples", "*")


def test_the_package_lands_where_debians_python_looks(prefix, package):
    """In /usr/local, `import gr_jadce` must work with no environment variable."""
    place = Path("/usr/local") / package.parent.relative_to(prefix)
    search_path = run("/usr/bin/python3", "-c", "import sys; print(*sys.path, sep='\\n')", env={}, cwd="/")
    assert str(place) in search_path.splitlines()


def test_one_version(build, package):
    version = run("/usr/bin/python3", "-c", "import gr_jadce; print(gr_jadce.__version__)",
                  env={"PYTHONPATH": str(package.parent)})  # fmt: skip
    (line,) = [
        x
        for x in (build / "CMakeCache.txt").read_text().splitlines()
        if x.startswith("CMAKE_PROJECT_VERSION:")
    ]
    assert version.startswith(line.partition("=")[2])


def test_uninstall_leaves_nothing(build, tmp_path):
    """After a use that wrote byte code of its own, and beside a stranger's files."""
    run("cmake", "--install", build, "--prefix", tmp_path)
    stranger = tmp_path / "share/gnuradio/grc/blocks/stranger.block.yml"
    stranger.write_text("id: stranger\n")
    (init,) = tmp_path.rglob("gr_jadce/__init__.py")
    run("/usr/bin/python3", "-c", "import gr_jadce", env={"PYTHONPATH": str(init.parents[1])})
    assert list(init.parent.rglob("__pycache__"))

    run("cmake", "--build", build, "--target", "uninstall")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [stranger]
    assert not init.parent.exists()
    assert not (tmp_path / "share/gr-jadce").exists()


def test_uninstall_without_an_installation_says_so(tmp_path):
    result = subprocess.run(
        ["cmake", f"-DBUILD_DIR={tmp_path}", "-P", ROOT / "cmake" / "uninstall.cmake"],
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "install_manifest.txt" in result.stderr
