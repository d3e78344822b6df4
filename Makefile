# SPDX-License-Identifier: GPL-3.0-or-later
# Everything here works from a bare Debian: each target installs what it needs (tools/setup.sh)
# and stages the package in build/stage (tools/stage.sh) before it runs.
SHELL := /bin/bash
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help setup torch demo live test bench sanitize soak figures calibration heavy impairments realistic delay-taps prach payload docs screenshots install uninstall lint clean

help:
	@echo 'make setup      install what is missing, build, and stage the package in build/stage'
	@echo 'make torch      make setup, and torch, which only jadce-train needs'
	@echo 'make demo       detect simulated devices with GNU Radio flowgraphs (as root: through UHD as well)'
	@echo 'make live       detect simulated devices live, and show them on a page in the browser'
	@echo 'make test       run all tests'
	@echo 'make bench      time gr-jadce against its peers, in ratios (minutes); build/bench.json'
	@echo 'make sanitize   run the tests of the compiled kernel under the address and undefined-behaviour sanitizers'
	@echo 'make figures    make all figures and tables of the documentation (a quarter of an hour)'
	@echo 'make docs       build the guide, build/docs/index.html'
	@echo 'make screenshots  make the pictures of the README and the guide (SHOTS=NAME for one)'
	@echo 'make impairments  curves of miss and NMSE over offsets, delays and fading, and where each breaks (minutes)'
	@echo 'make realistic  receive over channels of several paths, beside what is possible (CHANNELS="FILE.npz ...": of files)'
	@echo 'make delay-taps  make the table of delay taps beside published results (minutes)'
	@echo 'make heavy      make the table of heavy load beside published results (minutes)'
	@echo 'make payload    packet error rates behind the pilots, beside a genie (minutes)'
	@echo 'make prach      random access preambles against the conformance table of TS 38.104 (an hour on two cores)'
	@echo 'make calibration  measure false alarms over six sets of cells (an hour or more on two idle cores)'
	@echo 'make install    install to /usr/local, for every user and GNU Radio Companion'
	@echo 'make uninstall  remove what make install put there'
	@echo 'make soak       a million frames of trouble, all accounted for (minutes)'
	@echo 'make wheel      build a source distribution and a wheel, which needs no GNU Radio (build/dist)'
	@echo 'make wheel-check  the same, and run the tests of the library in a new virtual environment (PYTHON=, PINS=)'
	@echo 'make deb        build the Debian package of what is committed (build/deb)'
	@echo 'make deb-check  as root: build, install, try and purge it on bare systems (SUITE=bookworm or trixie)'
	@echo 'make lint       check style and types; make lint FIX=1 repairs what can be repaired'
	@echo 'make clean      remove build/ and .venv'
	@echo
	@echo '. ./env.sh      use the staged package, apps and blocks in this shell'

setup:
	@tools/setup.sh run
	@tools/stage.sh
	@echo 'staged in build/stage; to use it in this shell: . ./env.sh'

torch:
	@tools/setup.sh train
	@tools/stage.sh

demo:
	@start=$$(date +%s) && tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 examples/demo.py \
	&& downloads=$$(cat build/download-seconds) \
	&& echo "make demo: $$downloads s of downloads, $$(($$(date +%s) - start - downloads)) s for everything else"

live:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && exec /usr/bin/python3 examples/live.py $(LIVE_ARGS)

# Two processes, a file of tests in one of them; PYTEST_ARGS="-n 0" for one (to debug). One thread for NumPy's products:
# the tests' flowgraphs and programs have threads enough of their own.
test:
	@tools/setup.sh test && tools/stage.sh && . ./env.sh \
	&& OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

figures:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/make.py $(FIGURES_ARGS)

docs:
	@tools/setup.sh docs && tools/stage.sh && . ./env.sh \
	&& /usr/bin/python3 -m sphinx -q -W --keep-going -d build/doctrees -b html docs build/docs
	@echo 'build/docs/index.html'

screenshots:
	@tools/setup.sh test && tools/stage.sh && . ./env.sh && /usr/bin/python3 tools/screenshots.py $(SHOTS)

impairments:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/impairments.py $(IMPAIRMENTS_ARGS)

realistic:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh \
	&& /usr/bin/python3 benchmarks/figures/realistic.py $(CHANNELS) $(REALISTIC_ARGS)

delay-taps:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/delay_taps.py $(DELAY_TAPS_ARGS)

heavy:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/heavy.py $(HEAVY_ARGS)

prach:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/prach.py $(PRACH_ARGS)

payload:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/payload.py $(PAYLOAD_ARGS)

calibration:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 benchmarks/figures/calibration.py $(CALIBRATION_ARGS)

bench:
	@tools/setup.sh bench && tools/stage.sh && tools/bench.sh $(BENCH_ARGS)

sanitize:
	@tools/setup.sh test && tools/sanitize.sh $(PYTEST_ARGS)

soak:
	@tools/setup.sh run && tools/stage.sh && . ./env.sh && /usr/bin/python3 tests/soak.py $(SOAK_ARGS)

install: setup
	$(SUDO) cmake --install build

uninstall:
	$(SUDO) cmake -DBUILD_DIR=$(CURDIR)/build -P cmake/uninstall.cmake

.PHONY: wheel wheel-check deb deb-check
wheel:
	@tools/wheel.sh $(PYTHON)

wheel-check:
	@tools/wheel_check.sh $(or $(PYTHON),/usr/bin/python3) $(foreach pin,$(PINS),'$(pin)')

deb:
	@tools/deb.sh

deb-check:
	@tools/deb_check.sh $(or $(SUITE),$(error SUITE: expected bookworm or trixie))

lint:
	@tools/setup.sh test
	.venv/bin/ruff format $(if $(FIX),,--check) .
	.venv/bin/ruff check $(if $(FIX),--fix) .
	.venv/bin/mypy

clean:
	@if [ -e build/install_manifest.txt ]; then \
	  echo 'installed from here: make uninstall first (build/ knows what to remove)' >&2; exit 1; fi
	rm -rf build .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis
