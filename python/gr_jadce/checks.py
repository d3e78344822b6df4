# SPDX-License-Identifier: GPL-3.0-or-later
"""What an argument has to be: one refusal for each kind, which names it, what was expected and given."""

from numbers import Integral


def check_integer(name, value, least, most=None) -> int:
    """`value` as an int, if it is an integer from `least` to `most`; else ValueError."""
    good = isinstance(value, Integral) and not isinstance(value, bool)
    if not good or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}: expected an integer {bounds}, got {value!r}")
    return int(value)
