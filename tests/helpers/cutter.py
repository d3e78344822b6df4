# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples that tell where they are, and a framer fed with them."""

import numpy as np

from gr_jadce.slots.timeline import FrameTimeline

RATE = 1_000_000


def streams_at(positions, n_antennas=1):
    """Samples that tell their own device position (real part) and antenna (imaginary part)."""
    return [(np.asarray(positions) + 1j * antenna).astype(np.complex64) for antenna in range(n_antennas)]


class Cutter:
    """Feeds a framer pieces of any size and keeps every frame with its number and time."""

    def __init__(self, framer, chunk=10**9, room=10**6):
        self.framer, self.chunk, self.room = framer, chunk, room
        self.timeline = FrameTimeline()
        self.frames = {}
        self.times = {}
        self.order = []

    def feed(self, streams):
        """All samples of a stretch without events."""
        while len(streams[0]):
            used = self._push([stream[: self.chunk] for stream in streams])
            streams = [stream[used:] for stream in streams]

    def _push(self, streams):
        shape = (self.room, self.framer.pilot_length, self.framer.n_antennas)
        out = (
            np.full(shape, np.nan, np.complex64)
            if self.room < 100
            else np.empty((100, *shape[1:]), np.complex64)
        )
        used, made, stamps = self.framer.push(streams, out)
        assert used or made
        stamps = {stamp.place: stamp for stamp in stamps}
        for index in range(made):
            if index in stamps:
                stamp, rate = stamps[index], self.framer.clock.rate
                self.timeline.tell(
                    frame_id=stamp.frame_id,
                    rx_time=stamp.rx_time,
                    slot_period=self.framer.slot_period,
                    rate=float(rate),
                    totals=stamp.totals,
                )
            [(frame_id, rx_time)] = self.timeline.pop(1)
            self.order.append(frame_id)
            self.frames[frame_id] = out[index].copy()
            self.times[frame_id] = rx_time
        return used


def frame_at(start, pilot_length, n_antennas):
    """The frame of samples from `start` on."""
    rows = np.arange(start, start + pilot_length)[:, None] + 1j * np.arange(n_antennas)
    return rows.astype(np.complex64)
