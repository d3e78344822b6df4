# SPDX-License-Identifier: GPL-3.0-or-later
"""What an argument has to be: one refusal for each kind, which names it, what was expected and given.

Each check gives back the plain Python value, also where it was a NumPy scalar, as variables of GNU Radio
Companion often are.
"""

from collections.abc import Collection, Iterable, Sequence
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any, TypeVar

_Choice = TypeVar("_Choice")


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int, if it is an integer from `least` to `most`; else ValueError."""
    good = isinstance(value, Integral) and not isinstance(value, bool)
    if not good or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}: expected an integer {bounds}, got {value!r}")
    return int(value)


def check_number(name: str, value: Any, least: float = -inf, most: float = inf) -> float:
    """`value` as a float, if it is a finite number from `least` to `most`; else ValueError."""
    if not _is_finite(value) or not least <= value <= most:
        raise ValueError(f"{name}: expected {_range(least, most)}, got {value!r}")
    return float(value)


def check_positive(name: str, value: Any, most: float = inf) -> float:
    """`value` as a float, if it is a finite number above 0 and at most `most`; else ValueError."""
    if not _is_finite(value) or not 0 < value <= most:
        limit = "" if most == inf else f" and at most {most:g}"
        raise ValueError(f"{name}: expected a number above 0{limit}, got {value!r}")
    return float(value)


def check_probability(name: str, value: Any) -> float:
    """`value` as a float, if it is a number between 0 and 1, neither of them; else ValueError."""
    if not _is_finite(value) or not 0 < value < 1:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got {value!r}")
    return float(value)


def check_choice(name: str, value: _Choice, choices: Collection[_Choice]) -> _Choice:
    """`value`, if it is one of `choices`; else ValueError."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, choices))}, got {value!r}")
    return value


def _is_finite(value):
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _range(least, most):
    if least == -inf and most == inf:
        return "a finite number"
    if most == inf:
        return f"a finite number of at least {least:g}"
    return f"a number of at most {most:g}" if least == -inf else f"a number from {least:g} to {most:g}"


def check_gaps(gaps: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    """Ascending (first sample, length) without overlap; ValueError if they are others."""
    try:
        pairs = [(int(first), int(length)) for first, length in gaps]
        good = all(length > 0 for _, length in pairs)
    except (TypeError, ValueError, OverflowError):
        good, pairs = False, []
    ends = [0, *(first + length for first, length in pairs)][: len(pairs)]  # of the one before each
    if not good or any(first < end for (first, _), end in zip(pairs, ends, strict=True)):
        raise ValueError(f"gaps: expected ascending (first sample, length) without overlap, got {gaps!r}")
    return pairs
