#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time gr-jadce and its peers on this machine: `make bench`.  Ratios count; seconds are this machine's."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

FOREIGN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # may be set on a machine, and slow NumPy down
if any(name in os.environ for name in FOREIGN) or os.environ.get("OPENBLAS_NUM_THREADS") != "1":
    clean = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    clean |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    os.execve(sys.executable, [sys.executable, *sys.argv], clean)

import decisions  # noqa: E402
import flowgraph  # noqa: E402
import gpu  # noqa: E402
import instruction_sets  # noqa: E402
import memory  # noqa: E402
import network  # noqa: E402
import out_of_step  # noqa: E402
import packaged  # noqa: E402
import payload  # noqa: E402
import scaling  # noqa: E402
import shaped  # noqa: E402
import solver  # noqa: E402
import warm  # noqa: E402
from timing import machine  # noqa: E402

from gr_jadce import __version__  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    "solver": ("(i) group LASSO to 1e-4, one thread, set-up shared by 1000 frames", solver.run),
    "network": ("(ii) network of ten layers, one thread", network.run),
    "peak": ("(iii) products against sgemm", network.run_peak),
    "scaling": ("(iv) cost against N, L, M, K", scaling.run),
    "flowgraph": ("(v) whole flowgraph", flowgraph.run),
    "memory": ("(vi) memory of the solving process", memory.run),
    "warm": ("(vii) iterations from the slot before", warm.run),
    "instruction_sets": ("(viii) kernels by instruction set", instruction_sets.run),
    "out_of_step": ("(ix) devices out of step against the same in step", out_of_step.run),
    "decisions": (
        "(x) decisions against those of an older commit, which takes minutes to build",
        decisions.run,
    ),
    "shaped": ("(xi) whole flowgraph of devices out of step", shaped.run),
    "packaged": ("(xii) the packaged kernel against one built for this machine", packaged.run),
    "payload": ("(xiv) packets behind the pilots", payload.run),
    "gpu": ("(xiii) large arrays in torch on a GPU", gpu.run),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter runs: does it work at all")
    parser.add_argument(
        "--no-compiled", action="store_true", help="leave out torch.compile, which takes minutes to compile"
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="parts to run")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench.json")
    args = parser.parse_args()
    results = {"version": __version__, "commit": _commit(), "machine": machine()}
    for key, value in results["machine"].items():
        print(f"{key:10} {value}")
    parts = {name: _run(name, args) for name in args.only}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(results | parts, indent=1) + "\n")
    print(f"written: {args.output}")
    return int(any("failed" in part for part in parts.values()))


def _run(name, args):
    title, run = PARTS[name]
    print(title, flush=True)
    options = {"compiled": not (args.quick or args.no_compiled)} if name == "network" else {}
    try:
        return run(args.quick, _say, **options)
    except Exception as error:  # the other parts are of use all the same
        print(f"  failed: {error!r}", file=sys.stderr, flush=True)
        return {"failed": repr(error)}


def _say(line):
    print(line, flush=True)


def _commit():
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
