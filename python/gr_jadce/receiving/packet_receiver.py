# SPDX-License-Identifier: GPL-3.0-or-later
"""From frames with packets behind the pilots to reports: who is active, and what was said."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detection.asynchrony import Delayed
from ..detection.rows import Rows
from ..payload.format import CRC_BITS, PayloadFormat, n_chips_of
from ..payload.packet import Packet
from ..payload.receiver import PayloadReceiver, Reception
from .frame_receiver import FrameReceiver

_SCORE = float(CRC_BITS * np.log10(2))  # of a device whose check sum holds: by chance, it does so seldom
_IN_STEP_OFFSET = 1e-5  # cycles a symbol by which the carriers of devices in step may be off: 10 Hz of 1 MHz


@dataclass(frozen=True)
class PacketReceiver(FrameReceiver):
    """A `FrameReceiver` that decodes, too, what the active devices sent behind their pilots.

    Frames (B, L + n_chips, M) are longer by the chips of a packet. The channels of devices in step whose
    packet was decoded are those that pilot and packet tell together. Devices that the decision missed and
    whose packets were decoded are reported as well; their score is that of a check sum.

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
            return PayloadReceiver(self.pilots, self.payload, max_offset=_IN_STEP_OFFSET)
        out_of_step = self.delayed.asynchrony
        max_offset = max(out_of_step.max_offset, _IN_STEP_OFFSET)
        return PayloadReceiver(
            self.pilots, self.payload, roll_off=out_of_step.roll_off, max_offset=max_offset
        )


def with_packets(rows: Rows, receptions: list[Reception]) -> Rows:
    """Rows with the packets of each device, and better channels of those in step that are decoded.

    Devices that were found by their packets, after others had been subtracted, have rows of their own.
    """
    packets: list[Packet] = []
    channel = rows.channel.copy()
    for frame, reception in enumerate(receptions):
        start, end = rows.start[frame : frame + 2]
        packets += reception.packets[: end - start]
        if rows.delay is None:
            is_decoded = [packet.crc_ok for packet in packets[start:end]]
            channel[start:end][is_decoded] = reception.channel[: end - start][is_decoded]
    return _with_later(rows._replace(packets=packets, channel=channel), receptions)


def _with_later(rows: Rows, receptions: list[Reception]) -> Rows:
    """Rows of devices found later as well, whose check sums hold."""
    later = [
        (frame, reception, k)
        for frame, reception in enumerate(receptions)
        for k in np.flatnonzero(reception.later)
        if reception.packets[k].crc_ok
    ]
    if not later:
        return rows
    frame = np.concatenate([rows.frame, [frame for frame, _, _ in later]])
    device = np.concatenate([rows.device, [own.device[k] for _, own, k in later]])
    order = np.lexsort((device, frame))
    fields: dict[str, Any] = {"device": device, "score": np.append(rows.score, [_SCORE] * len(later))}
    for name in ("channel", "delay", "carrier_offset"):
        values = getattr(rows, name)
        if values is not None:
            fields[name] = np.concatenate([values, [getattr(own, name)[k] for _, own, k in later]])
    fields = {name: values[order].astype(getattr(rows, name).dtype) for name, values in fields.items()}
    packets = [*(rows.packets or ()), *(own.packets[k] for _, own, k in later)]
    start = np.searchsorted(frame[order], np.arange(len(rows.start)))
    fields |= _taps(rows, later, order)
    return rows._replace(start=start, packets=[packets[i] for i in order], **fields)


def _taps(rows: Rows, later: list[tuple[int, Reception, int]], order: NDArray) -> dict[str, NDArray]:
    """The paths of rows and of devices found later, of which one is known, in this order."""
    if rows.tap_start is None or rows.tap_delay is None or rows.tap_gain is None:
        return {}
    counts = np.append(np.diff(rows.tap_start), np.ones(len(later), int))
    first = np.cumsum(counts) - counts
    place = np.concatenate([np.arange(first[i], first[i] + counts[i]) for i in order])
    delay = np.append(rows.tap_delay, [own.delay[k] for _, own, k in later])
    gain = np.concatenate([rows.tap_gain, [own.channel[k] for _, own, k in later]])
    tap_start = np.concatenate([[0], np.cumsum(counts[order])])
    return {"tap_start": tap_start, "tap_delay": delay[place], "tap_gain": gain[place]}
