#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the package and installs it in build/stage, which then holds exactly what the sources give.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
exec 9>build/.stage.lock
flock 9 # two makes at once take turns

# Ubuntu 22.04's g++ is too old for the kernel, and its g++-12 is not.
if [ -z "${CXX:-}" ] && [ "$(g++ -dumpversion 2>/dev/null | cut -d. -f1)" = 11 ] && command -v g++-12 >/dev/null; then
    export CXX=g++-12
fi
[ -f build/Makefile ] || cmake -S . -B build -Wno-dev -DCMAKE_INSTALL_PREFIX=/usr/local >build/configure.log 2>&1 || {
    cat build/configure.log >&2
    exit 1
}
cmake --build build --parallel "$(nproc)" >build/build.log 2>&1 || {
    cat build/build.log >&2
    exit 1
}
# Nothing here names a component, so this is everything; naming it keeps the list of staged files
# apart from install_manifest.txt, which `make uninstall` needs.
cmake --install build --component Unspecified --prefix "$PWD/build/stage" >build/stage.log
find build/stage -type f ! -path '*/__pycache__/*' -printf "$PWD/%p\n" | sort |
    comm -23 - <(sort build/install_manifest_Unspecified.txt) | xargs -r -d '\n' rm -f
