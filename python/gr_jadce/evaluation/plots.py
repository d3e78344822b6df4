# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a sweep's result, fit for print. Needs Matplotlib."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..checks import check_choice
from ..files import PathLike, replaced_file
from .tally import Tally

AXES = {
    "snr_db": "SNR (dB)",
    "activity_rate": "activity rate",
    "n_active": "active devices",
    "pilot_length": "pilot length L",
    "n_devices": "devices N",
    "n_antennas": "antennas M",
    "power_spread_db": "power spread (± dB)",
    "rician_k_db": "Rician factor (dB)",
    "antenna_correlation": "correlation of neighbouring antennas",
    "max_delay": "delays up to ± (symbols)",
    "cyclic_prefix": "cyclic prefix (symbols)",
    "max_offset": "carrier offsets up to ± (cycles a symbol)",
    "phase_noise": "phase noise (radians a symbol)",
    "lam_factor": "λ / (σ √M)",
    "tol": "tolerance",
    "max_iter": "iterations",
    "n_layers": "layers",
    "pilot_kind": "pilots",
}
# Kind of plot → figure of merit, its label, logarithmic or not.
KINDS = {
    "nmse": ("nmse_db", "NMSE (dB)", False),
    "refit": ("refit_nmse_db", "NMSE of the refitted channel (dB)", False),
    "miss": ("miss_at_false_alarm", "miss probability at false alarm {:g}", True),
    "decided-miss": ("miss_probability", "decided miss probability", True),
    "decided-false-alarm": ("false_alarm_probability", "decided false-alarm probability", True),
    "activity-error": ("activity_error_rate", "activity error rate", True),
    "gap": ("log10_gap", "log₁₀ relative duality gap", False),
    "roc": (None, "detection probability", False),
}
_MAX_TICKS = 12
_MARKERS = "osDv^<>Pp*Xhd"
_STYLE = {
    "font.family": "serif",
    "font.size": 9,
    "mathtext.fontset": "dejavuserif",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.fontsize": 7.5,
    "svg.hashsalt": "gr-jadce",  # equal results give equal files
}


def plot(result: Mapping[str, Any], kind: str, path: PathLike, *, point: int = -1) -> None:
    """Draw one figure of a sweep and save it; the suffix of `path` (.png, .svg, .pdf) is its format.

    Parameters
    ----------
    result : dict
        Of `sweep`.
    kind : str
        A key of `KINDS`.
    path : path
    point : int
        Of the sweep, for "roc".
    """
    check_choice("kind", kind, KINDS)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if kind == "roc":
            _draw_roc(axes, result, point)
        else:
            _draw_lines(axes, result, kind)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        _save(figure, path)


def has_figure(result: Mapping[str, Any], kind: str) -> bool:
    """Whether any estimator of the result has what this kind of plot shows."""
    name = KINDS[kind][0]
    entries = (entry for point in result["points"] for entry in point["estimators"].values())
    return name is None or any(entry["figures"].get(name) is not None for entry in entries)


def _save(figure, path):
    suffix = Path(path).suffix.removeprefix(".") or "png"
    metadata = {"Date": None} if suffix == "svg" else None
    with replaced_file(path) as file:
        figure.savefig(file, format=suffix, dpi=200, metadata=metadata)


def _draw_lines(axes, result, kind):
    plan, (name, label, logarithmic) = result["plan"], KINDS[kind]
    values = [point["value"] for point in result["points"]]
    for estimator, marker in zip(plan["estimators"], cycle(_MARKERS), strict=False):
        figures = [point["estimators"][estimator]["figures"] for point in result["points"]]
        _draw_line(axes, values, figures, name, logarithmic, label=estimator, marker=marker)
    if logarithmic:
        axes.set_yscale("log")
    if plan["axis"] in ("max_iter", "tol"):
        axes.set_xscale("log")
    elif len(values) <= _MAX_TICKS and all(isinstance(value, (int, float)) for value in values):
        axes.set_xticks(values)
    axes.set_xlabel(AXES.get(plan["axis"], plan["axis"]))
    axes.set_ylabel(label.format(plan["false_alarm"]))


def _draw_line(axes, values, figures, name, logarithmic, **style):
    """An estimator's curve with its intervals, where it has them."""
    shown = [
        (value, entry[name], entry.get(f"{name}_interval") or (entry[name], entry[name]))
        for value, entry in zip(values, figures, strict=True)
        # a count of zero has no place on a logarithmic axis
        if entry.get(name) is not None and (entry[name] > 0 or not logarithmic)
    ]
    if shown:
        x, y, intervals = zip(*shown, strict=True)
        error = np.abs(np.transpose(intervals) - np.array(y))
        axes.errorbar(x, y, error, capsize=2, markerfacecolor="none", **style)


def _draw_roc(axes, result, point):
    plan, chosen = result["plan"], result["points"][point]
    least = 1.0
    for estimator, entry in chosen["estimators"].items():
        false_alarm, detection = Tally.from_dict(entry["tally"]).roc()
        axes.plot(false_alarm, detection, label=estimator, drawstyle="steps-post")
        least = min(least, false_alarm[false_alarm > 0].min(initial=1.0))
    axes.set_xscale("log")
    axes.set_xlim(max(least, 1e-6), 1)
    axes.set_title(f"{AXES.get(plan['axis'], plan['axis'])}: {chosen['value']}", fontsize=9)
    axes.set_xlabel("false-alarm probability")
    axes.set_ylabel(KINDS["roc"][1])
