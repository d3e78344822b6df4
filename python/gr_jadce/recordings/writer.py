# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes multi-antenna SigMF recordings while samples arrive, so that they can be read at any moment."""

import hashlib
import os
from fractions import Fraction
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import check_choice, check_integer, check_number, check_positive
from ..files import PathLike
from ..slots.clock import SampleClock
from .fields import EXTENSION, FULL_SCALE, PART, recording_paths
from .metadata import Journal, meta_text, write_meta
from .times import check_time, to_datetime

_SIGMF_VERSION = "1.0.0"
_MIN_ROOM_BYTES = 1 << 20  # of samples given up where a full disk has no room for the metadata


class RecordingWriter:
    """Write a recording block by block; a context manager.

    The metadata is on disk from the start, and each further segment is in ``NAME.sigmf-journal`` before
    its first sample, so that a recording that was cut short, even by a crash of the process, can be read.
    A segment costs one line there, however many there are.

    Parameters
    ----------
    path : path
        ``NAME`` or ``NAME.sigmf-meta``; both files are replaced if they exist.
    n_antennas : int
        M interleaved channels.
    sample_rate : float
        Samples per second and antenna.
    frequency : float, optional
        Centre frequency in Hz.
    datatype : {"cf32_le", "ci16_le"}
        ci16 stores round(32768 x) and clips: see `clipped`.
    description : str
    checksum : bool
        Add `core:sha512` of the data.

    Attributes
    ----------
    n_samples : int
        Written so far, for each antenna.
    n_segments : int
        So far.
    clipped : int
        Samples of any antenna that did not fit ci16: stored as full scale, NaN as 0.
    misaligned : int
        Samples of antennas out of step with each other, as the caller has counted them; stored for readers.
    disk_time_s : float
        Seconds spent waiting for the disk to take samples.
    """

    def __init__(
        self,
        path: PathLike,
        n_antennas: int,
        sample_rate: float,
        *,
        frequency: float | None = None,
        datatype: str = "cf32_le",
        description: str = "",
        checksum: bool = False,
    ) -> None:
        self.n_antennas = check_integer("n_antennas", n_antennas, 1)
        self.datatype = check_choice("datatype", datatype, PART)
        self.sample_rate = check_positive("sample_rate", sample_rate)
        self._clock = SampleClock(self.sample_rate)
        self.frequency = None if frequency is None else check_number("frequency", frequency)
        self.n_samples = self.clipped = self.misaligned = 0
        self.disk_time_s = 0.0
        self._description = description
        self._hash = hashlib.sha512() if checksum else None
        self._captures: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._expected: int | Fraction = 0
        self._gap = True
        self._sample_size = 2 * PART[datatype].itemsize * self.n_antennas
        self._meta_path, self._data_path = recording_paths(path)
        self._open("wb")

    @property
    def n_segments(self) -> int:
        """Capture segments so far."""
        return len(self._captures)

    def write(
        self,
        samples: ArrayLike,
        rx_time: tuple[int, float] | None = None,
        *,
        frequency: float | None = None,
        sample_rate: float | None = None,
    ) -> None:
        """Append samples of all antennas.

        Parameters
        ----------
        samples : (n, M) complex array
        rx_time : (int, float), optional
            Device time of the first of them, in seconds and fraction. Half a sample or more
            away from the time expected, it starts a new segment. Default: no gap.
        frequency : float, optional
            Centre frequency from here on; another one starts a new segment.
        sample_rate : float, optional
            Samples per second; another one is possible before the first sample only.

        Raises
        ------
        ValueError
            If the shape, the time, the frequency or the rate is wrong; nothing has been written.
        OSError
            If not all could be written; `close` finishes the recording at the last whole sample.
        """
        samples = np.asarray(samples)
        if samples.ndim != 2 or samples.shape[1] != self.n_antennas:
            raise ValueError(f"samples: expected shape (n, {self.n_antennas}), got {samples.shape}")
        if rx_time is not None:
            check_time("rx_time", *rx_time)
        if sample_rate is not None:
            self._set_rate(sample_rate)
        if len(samples):
            if self._starts_segment(rx_time, frequency):
                self._start_segment(rx_time, frequency)
            self._append(self._encode(samples))

    def skip(
        self,
        n_samples: int,
        rx_time: tuple[int, float] | None = None,
        *,
        frequency: float | None = None,
        sample_rate: float | None = None,
    ) -> None:
        """Leave out samples: those written next start a segment, with the device time they have.

        Time, frequency and rate of the first of them are as in `write`.
        """
        if sample_rate is not None:
            self._set_rate(sample_rate)
        if rx_time is not None:
            self._expected = self._clock.position(*check_time("rx_time", *rx_time))
        if frequency is not None:
            self.frequency = check_number("frequency", frequency)
        self._expected += int(n_samples)
        self._gap = True

    def annotate(self, sample_start: int, sample_count: int, label: str = "", **fields: Any) -> None:
        """Annotate a range of samples; further `fields` are stored as ``jadce:<name>``."""
        entry: dict[str, Any] = {"core:sample_start": int(sample_start)}
        entry["core:sample_count"] = int(sample_count)
        if label:
            entry["core:label"] = label
        self._annotations.append(entry | {f"jadce:{name}": value for name, value in fields.items()})

    def close(self) -> None:
        """Finish both files, also after an error of `write`; the recording is complete only then.

        Where the disk has no room for the metadata, the last samples make room: 1 MiB of them, or more
        if the metadata of many segments are larger.

        Raises
        ------
        OSError
            If the metadata could not be written even so; what is there can be read all the same.
        """
        if self._data.closed:
            return
        try:
            self._cut(self.n_samples)
            self._finish()
        finally:
            self._data.close()
            self._journal.close()

    def reopen(self) -> None:
        """Go on with a recording that was closed."""
        if self._data.closed:
            self._open("ab")

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _open(self, mode):
        self._data = open(self._data_path, mode, buffering=0)
        self._journal = Journal(self._meta_path)
        write_meta(self._meta_path, self._meta(finished=False))

    def _finish(self):
        try:
            write_meta(self._meta_path, self._meta(finished=True))
        except OSError:
            room = max(_MIN_ROOM_BYTES, len(meta_text(self._meta(finished=True))))
            self._cut(self.n_samples - room // self._sample_size)
            write_meta(self._meta_path, self._meta(finished=True))
        self._journal.remove()

    def _set_rate(self, sample_rate):
        sample_rate = check_positive("sample_rate", sample_rate)
        if sample_rate == self.sample_rate:
            return
        if self.n_samples:
            raise ValueError(f"sample_rate: expected {self.sample_rate}, as before, got {sample_rate}")
        self._clock, self.sample_rate = SampleClock(sample_rate), sample_rate

    def _encode(self, samples):
        parts = np.ascontiguousarray(samples, dtype=np.complex64).view(np.float32)
        if self.datatype == "ci16_le":
            parts = np.rint(parts * np.float32(FULL_SCALE))
            fitting = np.clip(np.nan_to_num(parts, nan=0.0), -FULL_SCALE, FULL_SCALE - 1)
            outside = (fitting != parts).reshape(len(samples), self.n_antennas, 2)
            self.clipped += int(outside.any(axis=2).sum())
            parts = fitting
        return memoryview(parts.astype(PART[self.datatype], copy=False)).cast("B")

    def _append(self, data):
        done, began = 0, monotonic()
        try:
            while done < len(data):
                done += self._data.write(data[done:])
        finally:
            self.disk_time_s += monotonic() - began
            count = done // self._sample_size
            self.n_samples += count
            self._expected += count
            if self._hash:
                self._hash.update(data[: count * self._sample_size])

    def _starts_segment(self, rx_time, frequency):
        if self._gap or (frequency is not None and frequency != self.frequency):
            return True
        return rx_time is not None and 2 * abs(self._clock.position(*rx_time) - self._expected) >= 1

    def _start_segment(self, rx_time, frequency):
        seconds, fraction = check_time("rx_time", *(rx_time or self._clock.time(self._expected)))
        if frequency is not None:
            self.frequency = check_number("frequency", frequency)
        capture = {"core:sample_start": self.n_samples, "core:datetime": to_datetime(seconds, fraction)}
        capture["jadce:rx_time"] = {"seconds": seconds, "fraction": fraction}
        if self.frequency is not None:
            capture["core:frequency"] = self.frequency
        self._note_segment(capture)
        self._expected, self._gap = self._clock.position(seconds, fraction), False

    def _note_segment(self, capture):
        """Put a segment on disk: the first in the metadata, for any program, others in the journal."""
        self._captures.append(capture)
        if len(self._captures) == 1:
            write_meta(self._meta_path, self._meta(finished=False))
        else:
            self._journal.append(capture)

    def _cut(self, n_samples):
        """Keep as many samples, and the segments that have any."""
        n_samples = max(n_samples, 0)
        if n_samples < self.n_samples:
            self._hash, self._gap = None, True
        self.n_samples = n_samples
        self._captures = [entry for entry in self._captures if entry["core:sample_start"] < n_samples]
        if os.fstat(self._data.fileno()).st_size > n_samples * self._sample_size:
            self._data.truncate(n_samples * self._sample_size)

    def _meta(self, finished):
        annotations = sorted(self._annotations, key=lambda entry: entry["core:sample_start"])
        return {"global": self._global(finished), "captures": self._captures, "annotations": annotations}

    def _global(self, finished):
        fields = {
            "core:datatype": self.datatype,
            "core:sample_rate": self.sample_rate,
            "core:num_channels": self.n_antennas,
            "core:version": _SIGMF_VERSION,
            "core:recorder": "gr-jadce",
            "core:description": self._description,
            "core:extensions": [EXTENSION],
            "jadce:finished": finished,
        }
        if not finished:
            return fields | {"jadce:journal": True}
        fields["jadce:sample_count"] = self.n_samples
        if self.misaligned:
            fields["jadce:misaligned"] = self.misaligned
        if self._hash:
            fields["core:sha512"] = self._hash.hexdigest()
        return fields
