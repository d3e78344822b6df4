# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of argument has one refusal, and NumPy's scalars are numbers like any."""

from math import inf, nan

import numpy as np
import pytest

from gr_jadce.checks import check_choice, check_integer, check_number, check_positive, check_probability

REFUSED = [None, "1", True, np.True_, nan, inf, -inf, np.float32(nan), [1], np.array([1.0]), 1j]


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2), np.int16(2)])
def test_integers_of_numpy_are_integers(value):
    checked = check_integer("n", value, 1)
    assert (checked, type(checked)) == (2, int)


@pytest.mark.parametrize("value", [*REFUSED, 2.0, 0, np.int64(0)])
def test_what_is_no_integer_in_range_is_refused(value):
    with pytest.raises(ValueError, match=r"^n: expected an integer of at least 1, got "):
        check_integer("n", value, 1)


def test_an_integer_above_the_range_is_refused():
    with pytest.raises(ValueError, match=r"^n: expected an integer from 1 to 3, got 4$"):
        check_integer("n", 4, 1, 3)


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.float16(0.25), np.float64(0.25)])
def test_numbers_of_numpy_are_numbers(value):
    for checked in (check_number("x", value), check_positive("x", value), check_probability("x", value)):
        assert (checked, type(checked)) == (0.25, float)


@pytest.mark.parametrize("value", [*REFUSED, 10**400])
@pytest.mark.parametrize("check", [check_number, check_positive, check_probability])
def test_what_is_no_finite_number_is_refused(check, value):
    with pytest.raises(ValueError, match=r"^x: expected a .*, got "):
        check("x", value)


@pytest.mark.parametrize(
    ("bounds", "value", "expected"),
    [
        ((0,), -1, "a finite number of at least 0"),
        ((0, 5), 6, "a number from 0 to 5"),
        ((-inf, 5), 6, "a number of at most 5"),
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(bounds, value, expected):
    with pytest.raises(ValueError, match=f"^x: expected {expected}, got {value}$"):
        check_number("x", value, *bounds)


@pytest.mark.parametrize("value", [0, 1, -0.5, 1.5])
def test_certainties_are_no_probabilities(value):
    with pytest.raises(ValueError, match=r"^p: expected a probability between 0 and 1, got "):
        check_probability("p", value)


def test_zero_is_not_positive():
    with pytest.raises(ValueError, match=r"^x: expected a number above 0, got 0$"):
        check_positive("x", 0)


def test_a_choice_is_one_of_those_there_are():
    assert check_choice("kind", "dft", ("dft", "qpsk")) == "dft"
    with pytest.raises(ValueError, match=r"^kind: expected one of dft, qpsk, got 'fft'$"):
        check_choice("kind", "fft", ("dft", "qpsk"))
