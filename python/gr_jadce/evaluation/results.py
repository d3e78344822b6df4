# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a sweep: plain data in a JSON file, from which the sweep can go on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import PathLike, replaced_file
from .plan import ORACLES
from .tally import Tally

Points = list[dict[str, Tally]]
FRAMES_PER_ROUND = (
    100  # the stopping rule is asked after each round; fixed, so that results depend on no more
)


def read_result(path: PathLike) -> dict[str, Any]:
    """Read a result saved by `sweep`; ValueError if the file is none."""
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        result["plan"]["axis"], result["points"][0]["estimators"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: expected the result of a sweep: {_reason(error)}") from error
    return result


def save_result(path: PathLike, result: Mapping[str, Any]) -> None:
    """Write a result; the file that is there stays whole until the new one is."""
    with replaced_file(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(result, allow_nan=False) + "\n")


def load_points(path: PathLike | None, plan: Mapping[str, Any]) -> Points:
    """The tallies of each point, by label, in a file if it is there, else empty ones.

    Raises
    ------
    ValueError
        If the file holds another plan, `frames` and `errors` aside, or ended within a round.
    """
    if path is None or not Path(path).exists():
        return [{label: Tally() for label in plan["estimators"]} for _ in plan["values"]]
    saved = read_result(path)
    _check_same_plan(path, plan, saved["plan"])
    points = [
        {label: Tally.from_dict(entry["tally"]) for label, entry in point["estimators"].items()}
        for point in saved["points"]
    ]
    if any(frames_of(point) % FRAMES_PER_ROUND and frames_of(point) != plan["frames"] for point in points):
        raise ValueError(
            f"{path}: ended in the middle of {FRAMES_PER_ROUND} frames; use the same frames or another file"
        )
    return points


def result_of(plan: Mapping[str, Any], points: Points, origin: Mapping[str, Any] | None) -> dict[str, Any]:
    """The result that these tallies make."""
    return {
        "origin": dict(origin or {}),
        "plan": plan,
        "points": [
            {
                "value": value,
                "frames": frames_of(point),
                "estimators": {label: _entry(plan, label, tally) for label, tally in point.items()},
            }
            for value, point in zip(plan["values"], points, strict=True)
        ],
    }


def frames_of(point: Mapping[str, Tally]) -> int:
    """Frames counted at a point."""
    return next(iter(point.values())).frames


def _entry(plan, label, tally):
    decided = plan["estimators"][label][0] not in ORACLES
    return {"figures": tally.figures(plan["false_alarm"], decided), "tally": tally.to_dict()}


def _check_same_plan(path, plan, saved):
    for key in plan.keys() - {"frames", "errors"}:
        if saved.get(key) != plan[key]:
            raise ValueError(
                f"{path}: holds another sweep ({key}: {saved.get(key)!r}, now {plan[key]!r}); "
                f"remove it or choose another file"
            )


def _reason(error):
    return "not text" if isinstance(error, UnicodeDecodeError) else repr(error)
