# SPDX-License-Identifier: GPL-3.0-or-later
"""Antenna streams to a SigMF recording, beside a receiver and without disturbing it."""

import numpy as np
import pmt
from gnuradio import gr

from ..recordings.background_writer import BackgroundWriter
from ..recordings.fields import check_number, check_positive, check_time
from ..recordings.writer import RecordingWriter
from ..slots.clock import SampleClock
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog
from .support.tags import gather_tags, read_time


class recording_sink(gr.sync_block):
    """Record M complex streams, with device time, to SigMF files.

    The tags `rx_time`, `rx_rate` and `rx_freq` on input 0, as `uhd.usrp_source` makes them, give
    the time, the rate and the frequency of the recording; a new segment starts wherever time or
    frequency jumps. Replayed by `recording_source`, a receiver decides as it did live.

    Samples are taken at once and written in a thread, so that neither a slow nor a full disk holds
    up the flowgraph. With a slow one, stretches are left out once `buffer_mb` wait: the recording
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
        Samples a second, if no ``rx_rate`` tag tells another before the first sample.
    frequency : float
        Centre frequency in Hz, until an ``rx_freq`` tag tells another; 0 if unknown.
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
        path,
        n_antennas=1,
        rate=1e6,
        frequency=0.0,
        datatype="cf32_le",
        buffer_mb=256.0,
        description="",
    ):
        check_positive("buffer_mb", buffer_mb)
        self._recording = RecordingWriter(path, n_antennas, rate, frequency or None, datatype, description)
        self._recording.close()  # until the flowgraph starts
        self._writer = BackgroundWriter(self._recording, 1e6 * buffer_mb, self._say_it_ended)
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
        """Samples of each antenna left out, because the disk was too slow, full, or failed."""
        return self._writer.dropped

    def dropped_stretches(self) -> int:
        """Stretches left out because the disk was too slow."""
        return self._writer.gaps

    def clipped(self) -> int:
        """Samples of any antenna that did not fit ci16_le."""
        return self._recording.clipped

    def error(self) -> str:
        """What has ended the recording before the flowgraph; empty if nothing."""
        return "" if self._writer.error is None else str(self._writer.error)

    def start(self):
        """Record, or go on with the recording of an earlier run."""
        self._writer.open()
        return True

    def stop(self):
        """Write what waits, for some seconds at most, and finish the recording."""
        dropped = self._writer.dropped
        self._writer.close()
        if self._writer.dropped > dropped and not self.error():
            self._log.warn(f"the disk was too slow for the last {self._writer.dropped - dropped} samples")
        return True

    def work(self, input_items, output_items):
        """Take a copy of all samples."""
        samples = np.stack(input_items, axis=1)
        done, told = 0, {}
        for index, tags in [*sorted(self._tags(len(samples)).items()), (len(samples), {})]:
            if index > done:
                self._put(samples[done:index], told)
            done, told = index, tags
        return len(samples)

    def _put(self, samples, told):
        gaps = self._writer.gaps
        self._writer.put(samples, **told)
        if self._writer.gaps > gaps:
            self._log.warn("the disk is too slow: samples are left out of the recording")

    def _tags(self, count):
        """{index: {name: value}} of what is told of the next `count` samples."""
        told = {index: self._read(tags) for index, tags in gather_tags(self, count).items()}
        return {index: values for index, values in told.items() if values}

    def _read(self, tags):
        told = {}
        for key in _TAGS.keys() & tags.keys():
            name, read = _TAGS[key]
            try:
                told[name] = read(tags[key])
            except Exception as error:
                self._log.warn(f"ignoring a malformed tag {key}: {error}")
        return told

    def _say_it_ended(self, error):
        self.logger.error(f"the recording has ended after {self.written()} samples: {error}")


def _time(value):
    return check_time("rx_time", *read_time(value))


def _rate(value):
    SampleClock(pmt.to_double(value))
    return pmt.to_double(value)


# What UHD's tags are called in `BackgroundWriter.put`, and how they are read.
_TAGS = {
    "rx_time": ("rx_time", _time),
    "rx_rate": ("sample_rate", _rate),
    "rx_freq": ("frequency", lambda value: check_number("rx_freq", pmt.to_double(value))),
}
