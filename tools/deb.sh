#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# deb.sh [FOLDER]: builds the Debian package of what is committed, in FOLDER (default build/deb), and checks it by lintian.
# Needs devscripts' neighbours only: dpkg-dev, debhelper, lintian and the build dependencies of debian/control.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "${1:-build/deb}")
rm -rf "$folder/gr-jadce" "$folder"/gr-jadce*_*
mkdir -p "$folder/gr-jadce"
git archive HEAD | tar -x -C "$folder/gr-jadce"
cd "$folder/gr-jadce"
dpkg-buildpackage -us -uc -F
lintian --fail-on error,warning --info --show-overrides "$folder"/gr-jadce_*.changes
ls -l "$folder"/gr-jadce*.deb
