# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled kernel where it is there, or NumPy."""

import logging
import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .checks import check_choice

BACKENDS = ("auto", "numpy", "kernel")
# Instruction sets that kernels are built for, best first: all of the machine that built it, three levels
# of x86-64, and what every processor of the architecture has.
_LEVELS = ("native", "v4", "v3", "v2", "generic")


def kernel_for(backend: str) -> ModuleType | None:
    """The compiled kernel, or None for NumPy.

    Of the kernels that are installed it is that of the best instruction set that the processor has,
    or the one that the environment variable JADCE_KERNEL names: v2, v3, v4, generic or native.

    Parameters
    ----------
    backend : {"auto", "numpy", "kernel"}
        "auto" takes the kernel where it is installed, and otherwise says once that it is not.

    Raises
    ------
    ValueError
        If the backend is unknown, if the kernel is asked for and not installed, or, unless the backend
        is NumPy, if JADCE_KERNEL names one that cannot be loaded here.
    """
    if check_choice("backend", backend, BACKENDS) == "numpy":
        return None
    kernel, reason = _load(os.environ.get("JADCE_KERNEL", ""))
    if kernel is None and backend == "kernel":
        raise ValueError(f"backend: expected an installed kernel, got {reason}")
    return kernel


@cache
def load_messages() -> ModuleType | None:
    """What makes messages of reports, compiled; None where it is not there for this GNU Radio."""
    try:
        return _usable(import_module(f"{__package__}._messages"))
    except ImportError as error:
        logging.getLogger("gr_jadce").info("no compiled messages, Python makes them, slower: %s", error)
        return None


def complex_frames(received: NDArray) -> NDArray:
    """`received` as the kernel takes it: complex64 as it is, everything else as complex128."""
    return np.ascontiguousarray(received, None if received.dtype == np.complex64 else np.complex128)


@cache
def _load(wanted):
    """The kernel of that level, or the best where it is empty, and None; or None and the reason."""
    try:
        return _usable(import_module(f"{__package__}._kernel_{_choose_level(wanted, _levels_here())}")), None
    except ImportError as error:
        logging.getLogger("gr_jadce").warning("no compiled kernel, NumPy computes, slower: %s", error)
        return None, str(error)


def _choose_level(wanted, levels):
    """What JADCE_KERNEL asks for, if it is one of `levels`; the first of them if it asks for none."""
    if not wanted:
        if not levels:
            raise ImportError("none is installed that this processor can run")
        return levels[0]
    if check_choice("JADCE_KERNEL", wanted, _LEVELS) not in levels:
        here = ", ".join(levels) or "there is none"
        raise ValueError(
            f"JADCE_KERNEL: expected a kernel that is installed and that this processor can run ({here}), "
            f"got {wanted!r}"
        )
    return wanted


def _usable(module):
    _check_arrays(getattr(module, "PYBIND11", (0, 0)), np.__version__)
    return module


def _check_arrays(pybind11, numpy):
    """ImportError if a kernel built with that pybind11 cannot make arrays of that NumPy."""
    if int(numpy.partition(".")[0]) >= 2 and pybind11 < (2, 12):
        found = ".".join(map(str, pybind11)) if any(pybind11) else "of unknown version"
        raise ImportError(
            f"the one that is installed was built with pybind11 {found}, which makes wrong arrays with NumPy "
            f"{numpy}; build it with pybind11 2.12 or later (as pip install does), or use NumPy 1"
        )


def _levels_here():
    """The kernels that are installed and that the processor can run, best first."""
    try:
        processor = import_module(f"{__package__}._processor")
    except ImportError:
        return []
    runnable = {"native", *processor.levels()}
    return [level for level in _LEVELS if level in runnable and find_spec(f"{__package__}._kernel_{level}")]
