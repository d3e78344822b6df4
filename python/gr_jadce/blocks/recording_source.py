# SPDX-License-Identifier: GPL-3.0-or-later
"""A SigMF recording, replayed with the tags that UHD gives."""

from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from ..checks import check_integer
from ..files import PathLike
from ..recordings.forms.opening import open_recording, open_untimed
from ..recordings.segments import Segment
from ..recordings.times import time_after
from .recording_sink import MAX_STREAMS
from .support.lifetime import keep_alive


class recording_source(gr.sync_block):
    """Replay a recording as one complex stream per antenna, then end.

    The first sample of every segment carries the tags `rx_time` (seconds, fraction), `rx_rate`
    and, if recorded, `rx_freq`, on all outputs, as `uhd.usrp_source` gives them. Samples are
    read from disk as they are needed. What is uncertain about their times is logged when it starts; if the
    file is cut short meanwhile, or the disk fails, the replay ends and `error` says why.

    Parameters
    ----------
    path : path
        ``NAME.sigmf-meta``, an archive, ``NAME.sigmf``, a collection of one recording an antenna,
        ``NAME.sigmf-collection``, or a file without metadata.
    n_antennas : int
        M, the number of outputs; 0 takes it from the recording.
    raw : {"", "cf32", "ci16", "npy"}
        What a file without metadata holds: raw samples, or a NumPy array (n, M). It begins at device time 0.
    rate : float
        Samples per second of a file without metadata.

    Raises
    ------
    ValueError
        If the recording is not usable or has another number of antennas.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: PathLike, n_antennas: int = 0, *, raw: str = "", rate: float = 1.0) -> None:
        n_antennas = check_integer("n_antennas", n_antennas, 0, MAX_STREAMS)
        self._recording = (
            open_untimed(path, raw, n_antennas=n_antennas or 1, sample_rate=rate)
            if raw
            else open_recording(path)
        )
        if n_antennas not in (0, self._recording.n_antennas):
            raise ValueError(
                f"n_antennas: expected {self._recording.n_antennas} as recorded, got {n_antennas}"
            )
        check_integer(f"{path}: antennas to replay", self._recording.n_antennas, 1, MAX_STREAMS)
        ports = [np.complex64] * self._recording.n_antennas
        gr.sync_block.__init__(self, "JADCE recording source", in_sig=None, out_sig=ports)
        self._position = 0
        self._segments_ahead: list[Segment] = []
        self._error = ""
        keep_alive(self)

    def sample_rate(self) -> float:
        """Samples per second, as recorded."""
        return self._recording.sample_rate

    def n_antennas(self) -> int:
        """M, as recorded."""
        return self._recording.n_antennas

    def n_samples(self) -> int:
        """Samples of each antenna in the recording."""
        return self._recording.n_samples

    def error(self) -> str:
        """What has ended the replay before the recording; empty if nothing."""
        return self._error

    def start(self) -> bool:
        """Go on after an interruption, from the first sample after the end."""
        for note in self._recording.notes:
            self.logger.warn(f"{self._recording.path}: {note}")
        if self._position == self._recording.n_samples:
            self._position = 0
        self._segments_ahead = [self._rest(s) for s in self._recording.segments if s.stop > self._position]
        return True

    def work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Give the next samples, and the tags of the segments that start in them."""
        stop = min(self._position + len(output_items[0]), self._recording.n_samples)
        block = self._read(stop)
        if not len(block):
            return -1
        for antenna, output in enumerate(output_items):
            output[: len(block)] = block[:, antenna]
        self._tag_segments(stop)
        self._position = stop
        return len(block)

    def _read(self, stop):
        """Samples up to `stop`; none if they cannot be read."""
        try:
            return self._recording.read(self._position, stop)
        except (ValueError, OSError) as error:
            self._error = str(error)
            self.logger.error(f"the replay has ended after {self._position} samples: {error}")
            return ()

    def _rest(self, segment: Segment) -> Segment:
        """The part of a segment that is still to be replayed."""
        done = max(self._position - segment.start, 0)
        rx_time = time_after(segment.rx_time, done, self._recording.sample_rate)
        return segment._replace(start=segment.start + done, rx_time=rx_time)

    def _tag_segments(self, stop: int) -> None:
        while self._segments_ahead and self._segments_ahead[0].start < stop:
            segment = self._segments_ahead.pop(0)
            offset = self.nitems_written(0) + segment.start - self._position
            for key, value in self._tags(segment).items():
                for port in range(self._recording.n_antennas):
                    self.add_item_tag(port, offset, pmt.intern(key), value, pmt.intern(self.alias()))

    def _tags(self, segment: Segment) -> dict[str, Any]:
        seconds, fraction = segment.rx_time
        tags = {
            "rx_time": pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction)),
            "rx_rate": pmt.from_double(self._recording.sample_rate),
        }
        if segment.frequency is not None:
            tags["rx_freq"] = pmt.from_double(segment.frequency)
        return tags
