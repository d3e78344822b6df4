# SPDX-License-Identifier: GPL-3.0-or-later
"""Payloads as messages: those that devices are to send, and those that were received."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pmt

from ...payload.contents import WaitingContents, contents_of
from ...payload.format import PayloadForm, as_payload_format
from ...reports.pdus import to_pmts
from ...reports.report import Report
from .limited_log import LimitedLog

PAYLOAD = pmt.intern("payload")
_ACTIVITY, _CHANNEL = pmt.intern("activity"), pmt.intern("channel")
_DEVICE = pmt.intern("device")


class PayloadInput:
    """What a block sends for its devices, as its arguments `payload` and `packets` ask for.

    Parameters
    ----------
    form : PayloadFormat, dict, JSON or path, optional
        None: nothing is sent.
    packets : str
        "random", "counter", "messages" or a text.
    n_devices : int
    seed : int
        Of random packets.

    Attributes
    ----------
    format : PayloadFormat or None
    packets : callable or None
        Gives the packets (K, n_bytes) of a slot and its active devices (K,).
    dropped : int
        Messages so far that no device can send.
    """

    def __init__(self, form: PayloadForm | None, packets: str, n_devices: int, seed: int) -> None:
        self.format = None if form is None else as_payload_format(form)
        self.dropped = 0
        self.packets = contents_of(packets, self.format, n_devices, seed) if self.format else None
        self._log: LimitedLog | None = None

    def listen(self, block: Any, handler: Callable[[Any], None]) -> None:
        """Let a method of a block, which is to call `take`, have the messages of its port ``payload``."""
        self._log = LimitedLog(block.logger)
        block.message_port_register_in(PAYLOAD)
        block.set_msg_handler(PAYLOAD, handler)

    def take(self, message: Any) -> None:
        """Keep a PDU (meta with ``device`` . u8vector) for its device's next slot; drop any other message."""
        try:
            if not isinstance(self.packets, WaitingContents):
                raise ValueError("payload: expected a block with packets='messages'")
            self.packets.push(*_device_and_data(message))
        except Exception as error:
            self.dropped += 1
            if self._log:
                self._log.warn(f"a payload is dropped: {error}")


def publish_reports(block: Any, reports: Iterable[Report]) -> None:
    """Publish the PDUs of reports on the ports ``activity``, ``channel`` and ``payload`` of a block."""
    publish = block.message_port_pub  # to look it up takes as long as to call it
    for report in reports:
        activity, channel = to_pmts(report)
        publish(_ACTIVITY, activity)
        publish(_CHANNEL, channel)
        for pdu in payload_pdus(report):
            publish(PAYLOAD, pdu)


def payload_pdus(report: Report) -> list[Any]:
    """A PDU (meta . u8vector) for each device of a report that tells payloads, without bytes if none came."""
    if report.payload is None:
        return []
    unknown = np.full(len(report.payload), np.nan)
    figures = {
        "evm_db": unknown if report.evm_db is None else report.evm_db,
        "snr_db": unknown if report.payload_snr_db is None else report.payload_snr_db,
    }
    head = {
        "frame_id": pmt.from_uint64(report.frame_id),
        "rx_time": pmt.cons(pmt.from_uint64(report.rx_time[0]), pmt.from_double(report.rx_time[1])),
    }
    pdus = []
    for row, (device, data) in enumerate(zip(report.device.tolist(), report.payload, strict=True)):
        numbers = {name: pmt.from_double(float(values[row])) for name, values in figures.items()}
        meta = {"device": pmt.from_long(device), "crc_ok": pmt.from_bool(bool(data)), **head, **numbers}
        if report.device_id is not None:
            meta["device_id"] = pmt.intern(report.device_id[row])
        pdus.append(_pdu(meta, data))
    return pdus


def _device_and_data(message: Any) -> tuple[int, bytes]:
    """Of a PDU; ValueError if it is none with a device and bytes."""
    is_pdu = pmt.is_pair(message) and pmt.is_dict(pmt.car(message)) and pmt.is_u8vector(pmt.cdr(message))
    device = pmt.dict_ref(pmt.car(message), _DEVICE, pmt.PMT_NIL) if is_pdu else pmt.PMT_NIL
    if not (pmt.is_integer(device) or pmt.is_uint64(device)):
        raise ValueError(f"payload: expected a PDU (meta with device . u8vector), got {str(message)[:80]}")
    return int(pmt.to_python(device)), bytes(pmt.u8vector_elements(pmt.cdr(message)))


def _pdu(meta: dict[str, Any], data: bytes) -> Any:
    entries = pmt.make_dict()
    for name, value in meta.items():
        entries = pmt.dict_add(entries, pmt.intern(name), value)
    return pmt.cons(entries, pmt.init_u8vector(len(data), list(data)))
