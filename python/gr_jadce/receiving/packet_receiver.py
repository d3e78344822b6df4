# SPDX-License-Identifier: GPL-3.0-or-later
"""From frames with packets behind the pilots to reports: who is active, and what was said."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detection.asynchrony import Delayed
from ..detection.rows import Rows
from ..payload.format import PayloadFormat, n_chips_of
from ..payload.packet import Packet
from ..payload.receiver import PayloadReceiver, Reception
from .frame_receiver import FrameReceiver

_IN_STEP_OFFSET = 1e-5  # cycles a symbol by which the carriers of devices in step may be off: 10 Hz of 1 MHz


@dataclass(frozen=True)
class PacketReceiver(FrameReceiver):
    """A `FrameReceiver` that decodes, too, what the active devices sent behind their pilots.

    Frames (B, L + n_chips, M) are longer by the chips of a packet. The channels of devices in step whose
    packet was decoded are those that pilot and packet tell together. Devices are those of the decision: data
    are not searched for more.

    Parameters
    ----------
    payload : PayloadFormat, optional
        Of the packets; None: there are none, and it is a `FrameReceiver`.
    """

    _: KW_ONLY
    payload: PayloadFormat | None = None

    @property
    def frame_length(self) -> int:
        """Symbols of a frame: the pilot's and, behind it, the chips of a packet."""
        return self.pilots.pilot_length + n_chips_of(self.payload)

    def _decide(self, samples: NDArray, hint: Any) -> tuple[Rows, NDArray]:
        """The rows of active devices with their packets, and the iterations that the estimator took."""
        if self.payload is None:
            return super()._decide(samples, hint)
        pilots = np.ascontiguousarray(samples[:, : self.pilots.pilot_length])
        rows, n_iter = super()._decide(pilots, hint)
        return with_packets(rows, self._decoder.receive(samples, rows)), n_iter

    @cached_property
    def _decoder(self) -> PayloadReceiver:
        if self.payload is None:
            raise ValueError("payload: expected a PayloadFormat, got None")
        if not isinstance(self.delayed, Delayed):
            return PayloadReceiver(self.pilots, self.payload, max_offset=_IN_STEP_OFFSET, max_delay=None)
        out_of_step = self.delayed.asynchrony
        max_offset = max(out_of_step.max_offset, _IN_STEP_OFFSET)
        return PayloadReceiver(
            self.pilots, self.payload, roll_off=out_of_step.roll_off, max_offset=max_offset, max_delay=None
        )


def with_packets(rows: Rows, receptions: list[Reception]) -> Rows:
    """Rows with the packets of each device, and better channels of those in step that are decoded."""
    packets: list[Packet] = []
    channel = rows.channel.copy()
    for frame, reception in enumerate(receptions):
        start, end = rows.start[frame : frame + 2]
        packets += reception.packets[: end - start]
        if rows.delay is None:
            is_decoded = [packet.crc_ok for packet in packets[start:end]]
            channel[start:end][is_decoded] = reception.channel[: end - start][is_decoded]
    return rows._replace(packets=packets, channel=channel)
