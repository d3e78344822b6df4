# SPDX-License-Identifier: GPL-3.0-or-later
"""Monte-Carlo sweep: any estimators, on the same frames, over any parameter; resumable and parallel."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any

from ..checks import check_integer
from ..detection.decide import decide
from ..estimate import takes_noise_var
from ..files import PathLike
from ..uplink.simulation import Uplink, simulate
from .plan import ORACLES, point_setup
from .results import FRAMES_PER_ROUND, Points, frames_of, load_points, result_of, save_result
from .tally import Tally
from .workers import open_workers

_SAVE_INTERVAL_S = 5.0


def sweep(
    plan: Mapping[str, Any],
    path: PathLike | None = None,
    *,
    processes: int = 1,
    scheduler: str | None = None,
    batch: int = 50,
    origin: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run a plan, or what is left of it.

    Parameters
    ----------
    plan : dict
        Of `plan.make_plan`.
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
    points = load_points(path, plan)
    saved = monotonic()
    try:
        for frames in _run(plan, points, check_integer("processes", processes, 1), scheduler, batch):
            if progress:
                progress(frames, plan["frames"] * len(points))
            if path and monotonic() - saved > _SAVE_INTERVAL_S:
                save_result(path, result_of(plan, points, origin))
                saved = monotonic()
    finally:  # interrupted as well
        if path:
            save_result(path, result_of(plan, points, origin))
    return result_of(plan, points, origin)


def run_round(plan_text: str, point: int, first_frame: int, batch: int) -> dict[str, dict]:
    """Simulate and estimate one round of frames of one point: label → tally as a dict."""
    plan = json.loads(plan_text)
    scenario, estimators = point_setup(plan_text, point)
    last = min(first_frame + FRAMES_PER_ROUND, plan["frames"])
    tallies = {label: Tally() for label in estimators}
    for first in range(first_frame, last, batch):
        uplink = simulate(scenario, min(batch, last - first), seed=plan["seed"], first_frame=first)
        for label, estimator in estimators.items():
            name = plan["estimators"][label][0]
            try:
                tallies[label].add(uplink, *_estimate(plan, name, estimator, uplink, scenario))
            except (ValueError, ArithmeticError) as error:
                at = f"{label} at {plan['axis']} = {plan['values'][point]}"
                raise ValueError(f"{at}, frame {first} or a later one: {error}") from error
    return {label: tally.to_dict() for label, tally in tallies.items()}


def _run(plan, points: Points, processes, scheduler, batch) -> Iterator[int]:
    """Fill `points`, always in the same order; yields the frames done after each round."""
    text, tasks = json.dumps(plan), _tasks(plan, points)
    pending: deque = deque()
    with open_workers(processes, scheduler) as (submit, window):
        while True:
            while len(pending) < window and (task := next(tasks, None)) is not None:
                pending.append((*task, submit(run_round, text, *task, batch)))
            if not pending:
                return
            i, first, future = pending.popleft()
            if first == frames_of(points[i]) and not _is_done(plan, points[i]):
                for label, tally in future.result().items():
                    points[i][label].merge(Tally.from_dict(tally))
            yield sum(map(frames_of, points))


def _estimate(plan, name, estimator, uplink: Uplink, scenario):
    """The estimate of a batch, and the decision; None for oracles, which know who is active."""
    if name in ORACLES:
        return estimator(uplink.received, uplink.noise_var, activity=uplink.activity), None
    noise_var = uplink.noise_var if "noise_var" in plan["known"] else None
    told = {"noise_var": noise_var} if takes_noise_var(estimator) else {}
    estimate = estimator(uplink.received, **told)
    false_alarm = plan["false_alarm"]
    return estimate, decide(
        estimate, uplink.received, scenario.pilots, false_alarm=false_alarm, noise_var=noise_var
    )


def _tasks(plan, points):
    """(point, first frame) of every round that may be needed; reads `points` as they fill."""
    for i, point in enumerate(points):
        for first in range(frames_of(point), plan["frames"], FRAMES_PER_ROUND):
            if _is_done(plan, point):
                break
            yield i, first


def _is_done(plan, point):
    if frames_of(point) >= plan["frames"]:
        return True
    if plan["errors"] is None:
        return False
    deciding = [label for label, (name, _) in plan["estimators"].items() if name not in ORACLES]
    return bool(deciding) and all(point[label].detections.errors >= plan["errors"] for label in deciding)
