# SPDX-License-Identifier: GPL-3.0-or-later
"""Antenna streams to a SigMF recording, beside a receiver and without disturbing it."""

from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from ..checks import check_integer, check_number, check_positive
from ..files import PathLike
from ..recordings.background_writer import BackgroundWriter
from ..recordings.times import check_time
from ..recordings.writer import RecordingWriter
from ..slots.clock import SampleClock
from .support.antenna_times import AntennaTimes
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog
from .support.tags import gather_tags, read_time

MAX_STREAMS = 1024  # of a block: GNU Radio takes minutes to start many more


class recording_sink(gr.sync_block):
    """Record M complex streams, with device time, to SigMF files.

    The tags `rx_time`, `rx_rate` and `rx_freq` on input 0, as `uhd.usrp_source` makes them, give
    the time, the rate and the frequency of the recording; a new segment starts wherever time or
    frequency jumps. Replayed by `recording_source`, a receiver decides as it did live.

    The samples are recorded side by side as they come. Where the tags of another input do not agree with
    those of input 0, so that these samples are not of one instant, it is logged, counted by `misaligned`,
    and said again where the recording is replayed.

    Samples are taken at once and written in a thread, so that neither a slow nor a full disk holds
    up the flowgraph. With a slow one, stretches are dropped once `buffer_mb` wait: the recording
    has gaps there, in device time, as after an overflow of the radio. When the disk is full, on
    any other error of it, and when the sample rate changes, the recording ends, is closed as valid
    up to there, and the flowgraph goes on without; this is logged once. In the end,
    taken = written + dropped. A recording cut short by a crash can be read as well.

    Parameters
    ----------
    path : path
        ``NAME`` or ``NAME.sigmf-meta``; both files are replaced when the block is made.
    n_antennas : int
        M, the number of inputs.
    rate : float
        Samples a second, if no ``rx_rate`` tag gives another before the first sample.
    frequency : float
        Centre frequency in Hz, until an ``rx_freq`` tag gives another; 0 if unknown.
    datatype : "cf32_le" or "ci16_le"
        Floats as they are, or half the size: integers of 32768 times the sample, clipped to
        full scale (see `clipped`).
    buffer_mb : float
        Megabytes of samples (8 bytes each) that may wait for the disk.
    description : str
        Stored in the recording.

    Raises
    ------
    ValueError
        If an argument is out of range.
    OSError
        If the files cannot be written.
    """

    def __init__(
        self,
        path: PathLike,
        n_antennas: int = 1,
        rate: float = 1e6,
        *,
        frequency: float = 0.0,
        datatype: str = "cf32_le",
        buffer_mb: float = 256.0,
        description: str = "",
    ) -> None:
        buffer_mb = check_positive("buffer_mb", buffer_mb)
        n_antennas = check_integer("n_antennas", n_antennas, 1, MAX_STREAMS)
        self._recording = RecordingWriter(
            path, n_antennas, rate, frequency=frequency or None, datatype=datatype, description=description
        )
        self._recording.close()  # until the flowgraph starts
        self._writer = BackgroundWriter(self._recording, 1e6 * buffer_mb, self._say_it_ended)
        self._times, self._complaint = AntennaTimes(n_antennas, self._recording.sample_rate), ""
        ports = [np.complex64] * n_antennas
        gr.sync_block.__init__(self, "JADCE recording sink", in_sig=ports, out_sig=None)
        self._log = LimitedLog(self.logger)
        keep_alive(self)

    def taken(self) -> int:
        """Samples of each antenna taken so far."""
        return self._writer.taken

    def written(self) -> int:
        """Samples of each antenna in the recording."""
        return self._writer.written

    def dropped(self) -> int:
        """Samples of each antenna dropped, because the disk was too slow, full, or failed."""
        return self._writer.dropped

    def dropped_stretches(self) -> int:
        """Stretches dropped because they could not be written in time."""
        return self._writer.gaps

    def drop_cause(self) -> str:
        """Why samples were dropped; empty if none were."""
        return "" if not self._writer.dropped else self.error() or self._writer.bottleneck

    def misaligned(self) -> int:
        """Samples recorded while an input's tags said that it was out of step with input 0."""
        return self._times.misaligned

    def clipped(self) -> int:
        """Samples of any antenna that did not fit ci16_le."""
        return self._recording.clipped

    def error(self) -> str:
        """What has ended the recording before the flowgraph; empty if nothing."""
        return "" if self._writer.error is None else str(self._writer.error)

    def start(self) -> bool:
        """Record, or go on with the recording of an earlier run."""
        self._times.restart()
        self._writer.open()
        return True

    def stop(self) -> bool:
        """Write what waits, for some seconds at most, and finish the recording."""
        dropped, self._recording.misaligned = self._writer.dropped, self.misaligned()
        self._writer.close()
        if self._writer.dropped > dropped and not self.error():
            lost = self._writer.dropped - dropped
            self._log.warn(f"{self._writer.bottleneck}: the last {lost} samples are dropped")
        if self.misaligned():
            self.logger.warn(
                f"{self.misaligned()} samples of antennas out of step were recorded as they came"
            )
        return True

    def work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Copy all samples, with what the tags say of them."""
        samples = np.stack(input_items, axis=1)
        tags: list[dict[int, dict[str, Any]]] = [
            self._tags(port, len(samples)) for port in range(len(input_items))
        ]
        self._compare(len(samples), tags)
        first = 0
        values: dict[str, Any] = {}
        for index, later in [*sorted(tags[0].items()), (len(samples), {})]:
            if index > first:
                self._push(samples[first:index], values)
            first, values = index, later
        return len(samples)

    def _push(self, samples, tags):
        gaps = self._writer.gaps
        self._writer.push(samples, **tags)
        if self._writer.gaps > gaps:
            self._log.warn(f"{self._writer.bottleneck}: samples are dropped from the recording")

    def _compare(self, count, tags):
        """Log each new way in which the inputs do not belong together."""
        start = self.nitems_read(0)
        complaint = self._times.update(start, start + count, tags)
        if complaint and complaint != self._complaint:
            self.logger.warn(f"{complaint}: these samples are recorded as they come")
        self._complaint = complaint

    def _tags(self, port, count):
        """{index: {name: value}} of the tags on the next `count` samples of an input."""
        gathered = gather_tags(self, count, port)
        read = {index: self._read(tags, port) for index, tags in gathered.items()}
        return {index: values for index, values in read.items() if values}

    def _read(self, tags, port):
        values = {}
        for key in _TAGS.keys() & tags.keys():
            name, read = _TAGS[key]
            try:
                values[name] = read(tags[key])
            except Exception as error:
                self._log.warn(f"ignoring a malformed tag {key} of input {port}: {error}")
        return values

    def _say_it_ended(self, error):
        self.logger.error(f"the recording has ended after {self.written()} samples: {error}")


def _time(value):
    return check_time("rx_time", *read_time(value))


def _rate(value):
    SampleClock(pmt.to_double(value))
    return pmt.to_double(value)


# What UHD's tags are called in `BackgroundWriter.push`, and how they are read.
_TAGS: dict[Any, Any] = {
    "rx_time": ("rx_time", _time),
    "rx_rate": ("sample_rate", _rate),
    "rx_freq": ("frequency", lambda value: check_number("rx_freq", pmt.to_double(value))),
}
