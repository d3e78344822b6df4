#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the tests of what the kernel computes with the kernel under the address and undefined-behaviour sanitizers.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$PWD/build/sanitized
mkdir -p "$build"
{
    cmake -S . -B "$build" -Wno-dev -DJADCE_SANITIZE=ON -DJADCE_KERNELS=native
    cmake --build "$build" --parallel "$(nproc)"
    rm -rf "$build/stage"
    cmake --install "$build" --prefix "$build/stage"
} >"$build/build.log" 2>&1 || {
    cat "$build/build.log" >&2
    exit 1
}
packages=("$build"/stage/lib/python3*/dist-packages)
# The sanitizers must come before Python; what Python itself leaves unfreed at its end is not our concern.
export PYTHONPATH=${packages[0]} OPENBLAS_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
    .venv/bin/python -m pytest tests/kernel tests/unrolled/test_hard_frames.py tests/detection/test_decide.py tests/detection/test_early.py \
    tests/detection/asynchrony tests/evaluation/test_frame_lines.py "$@"
