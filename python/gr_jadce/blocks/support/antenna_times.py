# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the streams of several antennas belong together, by the tags that each of them carries."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...slots.clock import SampleClock

_NAMES = {"sample_rate": "rx_rate", "frequency": "rx_freq"}


class AntennaTimes:
    """Compare the time, rate and frequency tags of all inputs with those of the first.

    Parameters
    ----------
    n_inputs : int
    rate : float
        Samples a second, until input 0 says another.

    Attributes
    ----------
    misaligned : int
        Samples so far of which some input's device time is not that of input 0.
    """

    def __init__(self, n_inputs: int, rate: float) -> None:
        self.misaligned = 0
        self._clock, self._n_inputs = SampleClock(rate), n_inputs
        self.restart()

    def restart(self) -> None:
        """Forget the tags, but not the count: a flowgraph is started again, and its samples count from 0."""
        self._origins: list[Any] = [None] * self._n_inputs  # device time of sample 0, in samples
        self._values: dict[str, list[Any]] = {name: [None] * self._n_inputs for name in _NAMES}

    def update(self, start: int, stop: int, tags: Sequence[Mapping[int, Mapping[str, Any]]]) -> str:
        """Follow the tags {index: {name: value}} of each input on samples `start` to `stop - 1`.

        Returns a complaint about the last of them; empty if there is nothing to complain about.
        """
        edges = sorted({start, stop, *(start + index for port in tags for index in port)})
        complaint = ""
        for first, last in pairwise(edges):
            for port, own in enumerate(tags):
                self._apply(port, first, own.get(first - start, {}))
            complaint = self._disagreement()
            self.misaligned += (last - first) * bool(complaint)
            complaint = complaint or self._difference()
        return complaint

    def _apply(self, port, sample, tags):
        for name, values in self._values.items():
            values[port] = tags.get(name, values[port])
        if port == 0 and "sample_rate" in tags:
            self._clock = SampleClock(tags["sample_rate"])
        if "rx_time" in tags:
            self._origins[port] = self._clock.position(*tags["rx_time"]) - sample

    def _disagreement(self):
        """Which input's time is not that of input 0."""
        first = self._origins[0]
        for port, origin in enumerate(self._origins):
            if origin is not None and first is None:
                return f"input {port} carries rx_time, but input 0, whose tags are recorded, does not"
            if origin is not None and 2 * abs(origin - first) >= 1:
                late = f"{float(abs(origin - first)):g} samples {'late' if origin < first else 'early'}"
                return f"input {port} is {late} against input 0, by their rx_time"
        return ""

    def _difference(self):
        """Which input's rate or frequency is not that of input 0."""
        for name, (first, *others) in self._values.items():
            for port, value in enumerate(others, 1):
                if value is not None and value != first:
                    return f"input {port} has an {_NAMES[name]} of {value:g}, which is not that of input 0"
        return ""
