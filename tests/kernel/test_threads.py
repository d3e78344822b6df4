# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads of the kernel, which stay: the same results, in a fork as well, and for callers at once."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from compiled import compiled_kernel

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.unrolled.inference import unrolled

kernel = compiled_kernel(allow_module_level=True)
PILOTS = make_pilots("gaussian", 40, 16, seed=1)
RECEIVED = simulate(Scenario(PILOTS, n_antennas=2, snr_db=15), 12, seed=2).received


def channels(threads):
    return unrolled(PILOTS, threads=threads)(RECEIVED).channel


def test_results_are_those_of_one_thread():
    assert np.array_equal(channels(4), channels(1))


def test_callers_at_once_share_the_threads():
    expected = channels(1)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(channels, [3] * 12):
            assert np.array_equal(found, expected)


def test_a_fork_has_threads_of_its_own():
    expected = channels(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: there are threads
        child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(channels(3), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
