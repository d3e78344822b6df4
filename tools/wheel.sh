#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# wheel.sh [PYTHON]: builds a source distribution, from it a wheel for PYTHON (default /usr/bin/python3), and puts the
# libraries that the kernels need into the wheel. Both lie in build/dist then.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-/usr/bin/python3}
name=$("$python" -c 'import sys; print("py%d.%d" % sys.version_info[:2])')
venv=build/wheel-venv/$name plain=build/wheel-plain/$name
[ -x "$venv/bin/auditwheel" ] || "$python" -m venv --clear "$venv"
pins=$(sed -n 's/^wheel = \[\(.*\)\].*/\1/p' pyproject.toml | tr -d '",')
# shellcheck disable=SC2086 # one word a pin
"$venv/bin/pip" --disable-pip-version-check install -q $pins
rm -rf "$plain"
mkdir -p build/dist
"$venv/bin/python" -m build --no-isolation --outdir "$plain" .
cp "$plain"/*.tar.gz build/dist
wheels=("$plain"/*.whl)
PATH=$PWD/$venv/bin:$PATH "$venv/bin/auditwheel" repair -w build/dist "${wheels[0]}"
