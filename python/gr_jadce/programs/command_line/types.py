# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of the options of programs: each takes the text of an option, and says what was expected."""

import argparse
import ast
import os
import re
import sys
from decimal import Decimal
from typing import Any, Literal

from ...payload.format import PayloadFormat, as_payload_format


def count(text: str) -> int:
    """Argument type: an integer of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Argument type: an integer of at least 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """Argument type: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def numbers(text: str) -> list[float]:
    """Argument type: numbers separated by commas."""
    return [float(part) for part in text.split(",")]


def payload_format(text: str) -> PayloadFormat:
    """Argument type: a file of a payload format in JSON, or up to three numbers: bytes, spreading, seed."""
    try:
        if re.fullmatch(r"[\d,]+", text):
            return PayloadFormat(*map(int, text.split(",")))
        return as_payload_format(text)
    except (OSError, TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"expected a file of JSON, or numbers like 16,4,0, got {text!r}: {error}"
        ) from error


def slot_origin(text: str) -> Literal["first"] | tuple[int, float]:
    """Argument type: "first" or a device time as (whole seconds, fraction)."""
    if text == "first":
        return "first"
    if not abs(float(text)) < 2**63:
        raise ValueError
    return int(Decimal(text)), float(Decimal(text) % 1)


def named_estimator(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of an estimator, from ``NAME`` or ``NAME:option=value,option=value``.

    The name may be ``package.module:function``; modules in the current folder are found, too.
    """
    name, _, rest = text.partition(":")
    function, _, more = rest.partition(":")
    if function.isidentifier():
        name, rest = f"{name}:{function}", more
        sys.path.append(os.getcwd())
    options: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"estimator {text!r}: expected NAME:option=value,…")
        options[key] = _literal(value)
    return name, options


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
