# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep computes, as plain checked data, and the estimators and scenario of each of its points."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .. import solvers
from ..checks import check_choice, check_integer, check_probability
from ..estimators import find_factory, make_estimator
from ..pilots.kinds import make_pilots
from ..uplink.simulation import Scenario

ORACLES: dict[str, Callable] = {"oracle_ls": solvers.oracle_ls, "oracle_mmse": solvers.oracle_mmse}
SCENARIO: dict[str, Any] = {
    "pilot_kind": "gaussian",
    "n_devices": 100,
    "pilot_length": 40,
    "pilot_seed": 0,
    "n_antennas": 1,
    "activity_rate": 0.1,
    "n_active": None,
    "snr_db": 10.0,
    "power_spread_db": 0.0,
    "rician_k_db": None,
    "antenna_correlation": 0.0,
    "max_delay": 0.0,
    "cyclic_prefix": 0,
    "max_offset": 0.0,
    "phase_noise": 0.0,
}
OPTIONS = ("max_iter", "n_layers", "tol", "lam_factor")  # of estimators, that can be swept too
KNOWN = ("noise_var", "activity_rate")


def make_plan(
    axis: str,
    values: Sequence[Any],
    estimators: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    scenario: Mapping[str, Any] | None = None,
    known: Sequence[str] = ("noise_var",),
    false_alarm: float = 1e-2,
    frames: int = 1000,
    errors: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Describe a sweep as plain data, checked.

    Parameters
    ----------
    axis : str
        What is swept: a key of `SCENARIO`, or an estimator's option in `OPTIONS`, which is given to
        those estimators that take it.
    values : sequence
    estimators : dict
        Label → (name, options): a key of `ORACLES`, or a name that `make_estimator` takes, and its factory's
        options.
    scenario : dict, optional
        What differs from `SCENARIO`.
    known : sequence of str
        What the estimators know, of `KNOWN`: the noise variance at each call, and the prior
        (activity rate, and mean power 1) for factories that take one. Oracles know all.
    false_alarm : float
        Of the decisions, and of the threshold set with hindsight.
    frames, errors : int
        A point is done after `frames` frames, or when each estimator that decides has made at
        least `errors` wrong decisions, counted after every round of frames.
    seed : int
        Of the frames; every point of the sweep uses the same.
    """
    plan = {
        "axis": axis,
        "values": [_plain(value) for value in values],
        "scenario": SCENARIO | _plain_dict(scenario or {}),
        "estimators": {label: [name, _plain_dict(options)] for label, (name, options) in estimators.items()},
        "known": sorted(known),
        "false_alarm": check_probability("false_alarm", false_alarm),
        "frames": check_integer("frames", frames, 1),
        "errors": None if errors is None else check_integer("errors", errors, 1),
        "seed": check_integer("seed", seed, 0),
    }
    _check(plan)
    return json.loads(json.dumps(plan))


@lru_cache(maxsize=2)
def point_setup(plan_text: str, point: int) -> tuple[Scenario, dict[str, Callable]]:
    """The scenario and the estimators, by label, of a point of a plan given as JSON."""
    plan = json.loads(plan_text)
    axis, value, fields = plan["axis"], plan["values"][point], dict(plan["scenario"])
    if axis in fields:
        fields[axis] = value
    kind, n_devices, length, seed = (
        fields.pop(name) for name in ("pilot_kind", "n_devices", "pilot_length", "pilot_seed")
    )
    scenario = Scenario(make_pilots(kind, n_devices, length, seed=seed), **fields)
    estimators = {}
    for label, (name, options) in plan["estimators"].items():
        options = _prior(name, plan["known"], scenario) | options
        if axis in OPTIONS and _takes(name, axis):
            options[axis] = value
        estimators[label] = _make(name, scenario.pilots, options)
    return scenario, estimators


def _make(name, pilots, options):
    return ORACLES[name](pilots, **options) if name in ORACLES else make_estimator(name, pilots, **options)


def _prior(name, known, scenario):
    """The options that tell an estimator the prior, if it is to know it and takes it."""
    if "activity_rate" in known and "activity_rate" in inspect.signature(_factory(name)).parameters:
        return {"activity_rate": scenario.mean_activity, "power": 1.0}
    return {}


def _takes(name, option):
    parameters = inspect.signature(_factory(name)).parameters
    return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _factory(name):
    return ORACLES[name] if name in ORACLES else find_factory(name)


def _check(plan):
    check_choice("axis", plan["axis"], (*SCENARIO, *OPTIONS))
    if not plan["estimators"] or not plan["values"]:
        raise ValueError("estimators, values: expected at least one of each")
    for key in plan["scenario"]:
        check_choice("scenario", key, SCENARIO)
    for key in plan["known"]:
        check_choice("known", key, KNOWN)
    _check_names([name for name, _ in plan["estimators"].values()])
    text = json.dumps(plan)
    for point in range(len(plan["values"])):
        point_setup(text, point)


def _check_names(names):
    try:
        for name in names:
            _factory(name)
    except ValueError as error:
        raise ValueError(f"estimators: {error}; or a bound: {', '.join(ORACLES)}") from error


def _plain_dict(options):
    return {name: _plain(value) for name, value in options.items()}


def _plain(value):
    """A value as JSON has it, also where it was a NumPy scalar."""
    return value.item() if hasattr(value, "item") else value
