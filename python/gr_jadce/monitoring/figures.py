# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that a monitor shows, as numbers and as texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any

import numpy as np

from ..metrics import DetectionCounts

_UNKNOWN = "–"
_MAX_NAME = 80  # characters shown of a name


@dataclass
class Counts(DetectionCounts):
    """Counts of all frames since the start, or a reset; those of devices, of frames with truth.

    `recent` are those of the devices in the frames of the raster.
    """

    frames: int = 0
    frames_bad: int = 0
    frames_clipped: int = 0
    frames_scored: int = 0
    detections: int = 0
    recent: DetectionCounts = field(default_factory=DetectionCounts)


@dataclass(frozen=True)
class Figures:
    """The newest figures; times in seconds, NaN where not known, medians over the frames of the raster."""

    frame_id: int
    n_devices: int
    n_antennas: int
    n_active: int
    estimator: str
    threshold: float
    noise_var: float
    snr_db: float
    solve_time: float
    slot_period: float
    frames_dropped: int
    slots_lost: int
    gaps: int

    @classmethod
    def of(cls, reports: Sequence[Any], totals: Mapping[str, int]) -> "Figures":
        """The figures of the reports in a raster, the newest last, and the totals of a receiver's status."""
        newest = reports[-1]
        return cls(
            frame_id=newest.frame_id,
            n_devices=newest.n_devices,
            n_antennas=newest.n_antennas,
            n_active=len(newest.device),
            estimator=newest.estimator,
            threshold=newest.threshold,
            noise_var=_median(reports, "noise_var"),
            snr_db=_median(reports, "snr_db"),
            solve_time=_median(reports, "solve_time"),
            slot_period=_slot_period(reports),
            **totals,
        )


def figure_texts(figures: Figures, counts: Counts, *, is_live: bool = True) -> dict[str, tuple[str, bool]]:
    """The figures as {caption: (text, whether it is bad)}; no load unless frames come as they are sent."""
    load = figures.solve_time / figures.slot_period if figures.slot_period > 0 and is_live else nan
    return {
        "Active now": (f"{figures.n_active:,}", False),
        "Frames": (f"{counts.frames:,}", False),
        "Detections": (f"{counts.detections:,}", False),
        **_scored_texts(counts),
        "SNR": (_number(figures.snr_db, "{:.1f} dB"), False),
        "Noise variance": (_number(figures.noise_var, "{:.3g}"), False),
        "Solving / slot": (f"{_time(figures.solve_time)} / {_time(figures.slot_period)}", load > 1),
        "Load": (_number(100 * load, "{:,.0f} %" if load > 10 else "{:.3g} %"), load > 1),
        "Dropped": (f"{figures.frames_dropped:,}", figures.frames_dropped > 0),
        "Slots lost": (f"{figures.slots_lost:,}", figures.slots_lost > 0),
        "Bad / clipped": (
            f"{counts.frames_bad:,} / {counts.frames_clipped:,}",
            counts.frames_bad + counts.frames_clipped > 0,
        ),
        "Estimator": (printable(figures.estimator[:_MAX_NAME]), False),
    }


def _scored_texts(counts: Counts) -> dict[str, tuple[str, bool]]:
    """What was missed and falsely found: since the start, and lately; unknown without the truth."""
    texts = {}
    for when, these in (
        (("Missed", "False alarms"), counts),
        (("Missed lately", "False lately"), counts.recent),
    ):
        shares = (these.missed, these.active), (these.false_alarms, these.inactive)
        for caption, (part, total) in zip(when, shares, strict=True):
            texts[caption] = (_share(part, total) if counts.frames_scored else _UNKNOWN, False)
    return texts


def printable(text: str) -> str:
    """Text as a terminal can show it: what is no printable character becomes its escape, as `repr` has it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def packet_text(packet: bytes) -> str:
    """What a device said, without the zeros behind it: text where it is some, else hexadecimal digits."""
    data = packet.rstrip(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.hex(" ")
    return text if text.isprintable() else data.hex(" ")


def _median(reports, name):
    values = [getattr(report, name) for report in reports]
    values = [value for value in values if isfinite(value)]
    return float(np.median(values)) if values else nan


def _slot_period(reports):
    first, last = reports[0], reports[-1]
    slots = last.frame_id - first.frame_id
    seconds = last.rx_time[0] - first.rx_time[0] + last.rx_time[1] - first.rx_time[1]
    return seconds / slots if slots else nan


def _share(part, total):
    return f"{part:,} ({100 * part / total:.3g} %)" if total else f"{part:,}"


def _number(value, form):
    return form.format(value) if isfinite(value) else _UNKNOWN


def _time(seconds):
    if not (isfinite(seconds) and seconds >= 0):
        return _UNKNOWN
    scale, unit = (1e6, "µs") if seconds < 1e-3 else (1e3, "ms") if seconds < 1 else (1, "s")
    return f"{seconds * scale:.3g} {unit}"
