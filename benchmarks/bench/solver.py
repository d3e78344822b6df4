# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (i): PC-ADMM and others, timed to a relative objective error, or duality gap, of 1e-4."""

import warnings

import numpy as np
from contestants import CONTESTANTS, apart_objective, sklearn_apart
from problems import SIZES, make
from timing import seconds

TARGET = 1e-4
SET_UPS = 1000  # frames that a set-up is shared by


def run(quick=False, say=print):
    """Results by problem and contestant; ratios are of the time for a frame to that of `kernel, batch`."""
    results = {}
    frames = 8 if quick else 64
    for name in SIZES:
        problem = make(name, frames)
        results[name] = table = {}
        for contestant in CONTESTANTS:
            few = {"frames": min(frames, contestant.frames), "batch": min(frames, contestant.batch)}
            try:
                entry = _contest(problem, contestant._replace(**few), 0.1 if quick else 2.0)
            except Exception as error:  # of a peer, which must not stop the others
                entry = {"missing": repr(error)}
            table[contestant.name] = entry
            first = table["kernel, batch"]
            for goal in ("objective", "gap"):
                if goal in entry:
                    entry[goal]["ratio"] = entry[goal]["amortised"] / first[goal]["amortised"]
            say(f"  {name:3} {contestant.name:32} {_line(entry)}")
    return results


def _contest(problem, contestant, budget):
    set_up = seconds(lambda: contestant.make(problem), budget=0, least=2)
    solve = contestant.make(problem)
    entry = {"set_up": set_up, "note": contestant.note}
    judge = _apart(problem, solve) if contestant.make is sklearn_apart else problem.errors
    for goal, index in (("objective", 0), ("gap", 1)):
        knob, reached = _loosest(contestant, solve, judge, index)
        if knob is not None:
            entry[goal] = _time(contestant, solve, knob, set_up, budget) | {"knob": knob, "reached": reached}
    return entry


def _parts(contestant):
    return [slice(i, i + contestant.batch) for i in range(0, contestant.frames, contestant.batch)]


def _loosest(contestant, solve, judge, index):
    """The loosest knob with which the median error of the frames is at most the target."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of solvers that stop short, which the judge sees
        for knob in contestant.knobs:
            errors = np.concatenate([judge(solve(part, knob), part)[index] for part in _parts(contestant)])
            if np.median(errors) <= TARGET:
                return knob, float(np.median(errors))
    return None, None


def _apart(problem, solve):
    """The judge of another problem: errors relative to its own solution; it has no gap here."""
    least = {}

    def judge(channel, frames):
        if frames.start not in least:
            least[frames.start] = apart_objective(problem, solve(frames, 1e-9), frames)
        error = apart_objective(problem, channel, frames) / least[frames.start] - 1
        return error, np.full_like(error, np.inf)

    return judge


def _time(contestant, solve, knob, set_up, budget):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = [seconds(lambda part=part: solve(part, knob), budget / len(_parts(contestant)), 3)
                 for part in _parts(contestant)]  # fmt: skip
    frame = sum(times) / contestant.frames
    return {"seconds": frame, "amortised": frame + set_up / SET_UPS, "with_set_up": frame + set_up}


def _line(entry):
    if "missing" in entry:
        return f"not measured: {entry['missing']}"
    parts = [f"set-up {1e3 * entry['set_up']:8.2f} ms"]
    for goal in ("objective", "gap"):
        if goal in entry:
            parts.append(f"{goal} {1e6 * entry[goal]['seconds']:9.1f} µs, {entry[goal]['ratio']:7.2f} ×")
        else:
            parts.append(f"{goal} not reached          ")
    return " | ".join([*parts, entry["note"]])
