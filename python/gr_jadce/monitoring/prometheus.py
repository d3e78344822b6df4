# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor knows as numbers for Prometheus, in its text form.

Needs `prometheus_client`.
"""

from collections.abc import Iterator
from math import inf, isnan
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from .antennas import AntennaLevels
from .monitor import Monitor, Snapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST
_FRAMES_OF_LEVELS = 64  # of which levels are the mean
_STATUS = {
    "frames_in": "Frames taken.",
    "frames_solved": "Frames solved.",
    "frames_dropped": "Frames dropped, because more came than could be solved.",
    "frames_bad": "Frames with NaN or Inf, not solved.",
    "slots_lost": "Slots lost to gaps in the samples.",
    "gaps": "Gaps in the samples.",
}
_COUNTS = {
    "frames_clipped": "Frames with a sample at the clip level.",
    "frames_scored": "Frames whose truth is known.",
    "detections": "Devices found.",
    "active": "Devices that were active, in frames whose truth is known.",
    "missed": "Of these, devices not found.",
    "inactive": "Devices that were not active, in frames whose truth is known.",
    "false_alarms": "Of these, devices found.",
}


def exposition(monitor: Monitor) -> bytes:
    """The figures of a monitor in Prometheus's text form."""
    registry = CollectorRegistry()
    registry.register(_Collector(monitor.snapshot()))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> list[Metric]:
        return []  # each is made for one text

    def collect(self) -> Iterator[Metric]:
        status = self._snapshot.status()
        for name, meaning in _STATUS.items():
            yield CounterMetricFamily(f"jadce_{name}", meaning, value=status[name])
        for name, meaning in _COUNTS.items():
            yield CounterMetricFamily(f"jadce_{name}", meaning, value=getattr(self._snapshot.counts, name))
        yield self._solve_times()
        figures = self._snapshot.figures()
        if figures is not None:
            yield from _gauges(figures, self._snapshot.reports[-1])
            yield from _levels(AntennaLevels.of(self._snapshot.reports[-_FRAMES_OF_LEVELS:]))

    def _solve_times(self):
        times = self._snapshot.solve_times
        buckets = [("+Inf" if edge == inf else f"{edge:g}", count) for edge, count in times.cumulated()]
        return HistogramMetricFamily(
            "jadce_solve_time_seconds", "Seconds spent on a frame.", buckets=buckets, sum_value=times.total
        )


def _gauges(figures: Any, newest: Any) -> Iterator[Metric]:
    """Those of the newest frame, and medians over the last ones; what is not known is left out."""
    values = {
        "active_devices": (len(newest.device), "Devices found in the newest frame."),
        "devices": (figures.n_devices, "Devices in the pilot book."),
        "antennas": (figures.n_antennas, "Antennas."),
        "noise_variance": (figures.noise_var, "Noise variance of a sample, median of the last frames."),
        "snr_db": (figures.snr_db, "SNR of a frame in dB, median of the last frames."),
        "slot_period_seconds": (figures.slot_period, "Seconds from slot to slot."),
    }
    for name, (value, meaning) in values.items():
        if not isnan(value):
            yield GaugeMetricFamily(f"jadce_{name}", meaning, value=value)


def _levels(levels: AntennaLevels) -> Iterator[Metric]:
    values = {
        "noise_variance": (levels.noise_var, "Noise variance of a sample, mean of the last frames."),
        "signal_power": (levels.signal_power, "Power of the devices found, mean of the last frames."),
        "dead": (levels.is_dead.astype(float), "1 if there is no signal at all."),
    }
    for name, (of_antennas, meaning) in values.items():
        family = GaugeMetricFamily(f"jadce_antenna_{name}", meaning, labels=["antenna"])
        for antenna, value in enumerate(of_antennas.tolist()):
            if not isnan(value):
                family.add_metric([str(antenna)], value)
        yield family
