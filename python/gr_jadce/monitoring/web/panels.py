# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows beside the raster, as plain values: figures, antennas, the newest frame, one device."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..antennas import AntennaLevels
from ..figures import figure_texts
from ..monitor import Snapshot
from ..responses import Response

_MAX_GAINS = 4096  # magnitudes of channels in one message; devices that are too many are left out
_FRAMES_OF_LEVELS = 64  # of which levels are the mean


def panels(snapshot: Snapshot, *, is_live: bool = True) -> dict[str, Any]:
    """Figures, levels of the antennas and the newest frame; nothing before the first frame."""
    figures = snapshot.figures()
    if figures is None:
        return {}
    texts = figure_texts(figures, snapshot.counts, is_live=is_live)
    newest = snapshot.reports[-1]
    return {
        "figures": [[caption, text, bad] for caption, (text, bad) in texts.items()],
        "truth": snapshot.counts.frames_scored > 0,
        "slotPeriod": figures.slot_period,
        "frame": _frame(newest),
        "antennas": _antennas(snapshot.reports[-_FRAMES_OF_LEVELS:]),
    }


def device_panel(snapshot: Snapshot, device: int) -> dict[str, Any]:
    """What the last frames tell of a device: slots it was found in, with score and gain; its last channel."""
    newest = snapshot.newest or 0
    found = [(report, row) for report in snapshot.reports if (row := _row_of(report, device)) is not None]
    panel: dict[str, Any] = {
        "device": device,
        "frames": len(snapshot.reports),
        "age": [newest - report.frame_id for report, _ in found],
        "score": [float(report.score[row]) for report, row in found],
        "gain": [_gain_db(report, row) for report, row in found],
    }
    if found:
        report, row = found[-1]
        panel |= {"slot": str(report.frame_id), "threshold": report.threshold, **_last(report, row)}
    return panel


def names_of(report: Any) -> dict[int, str]:
    """Names of the devices found, where the report has them."""
    if getattr(report, "device_id", None) is None:
        return {}
    return dict(zip(np.asarray(report.device).tolist(), report.device_id, strict=True))


def _frame(report):
    """The devices of a frame: of each its score, delay and offset if told, and magnitudes at the antennas."""
    gains = _gains(report)
    limit = max(_MAX_GAINS // max(report.n_antennas, 1), 1)
    return {
        "slot": str(report.frame_id),
        "status": report.status,
        "device": np.asarray(report.device).tolist(),
        "score": [float(score) for score in report.score],
        "gain": gains[:limit],
        **_out_of_step(report, slice(None)),
        **_loudest_response(report),
    }


def _loudest_response(report: Any) -> dict[str, Any]:
    """The impulse response of the device with the highest score, where the report has such."""
    if getattr(report, "responses", None) is None or not len(report.device):
        return {}
    row = int(np.argmax(report.score))
    return {"response": {"device": int(report.device[row]), **_response(report, row)}}


def _response(report: Any, row: int) -> dict[str, Any]:
    """Delays of a device's taps, symbols, and their powers over antennas, dB."""
    response = Response.of(report.device, report.responses, row)
    return {"delay": response.delay, "power": response.power_db}


def _antennas(reports: Sequence[Any]) -> dict[str, Any]:
    levels = AntennaLevels.of(reports)
    return {"noise": levels.noise_db, "snr": levels.snr_db, "dead": levels.is_dead}


def _gains(report: Any) -> NDArray:
    channel = getattr(report, "channel", None)
    return np.zeros((0, report.n_antennas)) if channel is None else np.abs(channel).astype(float)


def _gain_db(report: Any, row: int) -> float:
    gains = _gains(report)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.mean(gains[row] ** 2))) if len(gains) else float("nan")


def _row_of(report: Any, device: int) -> int | None:
    """The row of a device in a report, whose devices ascend; None if it was not found."""
    row = int(np.searchsorted(report.device, device))
    return row if row < len(report.device) and report.device[row] == device else None


def _last(report: Any, row: int) -> dict[str, Any]:
    channel = getattr(report, "channel", None)
    parts = {} if channel is None else {"real": channel[row].real, "imaginary": channel[row].imag}
    taps = {} if getattr(report, "responses", None) is None else {"response": _response(report, row)}
    return parts | taps | _out_of_step(report, row)


def _out_of_step(report: Any, rows: slice | int) -> dict[str, Any]:
    """Delays and carrier offsets of some rows, where the report has them."""
    told = {"delay": getattr(report, "delay", None), "offset": getattr(report, "carrier_offset", None)}
    return {
        name: values[rows] if isinstance(rows, slice) else float(values[rows])
        for name, values in told.items()
        if values is not None
    }
