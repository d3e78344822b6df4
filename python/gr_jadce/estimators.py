# SPDX-License-Identifier: GPL-3.0-or-later
"""All estimators by name: what the receiver block, the apps and the evaluation choose from."""

from collections.abc import Callable
from importlib import import_module
from os import PathLike
from typing import Any

from numpy.typing import ArrayLike

from .estimate import Estimate
from .pilots.book import PilotBook
from .solvers import admm, amp, bcd, covariance_ml, fista, ista, m_sbl, pc_admm, somp, vamp
from .unrolled.inference import unrolled

ESTIMATORS: dict[str, Callable[..., Callable[..., Estimate]]] = {
    "pc_admm": pc_admm,
    "admm": admm,
    "ista": ista,
    "fista": fista,
    "bcd": bcd,
    "somp": somp,
    "amp": amp,
    "vamp": vamp,
    "m_sbl": m_sbl,
    "covariance_ml": covariance_ml,
    "unrolled": unrolled,
}


def make_estimator(
    name: str | PathLike, pilots: PilotBook | ArrayLike, **options: Any
) -> Callable[..., Estimate]:
    """Set up the estimator `name` for a pilot book.

    Parameters
    ----------
    name : str
        A key of `ESTIMATORS`, or a weight file ``….npz`` of a network, run by "unrolled"; or
        ``package.module:function``, one's own function from a pilot book to an estimator.
    pilots : PilotBook or (L, N) array
    **options
        Passed to the estimator's factory, e.g. ``tol=1e-4`` for "pc_admm".

    Returns
    -------
    estimator : callable
        ``estimator(received, noise_var=None)`` → `Estimate`. It has a `name`, that of its factory, and
        the `book` that it was set up for.

    Raises
    ------
    ValueError
        If the name or an option is unknown, or an option has a wrong value.
    OSError
        If the weight file cannot be opened.
    """
    if _is_weight_file(name):
        name, options = "unrolled", {"weights": name, **options}
    make = find_factory(name)
    try:
        return make(pilots, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"estimator {name!r}: {error}") from error


def find_factory(name: str | PathLike) -> Callable[..., Callable[..., Estimate]]:
    """What sets up the estimator `name` of `make_estimator`: ``factory(pilots, **options)``.

    Raises
    ------
    ValueError
        If there is none of that name, or the module that it names cannot be imported.
    """
    name = "unrolled" if _is_weight_file(name) else str(name)
    module, colon, function = name.partition(":")
    if name in ESTIMATORS:
        return ESTIMATORS[name]
    if colon:
        return _imported(module, function)
    raise ValueError(
        f"estimator: expected one of {', '.join(ESTIMATORS)}, a weight file .npz or package.module:function, "
        f"got {name!r}"
    )


def takes_threads(name: str | PathLike) -> bool:
    """Whether the compiled kernel runs the estimator `name` of `make_estimator`: option ``threads``."""
    return _is_weight_file(name) or name in ("unrolled", "pc_admm", "admm", "covariance_ml")


def _imported(module: str, function: str) -> Callable[..., Callable[..., Estimate]]:
    name = f"{module}:{function}"
    try:
        factory = getattr(import_module(module), function)
    except Exception as error:  # a module may raise anything when it is imported
        cause = f"{type(error).__name__}: {error}"
        raise ValueError(f"estimator {name!r}: {cause} (options are given as NAME:option=value)") from error
    if not callable(factory):
        raise ValueError(f"estimator {name!r}: expected a function of the pilot book, got {factory!r}")
    return factory


def _is_weight_file(name: str | PathLike) -> bool:
    return str(name).endswith(".npz")
