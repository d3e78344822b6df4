# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled kernel where it is there, or NumPy."""

import logging
from functools import cache

import numpy as np

BACKENDS = ("auto", "numpy", "kernel")


def kernel_for(backend):
    """The module `gr_jadce._kernel`, or None for NumPy.

    Parameters
    ----------
    backend : {"auto", "numpy", "kernel"}
        "auto" takes the kernel where it is installed, and otherwise says once that it is not.

    Raises
    ------
    ValueError
        If the backend is unknown, or the kernel is asked for and not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "numpy":
        return None
    kernel, reason = _load()
    if kernel is None and backend == "kernel":
        raise ValueError(f"backend: expected an installed gr_jadce._kernel, got {reason}")
    return kernel


def check_threads(threads):
    """`threads` as an int of at least 1, or ValueError."""
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ValueError(f"threads: expected an integer of at least 1, got {threads!r}")
    return int(threads)


def complex_frames(received):
    """`received` as the kernel takes it: complex64 as it is, everything else as complex128."""
    return np.ascontiguousarray(received, None if received.dtype == np.complex64 else np.complex128)


@cache
def _load():
    try:
        from gr_jadce import _kernel
    except ImportError as error:
        logging.getLogger("gr_jadce").warning("no compiled kernel, NumPy computes, slower: %s", error)
        return None, str(error)
    return _kernel, None
