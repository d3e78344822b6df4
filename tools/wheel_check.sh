#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# wheel_check.sh PYTHON [PIN...]: builds a wheel for PYTHON, installs it in a new virtual environment, with the packages
# named (numpy==1.26.4), and runs the tests of what needs no GNU Radio, with each kernel that the wheel has.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-/usr/bin/python3}
shift || true
tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
tools/wheel.sh "$python"
wheels=(build/dist/gr_jadce-*-"$tag-$tag"-*.whl)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install -q "${wheels[0]}[plots]" "$@" pytest pytest-timeout hypothesis
mkdir "$folder/tree"
# Of the tree the tests are used, not the package: what is tested is what pip installed.
tar -xzf build/dist/gr_jadce-*.tar.gz --strip-components=1 -C "$folder/tree"
cd "$folder/tree"
export OPENBLAS_NUM_THREADS=1 PATH=$folder/venv/bin:$PATH
unset PYTHONPATH
python -c 'import gr_jadce, numpy, scipy, sys; print(
    f"Python {sys.version.split()[0]}, NumPy {numpy.__version__}, SciPy {scipy.__version__}, {gr_jadce.__file__}")'
python -m pytest -q -p no:cacheprovider tests/detection tests/evaluation tests/kernel tests/payload tests/pilots \
    tests/random_access tests/receiving tests/recordings tests/reports tests/slots tests/solvers tests/unrolled \
    tests/uplink tests/test_backend.py tests/test_checks.py tests/test_estimators.py tests/test_files.py \
    tests/test_metrics.py tests/test_numeric.py tests/test_ofdm.py tests/test_waveform.py
