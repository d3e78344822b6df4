# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel or NumPy: chosen as asked, and NumPy does everything where the kernel is missing."""

import logging

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce import Scenario, backend, make_pilots, pc_admm, simulate
from gr_jadce.unrolled.inference import unrolled

PILOTS = make_pilots("gaussian", 20, 9, seed=1)
GENERAL = ((0.9, 0.1), (1.0, 0.9))


@pytest.fixture
def no_kernel(monkeypatch):
    monkeypatch.setattr(backend, "_levels_here", list)
    monkeypatch.delenv("JADCE_KERNEL", raising=False)
    backend._load.cache_clear()
    yield
    backend._load.cache_clear()


@pytest.mark.parametrize("make", [pc_admm, unrolled])
def test_unknown_backend_and_threads(make):
    with pytest.raises(ValueError, match="backend: expected one of auto, numpy, kernel, got 'gpu'"):
        make(PILOTS, backend="gpu")
    with pytest.raises(ValueError, match="threads: expected an integer of at least 1, got 0"):
        make(PILOTS, threads=0)


def test_without_a_kernel_numpy_computes_and_it_is_said_once(no_kernel, caplog):
    received = simulate(Scenario(PILOTS, n_antennas=2), 3, seed=1).received
    with caplog.at_level(logging.WARNING, logger="gr_jadce"):
        for make in (pc_admm, unrolled, pc_admm):
            expected = make(PILOTS, backend="numpy")(received)
            np.testing.assert_array_equal(make(PILOTS)(received).channel, expected.channel)
    assert [record.name for record in caplog.records] == ["gr_jadce"]
    for make in (pc_admm, unrolled):
        with pytest.raises(ValueError, match="backend: expected an installed kernel"):
            make(PILOTS, backend="kernel")


def test_correctors_that_the_kernel_does_not_know():
    compiled_kernel()
    options = {"r": 0.0, "C": GENERAL}
    assert pc_admm(PILOTS, **options)._compiled is None
    with pytest.raises(ValueError, match="C: expected"):
        pc_admm(PILOTS, backend="kernel", **options)
    assert pc_admm(PILOTS)._compiled is not None


@pytest.mark.parametrize(("pybind11", "numpy"), [((2, 10), "1.24.2"), ((2, 12), "2.0.0"), ((3, 1), "2.4.6")])
def test_a_kernel_that_makes_arrays_of_this_numpy_is_taken(pybind11, numpy):
    backend._check_arrays(pybind11, numpy)


@pytest.fixture
def old_kernel(monkeypatch):
    """A kernel as of Debian 12, and NumPy 2."""
    monkeypatch.setattr(compiled_kernel(), "PYBIND11", (2, 10))
    monkeypatch.setattr(np, "__version__", "2.3.5")
    backend._load.cache_clear()
    yield
    backend._load.cache_clear()


def test_a_kernel_that_makes_wrong_arrays_is_not_taken(old_kernel, caplog):
    with caplog.at_level(logging.WARNING, logger="gr_jadce"):
        assert backend.kernel_for("auto") is None
    assert "pybind11 2.10, which makes wrong arrays with NumPy 2.3.5" in caplog.text
    with pytest.raises(ValueError, match="backend: expected an installed kernel, got the one .* NumPy 1"):
        backend.kernel_for("kernel")


def test_a_kernel_tells_the_pybind11_that_it_was_built_with():
    major, minor = compiled_kernel().PYBIND11
    assert (2, 6) <= (major, minor)
