# SPDX-License-Identifier: GPL-3.0-or-later
"""Monte-Carlo sweep: any estimators, on the same frames, over any parameter; resumable and parallel."""

import inspect
import json
import multiprocessing
import os
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from time import monotonic

from .. import solvers
from ..detection.decide import decide
from ..estimators import ESTIMATORS, make_estimator
from ..pilots.kinds import make_pilots
from ..uplink.simulation import Scenario, Uplink, simulate
from .tally import Tally

ORACLES = {"oracle_ls": solvers.oracle_ls, "oracle_mmse": solvers.oracle_mmse}
ROUND = 100  # frames between two looks at the stopping rule; fixed, so that results depend on nothing else
SCENARIO = {
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
_SAVE_EVERY = 5.0  # seconds


def make_plan(
    axis,
    values,
    estimators,
    scenario=None,
    known=("noise_var",),
    false_alarm=1e-2,
    frames=1000,
    errors=None,
    seed=0,
) -> dict:
    """Describe a sweep as plain data, checked.

    Parameters
    ----------
    axis : str
        What is swept: a key of `SCENARIO`, or an estimator's option in `OPTIONS`, which is given to
        those estimators that take it.
    values : sequence
    estimators : dict
        Label → (name, options): a key of `ESTIMATORS` or `ORACLES`, or a weight file ``….npz`` of a
        network, and its factory's options.
    scenario : dict, optional
        What differs from `SCENARIO`.
    known : sequence of str
        What the estimators are told, of `KNOWN`: the noise variance at each call, and the prior
        (activity rate, and mean power 1) to factories that take one. Oracles are always told all.
    false_alarm : float
        Of the decisions, and of the threshold found with hindsight.
    frames, errors : int
        A point is done after `frames` frames, or when each estimator that decides has made at
        least `errors` wrong decisions, looked at every `ROUND` frames.
    seed : int
        Of the frames; every point of the sweep uses the same.
    """
    plan = {
        "axis": axis,
        "values": list(values),
        "scenario": SCENARIO | (scenario or {}),
        "estimators": {label: [name, dict(options)] for label, (name, options) in estimators.items()},
        "known": sorted(known),
        "false_alarm": false_alarm,
        "frames": frames,
        "errors": errors,
        "seed": seed,
    }
    _check(plan)
    return json.loads(json.dumps(plan))


def sweep(plan, path=None, processes=1, scheduler=None, batch=50, origin=None, progress=None) -> dict:
    """Run a plan, or what is left of it.

    Parameters
    ----------
    plan : dict
        Of `make_plan`.
    path : path, optional
        JSON file that keeps the result, saved every few seconds. If it exists, the sweep goes on
        from there; it must be of the same plan, `frames` and `errors` aside.
    processes : int
        Processes on this machine. Set OPENBLAS_NUM_THREADS=1 before NumPy is imported, or they
        fight for the cores.
    scheduler : str, optional
        Address of a Dask scheduler; its workers are used instead. Needs the package `distributed`.
    batch : int
        Frames given to an estimator at once; a matter of speed only.
    origin : dict, optional
        Kept in the result, e.g. command and version.
    progress : callable, optional
        Called as ``progress(frames_done, frames_at_most)``.

    Returns
    -------
    result : dict
        JSON-able: ``plan``, ``origin`` and ``points``, one for each value, each with ``value``,
        ``frames`` and for each estimator's label its ``figures`` and ``tally`` (see `Tally`).
    """
    points = _load(path, plan) if path else _empty(plan)

    def result():
        return _result(plan, points, origin)

    saved = monotonic()
    try:
        for frames_done in _run(plan, points, processes, scheduler, batch):
            if progress:
                progress(frames_done, plan["frames"] * len(points))
            if path and monotonic() - saved > _SAVE_EVERY:
                _save(path, result())
                saved = monotonic()
    finally:  # interrupted as well
        if path:
            _save(path, result())
    return result()


def _run(plan, points, processes, scheduler, batch):
    """Fill `points`, always in the same order; yields the frames done after each round."""
    text, pending, tasks = json.dumps(plan), deque(), _tasks(plan, points)
    with _workers(processes, scheduler) as (submit, window):
        while True:
            while len(pending) < window and (task := next(tasks, None)) is not None:
                pending.append((*task, submit(run_round, text, *task, batch)))
            if not pending:
                return
            i, first, future = pending.popleft()
            if first == _frames(points[i]) and not _done(plan, points[i]):
                for label, tally in future.result().items():
                    points[i][label].merge(Tally.from_dict(tally))
            yield sum(map(_frames, points))


def run_round(plan_text, point, first_frame, batch):
    """Simulate and estimate one round of frames of one point: label → tally as a dict."""
    plan = json.loads(plan_text)
    scenario, estimators = _setup(plan_text, point)
    last = min(first_frame + ROUND, plan["frames"])
    tallies = {label: Tally() for label in estimators}
    for first in range(first_frame, last, batch):
        uplink = simulate(scenario, min(batch, last - first), plan["seed"], first_frame=first)
        for label, estimator in estimators.items():
            name = plan["estimators"][label][0]
            try:
                tallies[label].add(uplink, *_estimate(plan, name, estimator, uplink, scenario))
            except (ValueError, ArithmeticError) as error:
                at = f"{label} at {plan['axis']} = {plan['values'][point]}"
                raise ValueError(f"{at}, frame {first} or a later one: {error}") from error
    return {label: tally.to_dict() for label, tally in tallies.items()}


def _estimate(plan, name, estimator, uplink: Uplink, scenario):
    if name in ORACLES:
        return estimator(uplink.received, uplink.noise_var, activity=uplink.activity), None
    noise_var = uplink.noise_var if "noise_var" in plan["known"] else None
    estimate = estimator(uplink.received, noise_var)
    return estimate, decide(estimate, uplink.received, scenario.pilots, plan["false_alarm"], noise_var)


@lru_cache(maxsize=2)
def _setup(plan_text, point):
    """The scenario and the estimators of a point."""
    plan = json.loads(plan_text)
    axis, value, fields = plan["axis"], plan["values"][point], dict(plan["scenario"])
    if axis in fields:
        fields[axis] = value
    kind, n_devices, length, seed = (
        fields.pop(name) for name in ("pilot_kind", "n_devices", "pilot_length", "pilot_seed")
    )
    scenario = Scenario(make_pilots(kind, n_devices, length, seed), **fields)
    estimators = {}
    for label, (name, options) in plan["estimators"].items():
        options = _told(name, plan["known"], scenario) | options
        if axis in OPTIONS and _takes(name, axis):
            options[axis] = value
        estimators[label] = _make(name, scenario.pilots, options)
    return scenario, estimators


def _make(name, pilots, options):
    return ORACLES[name](pilots, **options) if name in ORACLES else make_estimator(name, pilots, **options)


def _told(name, known, scenario):
    named = inspect.signature(_factory(name)).parameters
    if "activity_rate" in known and "activity_rate" in named:
        return {"activity_rate": scenario.mean_activity, "power": 1.0}
    return {}


def _takes(name, option):
    parameters = inspect.signature(_factory(name)).parameters
    return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _factory(name):
    return ORACLES[name] if name in ORACLES else ESTIMATORS["unrolled" if _is_file(name) else name]


def _is_file(name):
    return name.endswith(".npz")


def _tasks(plan, points):
    """(point, first frame) of every round that may be needed; looks at `points` as they fill."""
    for i, point in enumerate(points):
        for first in range(_frames(point), plan["frames"], ROUND):
            if _done(plan, point):
                break
            yield i, first


def _frames(point):
    return int(next(iter(point.values())).sums["frames"])


def _done(plan, point):
    if _frames(point) >= plan["frames"]:
        return True
    if plan["errors"] is None:
        return False
    deciding = [label for label, (name, _) in plan["estimators"].items() if name not in ORACLES]
    return bool(deciding) and all(point[label].wrong_decisions >= plan["errors"] for label in deciding)


def _empty(plan):
    return [{label: Tally() for label in plan["estimators"]} for _ in plan["values"]]


def _load(path, plan):
    if not Path(path).exists():
        return _empty(plan)
    saved = read_result(path)
    free = ("frames", "errors")
    for key in plan:
        if key not in free and saved["plan"].get(key) != plan[key]:
            raise ValueError(
                f"{path}: holds another sweep ({key}: {saved['plan'].get(key)!r}, now {plan[key]!r}); "
                f"remove it or choose another file"
            )
    points = [
        {label: Tally.from_dict(entry["tally"]) for label, entry in point["estimators"].items()}
        for point in saved["points"]
    ]
    if any(_frames(point) % ROUND and _frames(point) != plan["frames"] for point in points):
        raise ValueError(
            f"{path}: ended in the middle of {ROUND} frames; use the same frames or another file"
        )
    return points


def read_result(path) -> dict:
    """Read a result saved by `sweep`; ValueError if the file is none."""
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        result["plan"]["axis"], result["points"][0]["estimators"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: expected the result of a sweep: {_kind_of(error)}") from error
    return result


def _kind_of(error):
    return "not text" if isinstance(error, UnicodeDecodeError) else repr(error)


def _save(path, result):
    part = Path(f"{path}.part")
    part.write_text(json.dumps(result, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(part, path)


def _result(plan, points, origin):
    return {
        "origin": origin or {},
        "plan": plan,
        "points": [
            {
                "value": value,
                "frames": _frames(point),
                "estimators": {label: _entry(plan, label, tally) for label, tally in point.items()},
            }
            for value, point in zip(plan["values"], points, strict=True)
        ],
    }


def _entry(plan, label, tally):
    decided = plan["estimators"][label][0] not in ORACLES
    return {"figures": tally.figures(plan["false_alarm"], decided), "tally": tally.to_dict()}


@contextmanager
def _workers(processes, scheduler):
    """A function like `Executor.submit`, and how many calls to keep under way."""
    if scheduler:
        try:
            from distributed import Client
        except ImportError as error:
            raise ValueError(
                "scheduler: needs the package distributed (Debian: python3-distributed)"
            ) from error
        with Client(scheduler) as client:
            yield partial(client.submit, pure=False), 2 * max(len(client.nthreads()), 1)
    elif processes == 1:
        yield _call, 1
    else:
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                yield pool.submit, 2 * processes
            finally:
                pool.shutdown(cancel_futures=True)


def _call(function, *arguments):
    future = Future()
    future.set_result(function(*arguments))
    return future


def _check(plan):
    axis, names = plan["axis"], [name for name, _ in plan["estimators"].values()]
    if axis not in SCENARIO and axis not in OPTIONS:
        raise ValueError(f"axis: expected one of {', '.join((*SCENARIO, *OPTIONS))}, got {axis!r}")
    if unknown := plan["scenario"].keys() - SCENARIO.keys():
        raise ValueError(
            f"scenario: expected keys of {', '.join(SCENARIO)}, got {', '.join(sorted(unknown))}"
        )
    if unknown := {name for name in names if not _is_file(name)} - ESTIMATORS.keys() - ORACLES.keys():
        known = ", ".join((*ESTIMATORS, *ORACLES))
        raise ValueError(
            f"estimators: expected weight files .npz, or names of {known}, got {', '.join(sorted(unknown))}"
        )
    if not names or not plan["values"]:
        raise ValueError("estimators, values: expected at least one of each")
    if unknown := set(plan["known"]) - set(KNOWN):
        raise ValueError(f"known: expected some of {', '.join(KNOWN)}, got {', '.join(sorted(unknown))}")
    if not 0 < plan["false_alarm"] < 1:
        raise ValueError(f"false_alarm: expected a probability between 0 and 1, got {plan['false_alarm']!r}")
    for name in ("frames", "errors"):
        if plan[name] is not None and not plan[name] >= 1:
            raise ValueError(f"{name}: expected a positive number, got {plan[name]!r}")
    text = json.dumps(plan)
    for point in range(len(plan["values"])):
        _setup(text, point)
