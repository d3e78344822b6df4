# SPDX-License-Identifier: GPL-3.0-or-later
"""A SigMF recording, replayed with the tags that UHD gives."""

import numpy as np
import pmt
from gnuradio import gr

from ..recordings.reader import read_recording, time_after
from .support.lifetime import keep_alive


class recording_source(gr.sync_block):
    """Replay a recording as one complex stream per antenna, then end.

    The first sample of every segment carries the tags `rx_time` (seconds, fraction), `rx_rate`
    and, if recorded, `rx_freq`, on all outputs, as `uhd.usrp_source` gives them. Samples are
    read from disk as they are needed.

    Parameters
    ----------
    path : path
        ``NAME.sigmf-meta``.
    n_antennas : int
        M, the number of outputs; 0 takes it from the recording.

    Raises
    ------
    ValueError
        If the recording is not usable or has another number of antennas.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path, n_antennas=0):
        self._recording = read_recording(path)
        if n_antennas not in (0, self._recording.n_antennas):
            raise ValueError(
                f"n_antennas: expected {self._recording.n_antennas} as recorded, got {n_antennas}"
            )
        ports = [np.complex64] * self._recording.n_antennas
        gr.sync_block.__init__(self, "JADCE recording source", in_sig=None, out_sig=ports)
        self._position = 0
        self._segments_ahead = []
        keep_alive(self)

    def sample_rate(self):
        """Samples per second, as recorded."""
        return self._recording.sample_rate

    def n_antennas(self):
        """M, as recorded."""
        return self._recording.n_antennas

    def n_samples(self):
        """Samples of each antenna in the recording."""
        return self._recording.n_samples

    def start(self):
        """Go on after an interruption, from the first sample after the end."""
        if self._position == self._recording.n_samples:
            self._position = 0
        self._segments_ahead = [self._rest(s) for s in self._recording.segments if s.stop > self._position]
        return True

    def work(self, input_items, output_items):
        stop = min(self._position + len(output_items[0]), self._recording.n_samples)
        block = self._recording.read(self._position, stop)
        if not len(block):
            return -1
        for antenna, output in enumerate(output_items):
            output[: len(block)] = block[:, antenna]
        self._tag_segments(stop)
        self._position = stop
        return len(block)

    def _rest(self, segment):
        """The part of a segment that is still to be replayed."""
        done = max(self._position - segment.start, 0)
        rx_time = time_after(segment.rx_time, done, self._recording.sample_rate)
        return segment._replace(start=segment.start + done, rx_time=rx_time)

    def _tag_segments(self, stop):
        while self._segments_ahead and self._segments_ahead[0].start < stop:
            segment = self._segments_ahead.pop(0)
            offset = self.nitems_written(0) + segment.start - self._position
            for key, value in self._tags(segment).items():
                for port in range(self._recording.n_antennas):
                    self.add_item_tag(port, offset, pmt.intern(key), value, pmt.intern(self.alias()))

    def _tags(self, segment):
        seconds, fraction = segment.rx_time
        tags = {
            "rx_time": pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction)),
            "rx_rate": pmt.from_double(self._recording.sample_rate),
        }
        if segment.frequency is not None:
            tags["rx_freq"] = pmt.from_double(segment.frequency)
        return tags
