# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark measures with: one thread's processor time, and the machine it is on."""

import ctypes
import platform
from pathlib import Path
from time import thread_time

import numpy as np

from gr_jadce.backend import kernel_for


def seconds(function, budget=2.0, least=5):
    """The shortest of many runs, in seconds of this thread's processor time.

    Processor time, because other programs on the machine then cost only what they take of the caches;
    what is measured must do its work in the calling thread.
    """
    function()
    best, spent, runs = np.inf, 0.0, 0
    while runs < least or spent < budget:
        began = thread_time()
        function()
        took = thread_time() - began
        best, spent, runs = min(best, took), spent + took, runs + 1
    return best


def machine():
    """Processor, kernel, NumPy, its BLAS and the kind of core that this BLAS takes the processor for."""
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kernel": kernel_for("kernel").__name__,
        "blas": [_blas(path) for path in _loaded("openblas")] or ["not OpenBLAS"],
    }


def sgemm_peak(budget=3.0, size=768):
    """GFLOP/s of NumPy's single-precision product of square matrices."""
    a, b = np.random.default_rng(0).standard_normal((2, size, size)).astype(np.float32)
    out = np.empty_like(a)
    return 2e-9 * size**3 / seconds(lambda: np.dot(a, b, out=out), budget)


def _processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _loaded(name):
    """Shared libraries of that name in this process."""
    paths = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    return sorted(path for path in paths if name in Path(path).name)


def _blas(path):
    library = ctypes.CDLL(path)
    for suffix in ("", "64_", "_64_"):
        for prefix in ("", "scipy_"):
            function = getattr(library, f"{prefix}openblas_get_corename{suffix}", None)
            if function is not None:
                function.restype = ctypes.c_char_p
                return f"{Path(path).name} for {function().decode()}"
    return Path(path).name
