# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs print while they run and in the end: progress, and scores."""

import sys
from collections.abc import Mapping
from math import isfinite
from time import monotonic
from typing import Any


def score_lines(summary: Mapping[str, Any]) -> list[str]:
    """The figures of `reports.scoring.Score.summary` as lines of text."""
    lines = [f"frames scored              {summary['frames']} (and {summary['frames_bad']} with bad input)"]
    names = ["miss_probability", "false_alarm_probability", "activity_error_rate", "nmse_db"]
    if left_out := summary["frames_activity_only"]:
        lines.append(f"channels left out          in {left_out} frames: their truth is of one antenna only")
        names = names[:3] if left_out == summary["frames"] else names
    if isfinite(summary["response_nmse_db"]):
        names.append("response_nmse_db")
    if "pupe" in summary:
        lines.append(
            f"packets delivered          {summary['packets_delivered']} of {summary['packets_sent']}, and "
            f"{summary['packets_wrong']} wrong ones"
        )
        names += ["packet_error_rate", "pupe"]
    for name in names:
        low, high = summary[f"{name}_interval"]
        unit = " dB" if name.endswith("_db") else ""
        label = name.removesuffix("_db").replace("_", " ").replace("nmse", "NMSE").replace("pupe", "PUPE")
        lines.append(f"{label:26} {summary[name]:.4g}{unit}  (95 % interval {low:.4g} to {high:.4g})")
    return lines


class Progress:
    """One line on stderr that tells how far long work has come; nothing if that is no terminal.

    Parameters
    ----------
    total : int, optional
        Amount of work, for a percentage.
    interval : float
        Seconds between two renewals at least.
    quiet : bool
        Show nothing: another program, at the end of a pipe, has the terminal.
    """

    def __init__(self, total: int | None = None, *, interval: float = 0.2, quiet: bool = False) -> None:
        self._total, self._interval = total, interval
        self._shown, self._due = False, 0.0
        self._terminal = sys.stderr.isatty() and not quiet

    def show(self, done: int, text: str) -> None:
        """Show ``done`` of the total, and the text."""
        if not self._terminal or monotonic() < self._due:
            return
        share = f"{100 * done / self._total:3.0f} % " if self._total else ""
        sys.stderr.write(f"\r\x1b[K{share}{text}")
        sys.stderr.flush()
        self._shown, self._due = True, monotonic() + self._interval

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._shown = False
